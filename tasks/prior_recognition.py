"""What a face recogniser by others says of re-aged faces: are they met like real ones of that age?

A discriminator looks for what gives a picture away; this compares where whole sets of faces lie to
a network that has learnt people, not ages. Both sides are weighed: by nearness in age, and by how
alike they are in gender and group, so that nobody is drawn to another's.
Source: Binkowski et al. 2018, "Demystifying MMD GANs" (the kernel).

Shapes: B batch, R crop size, M cells, E embedding size, K faces, N of a set.
"""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ageing.recipe import RecognitionSettings
from models.dlib_file import load_dlib_resnet
from models.face.dlib_resnet import (
    CHIP,
    EMBEDDING_SIZE,
    LANDMARKS,
    CropRecogniser,
)
from models.training import Augmentation, Draw, Report, augment
from reage.face_set import FaceSet
from reage.geometry import Similarity
from reage.storage.local import file_digest
from tasks.gpu import device

SEEN = Augmentation(
    shift=0.03, turn=0.06, zoom=0.05, colour=0.06, soften=0.3, erase=0.0, noise=0.02
)
CHUNK = 64


class Met(NamedTuple):
    """Faces as they were met: unit embeddings (K, E), ages (K,), years, cell weights (K, M)."""

    embedded: Tensor
    ages: Tensor
    cells: Tensor


class FaceMemory(nn.Module):
    """The last re-aged faces, oldest overwritten first; its buffers belong into a checkpoint."""

    embedded: Tensor
    ages: Tensor
    cells: Tensor
    count: Tensor

    def __init__(self, size: int, *, embedding_size: int, num_cells: int) -> None:
        super().__init__()
        self.register_buffer("embedded", torch.zeros(size, embedding_size))
        self.register_buffer("ages", torch.zeros(size))
        self.register_buffer("cells", torch.zeros(size, num_cells))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return min(int(self.count), len(self.ages))

    def filled(self) -> Met:
        """Returns a copy of those that there are."""
        count = len(self)
        return Met(*(kept[:count].clone() for kept in (self.embedded, self.ages, self.cells)))

    def add(self, embedded: Tensor, ages: Tensor, cells: Tensor) -> None:
        """Keeps embeddings (B, E), ages (B,), years, and cell weights (B, M)."""
        rows = (torch.arange(len(ages), device=ages.device) + self.count) % len(self.ages)
        self.embedded[rows], self.ages[rows], self.cells[rows] = embedded.detach(), ages, cells
        self.count += len(ages)


class Recognition:
    """Real faces by age as a recogniser meets them, and how far re-aged ones are from them.

    The real ones are embedded when they are first compared with.

    Args of the constructor:
        recogniser: Crops (B, 3, R, R) in [-1, 1] to embeddings (B, E), E = 128.
        faces: Real ones; those for training are drawn from, all ages alike.
        cells: Weights (N, M) of all faces.
        settings: How many are compared with, and how.
        seed: Of the draw.
        report: Told of progress.
    """

    def __init__(
        self,
        recogniser: nn.Module,
        faces: FaceSet,
        cells: Tensor,
        settings: RecognitionSettings,
        *,
        seed: int,
        report: Report,
    ) -> None:
        self._recogniser, self._settings = recogniser.to(device()), settings
        self._faces, self._cells, self._report = faces, cells, report
        self._draw = Draw(
            faces.crops, faces.ages, faces.training, seed=seed, stage="recognition", where=device()
        )
        self.memory = FaceMemory(
            settings.num_remembered, embedding_size=EMBEDDING_SIZE, num_cells=cells.shape[1]
        ).to(device())

    def distance(
        self, made: Tensor, ages: Tensor, cells: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Returns how much farther re-aged faces are from real ones than from each other.

        Its gradient is that of half the squared MMD; 0 until enough faces are remembered.

        Args:
            made: Re-aged crops, (B, 3, R, R), [-1, 1].
            ages: What they were re-aged to, (B,), years.
            cells: Their weights of gender and group, (B, M).
            generator: Of the augmentation.
        """
        memory, settings, real = self.memory, self._settings, self._real
        embedded = F.normalize(self._met(made, generator) - real.mean, dim=1)
        apart = made.new_zeros(())
        if len(memory) >= settings.num_fewest:
            theirs = memory.filled()
            own = _mean_kernel(embedded, ages, cells, theirs, years=settings.remembered_years)
            apart = own - _mean_kernel(embedded, ages, cells, real.faces, years=settings.real_years)
        memory.add(embedded, ages, cells)
        return apart

    @cached_property
    def _real(self) -> "_Real":
        draw, count = self._draw, self._settings.num_real
        draw.at(0)
        rows, met = draw.rows(count, flatten=1.0), []
        for first in range(0, count, CHUNK):
            with torch.no_grad():
                met.append(self._met(draw.crops(rows[first : first + CHUNK]), draw.generator))
            self._report("recognition", min(first + CHUNK, count), count, {})
        embedded = torch.cat(met)
        mean = embedded.mean(dim=0)
        faces = Met(
            F.normalize(embedded - mean, dim=1),
            torch.from_numpy(self._faces.ages[rows]).float().to(draw.where),
            self._cells[rows].float().to(draw.where),
        )
        return _Real(mean, faces)

    def _met(self, crops: Tensor, generator: torch.Generator) -> Tensor:
        # In full precision: what is compared are small differences of means.
        embedded: Tensor = self._recogniser(augment(crops, SEEN, generator=generator))
        return embedded


class _Real(NamedTuple):
    """The real faces, and their mean embedding (E,), which all are counted from."""

    mean: Tensor
    faces: Met


def _mean_kernel(
    embedded: Tensor, ages: Tensor, cells: Tensor, others: Met, *, years: float
) -> Tensor:
    weights = comparison_weights(ages, cells.float(), others.ages, others.cells, years=years)
    return (weights * kernel(embedded, others.embedded)).sum(dim=1).mean()


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """Returns (cosine + 1)^3 of unit embeddings (B, E) and (K, E), (B, K)."""
    return (x @ y.T + 1) ** 3


def comparison_weights(
    ages: Tensor, cells: Tensor, other_ages: Tensor, other_cells: Tensor, *, years: float
) -> Tensor:
    """Weighs faces for others to be compared with.

    Args:
        ages, cells: Of the others, (B,) and (B, M).
        other_ages, other_cells: Of the faces, (K,) and (K, M).
        years: Standard deviation of nearness in age.

    Returns:
        (B, K), rows of sum 1, larger for faces near in age and alike in gender and group.
    """
    near = torch.exp(-0.5 * ((ages[:, None] - other_ages) / years) ** 2)
    weights = near * (cells @ other_cells.T).clamp_min(1e-4)
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-9)


def recogniser_for(faces: FaceSet, path: Path) -> CropRecogniser:
    """Loads dlib's recogniser for crops that are aligned as `faces` are.

    Raises:
        CheckpointError: The file is not dlib's.
    """
    places = dict(zip(faces.indices.tolist(), faces.template, strict=True))
    template = np.array([places[index] for index in LANDMARKS])
    crop_from_chip = Similarity.fit(np.array(CHIP), template)
    return CropRecogniser(load_dlib_resnet(path), crop_from_chip.matrix, faces.crops.shape[1])


def recogniser_digest(path: Path) -> str:
    """Returns the SHA-256 of dlib's file, hex, once it has been read and found to be dlib's.

    Raises:
        CheckpointError: It is not.
    """
    load_dlib_resnet(path)
    return file_digest(path)
