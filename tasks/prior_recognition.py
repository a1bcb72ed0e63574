"""What a face recogniser by others says of re-aged faces: are they met like real ones of that age?

A discriminator looks for what gives a picture away; this compares where whole sets of faces lie to
a network that has learnt people, not ages: its embeddings, and the features that lead to them, each
a space of its own. Both sides are weighed: by nearness in age, and by how alike they are in gender
and group, so that nobody is drawn to another's.
Source: Binkowski et al. 2018, "Demystifying MMD GANs" (the kernel).

Shapes: B batch, R crop size, M cells, E size of a space, K faces, N of a set.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ageing.recipe import RecognitionSettings
from models.training import Augmentation, Draw, Report, augment
from reage.face_set import FaceSet
from tasks.gpu import device

SEEN = Augmentation(
    shift=0.03, turn=0.06, zoom=0.05, colour=0.06, soften=0.3, erase=0.0, noise=0.02
)
CHUNK = 64


class Met(NamedTuple):
    """Faces as they were met: (K, E) by space, ages (K,), years, cell weights (K, M)."""

    spaces: tuple[Tensor, ...]
    ages: Tensor
    cells: Tensor


class FaceMemory(nn.Module):
    """The last re-aged faces, oldest overwritten first; its buffers belong into a checkpoint."""

    side_by_side: Tensor
    sources: Tensor
    ages: Tensor
    cells: Tensor
    count: Tensor

    def __init__(self, num_faces: int, *, sizes: Sequence[int], num_cells: int) -> None:
        """Takes how many faces to keep, E by space, and M."""
        super().__init__()
        self._sizes = tuple(sizes)
        self.register_buffer("side_by_side", torch.zeros(num_faces, sum(sizes)))
        self.register_buffer("sources", torch.zeros(num_faces))
        self.register_buffer("ages", torch.zeros(num_faces))
        self.register_buffer("cells", torch.zeros(num_faces, num_cells))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return min(int(self.count), len(self.ages))

    def filled(self) -> tuple[Met, Tensor]:
        """Returns a copy of those that there are, and their source ages (K,)."""
        count = len(self)
        kept = (self.side_by_side, self.ages, self.cells, self.sources)
        side_by_side, ages, cells, sources = (part[:count].clone() for part in kept)
        return Met(side_by_side.split(self._sizes, dim=1), ages, cells), sources

    def add(self, met: Met, sources: Tensor) -> None:
        """Keeps re-aged faces, B of them, and the ages (B,) that they were re-aged from."""
        rows = (torch.arange(len(sources), device=sources.device) + self.count) % len(self.ages)
        self.side_by_side[rows] = torch.cat(met.spaces, dim=1).detach()
        self.sources[rows], self.ages[rows], self.cells[rows] = sources, met.ages, met.cells
        self.count += len(sources)


class Asked(NamedTuple):
    """What re-aged faces were asked to be: (B,), (B,), years, and cell weights (B, M)."""

    sources: Tensor
    targets: Tensor
    cells: Tensor


class Recognition:
    """Real faces by age as a recogniser meets them, and how far re-aged ones are from them.

    The real ones are met when they are first compared with.

    Args of the constructor:
        networks: Crops (B, 3, R, R) in [-1, 1] to what they see, (B, E) by space, by name. The
            first is the recogniser: its first space is of embeddings, whose lengths already mean
            something; all others are told by their spread.
        faces: Real ones; those for training are drawn from, all ages alike.
        cells: Weights (N, M) of all faces.
        settings: How many are compared with, and how.
        seed: Of the draw.
        report: Told of progress.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        faces: FaceSet,
        cells: Tensor,
        settings: RecognitionSettings,
        *,
        seed: int,
        report: Report,
    ) -> None:
        self._networks = {name: network.to(device()) for name, network in networks.items()}
        self._recogniser = next(iter(self._networks.values()))
        self._settings, self._report = settings, report
        self._faces, self._cells = faces, cells
        self._draw = Draw(
            faces.crops, faces.ages, faces.training, seed=seed, stage="recognition", where=device()
        )
        with torch.no_grad():
            crop = self._draw.crops(np.array([0]))
            told = {name: network(crop) for name, network in self._networks.items()}
        self._num_spaces = {name: len(spaces) for name, spaces in told.items()}
        sizes = [space.shape[1] for spaces in told.values() for space in spaces]
        self.memory = FaceMemory(settings.num_remembered, sizes=sizes, num_cells=cells.shape[1]).to(
            device()
        )

    def unknown(self, made: Tensor, crops: Tensor, generator: torch.Generator) -> Tensor:
        """Says how surely re-aged faces are taken for others, 0 where nobody else comes near.

        The cross entropy of knowing the photograph among the real faces by its embedding: a whole
        set may move on, but nobody onto another's place.

        Args:
            made: Re-aged crops, (B, 3, R, R), [-1, 1].
            crops: The photographs that they were made of, the same.
            generator: Of the augmentation.
        """
        settings, (spread, others) = self._settings, self._real.embeddings()
        embedded = spread.units(self._embedded(made, generator))
        with torch.no_grad():
            own = spread.units(self._embedded(crops, generator))
            themselves = own @ others.T > settings.same_photograph
        strangers = (embedded @ others.T).masked_fill(themselves, -1)
        cosines = torch.cat([(embedded * own).sum(dim=1, keepdim=True), strangers], dim=1)
        first = torch.zeros(len(made), dtype=torch.long, device=made.device)
        return F.cross_entropy(cosines / settings.temperature, first)

    def distances(
        self, made: Tensor, asked: Asked, generator: torch.Generator
    ) -> dict[str, list[Tensor]]:
        """Says by network and space how much farther re-aged faces are from real than from others.

        The others are re-aged ones. The gradient is that of half the squared MMD; 0 until enough
        faces are remembered. Faces are compared with those re-aged from about the same age: too
        little from below and too little from above would make up for each other. How far a target
        is from the source counts up to `far_years`, as nearer ones are real whatever is done.

        Args:
            made: Re-aged crops, (B, 3, R, R), [-1, 1].
            asked: What they were to become.
            generator: Of the augmentation.
        """
        memory, settings, real = self.memory, self._settings, self._real
        seen = tuple(
            spread.units(told)
            for spread, told in zip(real.spreads, self._met(made, generator), strict=True)
        )
        apart = [made.new_zeros(())] * len(seen)
        if len(memory) >= settings.num_fewest:
            others, sources = memory.filled()
            to_others = shares(
                nearness(asked.targets, others.ages, years=settings.remembered_years)
                * nearness(asked.sources, sources, years=settings.source_years)
                * agreement(asked.cells, others.cells)
            )
            to_real = shares(
                nearness(asked.targets, real.faces.ages, years=settings.real_years)
                * agreement(asked.cells, real.faces.cells)
            )
            moved = (asked.targets - asked.sources).abs() / settings.far_years
            apart = [
                (moved.clamp(max=1) * (_mean(to_others, x, y) - _mean(to_real, x, z))).mean()
                for x, y, z in zip(seen, others.spaces, real.faces.spaces, strict=True)
            ]
        memory.add(Met(seen, asked.targets, asked.cells), asked.sources)
        spaces = iter(apart)
        return {name: list(islice(spaces, count)) for name, count in self._num_spaces.items()}

    @cached_property
    def _real(self) -> "_Real":
        draw, count = self._draw, self._settings.num_real
        draw.at(0)
        rows, met = draw.rows(count, flatten=1.0), []
        for first in range(0, count, CHUNK):
            with torch.no_grad():
                met.append(self._met(draw.crops(rows[first : first + CHUNK]), draw.generator))
            self._report("recognition", min(first + CHUNK, count), count, {})
        seen = [torch.cat(told) for told in zip(*met, strict=True)]
        spreads = (
            Spread(seen[0].mean(dim=0), torch.ones_like(seen[0][0])),
            *(Spread(told.mean(dim=0), told.std(dim=0)) for told in seen[1:]),
        )
        faces = Met(
            tuple(spread.units(told) for spread, told in zip(spreads, seen, strict=True)),
            torch.from_numpy(self._faces.ages[rows]).float().to(draw.where),
            self._cells[rows].float().to(draw.where),
        )
        return _Real(spreads, faces)

    def _met(self, crops: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        # In full precision: what is compared are small differences of means.
        shown = augment(crops, SEEN, generator=generator)
        return tuple(space for network in self._networks.values() for space in network(shown))

    def _embedded(self, crops: Tensor, generator: torch.Generator) -> Tensor:
        embedded: Tensor = self._recogniser(augment(crops, SEEN, generator=generator))[0]
        return embedded


class Spread(NamedTuple):
    """The mean of real faces in a space, (E,), and what counts as one unit from it, (E,)."""

    mean: Tensor
    unit: Tensor

    def units(self, told: Tensor) -> Tensor:
        """Returns what a recogniser told (B, E), in these terms, of unit length."""
        return F.normalize((told - self.mean) / (self.unit + 1e-3), dim=1)


class _Real(NamedTuple):
    """The real faces, and how they are spread in each space."""

    spreads: tuple[Spread, ...]
    faces: Met

    def embeddings(self) -> tuple[Spread, Tensor]:
        """Returns the first space."""
        return self.spreads[0], self.faces.spaces[0]


def _mean(weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return (weights * kernel(x, y)).sum(dim=1)


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """Returns (cosine + 1)^3 of unit vectors (B, E) and (K, E), (B, K)."""
    return (x @ y.T + 1) ** 3


def nearness(ages: Tensor, others: Tensor, *, years: float) -> Tensor:
    """Returns (B, K), 1 where ages (B,) and (K,) agree, falling with a standard deviation."""
    return torch.exp(-0.5 * ((ages[:, None] - others) / years) ** 2)


def agreement(cells: Tensor, others: Tensor) -> Tensor:
    """Returns (B, K), 1 where gender and group (B, M) and (K, M) surely agree, above 0."""
    return (cells.float() @ others.float().T).clamp_min(1e-4)


def shares(weights: Tensor) -> Tensor:
    """Returns weights (B, K) with rows of sum 1."""
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-12)
