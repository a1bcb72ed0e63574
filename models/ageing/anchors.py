"""A person's anchors: latents of their photographs, each of which looks as old as its photograph.

An encoder shows faces younger or older than they are; an anchor is a photograph's latent taken
along the prior's ageing path until its picture looks, to the prior's own eye, the age that is
known. Near the photographs' ages their mean says where the person lies in the latent space; beyond
them the prior carries it on.
Anchors as in Nitzan et al. 2022, "MyStyle"; the correction of their ages is ours.

Shapes: B batch, N photographs, L style layers, D latent size, R crop size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.ageing.prior import Prior
from models.ops.shrink import shrunk
from models.shapes import check_shape

_ROUNDS = 4
_SHARE = 0.6  # of a round's error that is corrected: the path is not even
_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Anchors:
    """Latents of one person's photographs with their ages.

    Attributes:
        latents: w_plus, (N, L, D).
        ages: Years, (N,).
    """

    latents: Tensor
    ages: Tensor

    def __post_init__(self) -> None:
        check_shape("latents", self.latents, "N L D")
        check_shape("ages", self.ages, "N", N=len(self.latents))
        if not len(self.ages):
            raise ValueError("Anchors: photographs: got 0, expected at least 1")

    def centre(self, target_age: Tensor, *, window_years: float) -> Tensor:
        """Returns the mean latent of about target ages (B,), years: (B, L, D).

        Photographs weigh by a Gaussian of their distance from the target whose deviation is the
        window; far from all of them the closest weighs most.
        """
        apart = (self.ages.to(target_age)[None] - target_age[:, None]) / window_years
        weights = torch.softmax(-0.5 * apart.square(), dim=1).to(self.latents.dtype)
        return torch.einsum("bn,nld->bld", weights, self.latents)


@torch.no_grad()
def anchor_latents(prior: Prior, crops: Tensor, codes: Tensor, ages: Tensor) -> Tensor:
    """Returns the photographs' anchors, (N, L, D).

    Args:
        prior: The general prior.
        crops: Photographs, (N, 3, R, R), RGB in [-1, 1].
        codes: Their w_plus, (N, L, D).
        ages: Years, (N,).
    """
    parts = zip(crops.split(_AT_ONCE), codes.split(_AT_ONCE), ages.split(_AT_ONCE), strict=True)
    return torch.cat([_corrected(prior, *part) for part in parts])


def _corrected(prior: Prior, crops: Tensor, codes: Tensor, ages: Tensor) -> Tensor:
    """Asks the prior for other ages until its pictures look the known ones; keeps the closest."""
    lowest, highest = prior.config.min_age, prior.config.max_age
    asked = ages.clamp(lowest, highest)
    best, least = codes, torch.full_like(ages, torch.inf)
    for _ in range(_ROUNDS):
        latents = codes + prior.ageing_offset(crops, codes, ages, asked)
        error = ages - prior.estimate_age(_pictures(prior, latents))
        closer = error.abs() < least
        best = torch.where(closer[:, None, None], latents, best)
        least = torch.where(closer, error.abs(), least)
        asked = (asked + _SHARE * error).clamp(lowest, highest)
    return best


def _pictures(prior: Prior, latents: Tensor) -> Tensor:
    return shrunk(prior.decode(latents).clamp(-1, 1), prior.config.crop_size)
