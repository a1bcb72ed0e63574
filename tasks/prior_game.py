"""What both stages against discriminators share: their batches, and what a change must not do.

What is shown to the discriminators is the photograph plus the change, as in the pipeline, so that
ghosts and paint are caught where they would be seen.

Shapes: B batch, S R pixels, N faces, M cells.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from models.ageing.recipe import GameSettings
from models.losses import chroma, colour_shift_penalty, total_variation
from models.ops.shrink import shrunk
from models.training import Draw
from reage.face_set import FaceSet
from tasks.prior_discriminators import RealFaces

FREE_SHIFT = 0.01  # mean shift of a channel, display units, that goes nearly unpunished
Weighted = dict[str, tuple[float, Tensor]]  # terms by name: weight and value


@dataclass(frozen=True)
class Batch:
    """What one step needs of B photographs to change and B real ones to compare with."""

    crops: Tensor  # (B, 3, R, R), [-1, 1]
    source_ages: Tensor  # (B,) years
    cells: Tensor  # (B, M)
    target_ages: Tensor  # (B,) years
    real: RealFaces


class Sampler:
    """Draws batches of a stage."""

    def __init__(self, faces: FaceSet, draw: Draw, read_ages: Tensor, cells: Tensor) -> None:
        self._draw, self._read_ages, self._cells = draw, read_ages, cells
        self._ages = (read_ages + torch.from_numpy(faces.ages)) / 2

    def batch(self, settings: GameSettings) -> Batch:
        """Returns a batch of the step that the draw has been turned to."""
        count, draw = settings.batch_size, self._draw
        rows = draw.rows(count, flatten=settings.source_flatten)
        real = draw.rows(count, flatten=1.0)
        anything = self._uniform(settings.min_target, settings.max_target, count)
        young = self._uniform(settings.min_target, settings.young_age, count)
        chosen = torch.from_numpy(draw.rng.random(count) < settings.young_share)
        others = self._uniform(settings.min_target, settings.max_target, count)
        return Batch(
            crops=draw.crops(rows),
            source_ages=self._read_ages[rows],
            cells=self._cells[rows],
            target_ages=torch.where(chosen, young, anything),
            real=RealFaces(
                crops=draw.crops(real),
                ages=self._ages[real],
                wrong_ages=wrong_ages(
                    self._ages[real], others, apart_years=settings.wrong_age_years
                ),
            ),
        )

    def _uniform(self, low: float, high: float, count: int) -> Tensor:
        return torch.from_numpy(self._draw.rng.uniform(low, high, count)).float()


def change_terms(weights: GameSettings, change: Tensor) -> Weighted:
    """Returns what is held against a change (B, 3, S, S), [-1, 1] units, whatever it is for."""
    size = change.shape[-1]
    face = (slice(size // 6, size - size // 8), slice(size * 5 // 24, size - size * 5 // 24))
    shift = colour_shift_penalty(change / 2, face=face, free=FREE_SHIFT)
    beside = (change.abs() * surroundings_weight(size)).mean()
    return {
        "extent": (weights.extent, change.abs().mean()),
        "variation": (weights.variation, total_variation(change)),
        "colour": (weights.colour, shift),
        "symmetry": (weights.symmetry, asymmetry(change)),
        "eyes": (weights.eyes, (change.abs() * eye_weight(size)).mean()),
        "surroundings": (weights.surroundings, beside),
        "chroma": (weights.chroma, chroma(change)),
    }


def descend_weighted(optimiser: torch.optim.Optimizer, terms: Weighted) -> dict[str, float]:
    """One step down the weighted sum; returns the terms' values."""
    loss = torch.stack([weight * term for weight, term in terms.values()]).sum()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return {name: term.item() for name, (_, term) in terms.items()}


def without_momentum(*groups: list[nn.Parameter]) -> torch.optim.Adam:
    """Returns Adam over groups of parameters."""
    # No momentum: a game turns faster than an average of gradients would.
    return torch.optim.Adam([{"params": group} for group in groups], betas=(0.0, 0.99))


def asymmetry(change: Tensor, *, size: int = 32) -> Tensor:
    """Returns how far a change (B, 3, S, S) is from its mirror image, seen at `size` pixels.

    Paint is one-sided at that size; no wrinkle has a twin to the pixel, so finer is not looked at.
    """
    coarse = shrunk(change, size)
    return (coarse - coarse.flip(3)).abs().mean()


@lru_cache(maxsize=4)
def border_ramp(size: int, *, share: float = 0.12) -> Tensor:
    """Returns 1 inside a crop, falling to 0 over `share` of its size at the border; (S, S)."""
    centre = (size - 1) / 2
    distance = size / 2 - (torch.arange(size) - centre).abs()
    ramp = (distance / (share * size)).clamp(0, 1)
    return torch.minimum(ramp[:, None], ramp[None])


@lru_cache(maxsize=4)
def eye_weight(size: int) -> Tensor:
    """Returns where the eyes of an aligned crop lie, (S, S), of mean 1.

    A discriminator that looks at both sides at once is slow to see that one eye has gone blind.
    """
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    y = (rows + 0.5) / size
    x = (columns + 0.5) / size
    sides = [
        torch.exp(-0.5 * (((x - centre) / 0.073) ** 2 + ((y - 0.297) / 0.042) ** 2) ** 2)
        for centre in (0.305, 0.695)
    ]
    weight = sides[0] + sides[1]
    return weight / weight.mean()


@lru_cache(maxsize=4)
def surroundings_weight(size: int) -> Tensor:
    """Returns what of an aligned crop lies beside the face, (S, S), of mean 1.

    Backgrounds tell an age too: left free, the change darkens what is behind an old face's jaw.
    """
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    y = (rows + 0.5) / size
    x = (columns + 0.5) / size
    radius = torch.hypot((x - 0.5) / 0.46, (y - 0.42) / 0.58)
    weight = torch.sigmoid((radius - 1) / 0.05)
    return weight / weight.mean()


def wrong_ages(ages: Tensor, drawn: Tensor, *, apart_years: float) -> Tensor:
    """Returns `drawn` ages (B,), those too near the true `ages` moved beyond `apart_years`."""
    away = torch.where(ages > 50, -1.0, 1.0) * (apart_years + (drawn - ages).abs())
    return torch.where((drawn - ages).abs() < apart_years, ages + away, drawn)
