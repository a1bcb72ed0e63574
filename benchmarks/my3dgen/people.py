"""Whose latents actors are made of: those of noise, or of photographs where noise is no face.

Shapes: P latents, L style layers, D latent size.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from benchmarks.held_out import TEST_FOLD, first_in_fold
from models.eg3d.camera import frontal_label
from models.eg3d.generator import TriPlaneGenerator
from models.face3d.prior import Face3DPrior
from models.training import to_crops
from reage.labelled_faces import find_photos
from tasks.posed_faces import pose_chunk

COUNT = 100


class People(Protocol):
    """Who a prior knows."""

    def latents(self, count: int, chance: torch.Generator, *, psi: float = 1.0) -> Tensor:
        """Draws w+ (count, L, D) of anybody, `psi` times as far from the mean as they are."""


@dataclass(frozen=True, eq=False)
class SampledPeople:
    """Those that a generator maps noise to."""

    generator: TriPlaneGenerator

    def latents(self, count: int, chance: torch.Generator, *, psi: float = 1.0) -> Tensor:
        """Draws latents; see People."""
        z = torch.randn(count, self.generator.config.latent_size, generator=chance)
        return self.generator.latents(z, frontal_label().expand(count, -1), psi=psi)


@dataclass(frozen=True, eq=False)
class PhotographedPeople:
    """Those of photographs.

    Attributes:
        codes: Theirs, (P, L, D).
    """

    codes: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, prior: Face3DPrior, data: Path) -> "PhotographedPeople":
        """Encodes COUNT held-out photographs of a folder."""
        chosen = first_in_fold(find_photos(data)[0], TEST_FOLD, count=COUNT)
        faces = [face for face in pose_chunk(chosen, prior.config.crop_size) if face is not None]
        return cls(torch.cat([prior.encode(to_crops(crop[None])) for crop, *_ in faces]))

    def latents(self, count: int, chance: torch.Generator, *, psi: float = 1.0) -> Tensor:
        """Draws latents; see People."""
        drawn = self.codes[torch.randint(len(self.codes), (count,), generator=chance)]
        return torch.lerp(self.codes.mean(dim=0), drawn, psi)
