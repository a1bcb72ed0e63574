"""The last stage of training a prior: how far faces are moved to become younger.

What keeps a face itself in training holds back most where wrinkles must go, so that faces asked to
be 20 look older than that. The witness, which no network was trained to please, reads re-aged
faces and real ones of the same ages; the gain is set so that it reads both alike. One number is
set: the witness stays as good as blind to the prior.

Shapes: B batch, R pixels, L layers, D latent size.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ageing.compact_prior import CompactPrior
from models.ageing.recipe import CalibrationSettings, PriorRecipe
from models.training import Report, batches, load_checkpoint, save_checkpoint
from reage.face_set import FaceSet, spread_rows
from tasks.gpu import device

_HALVINGS = 6
_BATCH = 48


class Seen(NamedTuple):
    """A batch of photographs, met once: what every try of a gain starts from."""

    crops: Tensor  # (B, 3, R, R), [-1, 1]
    ages: Tensor  # (B,), years
    codes: Tensor  # (B, L, D)
    sources: Tensor  # (B, 3, R, R), synthesised at those ages


def calibrate(
    prior: CompactPrior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Sets a trained prior's rejuvenation gain by its witness, on validation faces.

    Without a witness, or without faces to tell by, the gain stays as it was learnt with.

    Args:
        prior: Trained, with the gain that it learnt with.
        faces: Those for validation are read.
        recipe: Says between which gains, and at which ages.
        folder: Of the checkpoints.
        report: Told of progress.
    """
    path = folder / "calibration.pt"
    if path.is_file():
        prior.rejuvenation_gain.copy_(load_checkpoint(path)["gain"])
        return
    settings, trained = recipe.calibration, recipe.path.rejuvenation_gain
    if prior.witness is not None and settings.targets:
        too_old = TooOld(prior, faces, settings)
        if too_old.tells:
            gain = _root(too_old, trained * settings.least, trained * settings.most, report)
            prior.rejuvenation_gain.fill_(gain)
    save_checkpoint(path, {"gain": prior.rejuvenation_gain.cpu()})


def _root(too_old: "TooOld", low: float, high: float, report: Report) -> float:
    """Halves between two gains towards that where nothing is too old any more."""
    total = _HALVINGS + 2

    def years(gain: float, done: int) -> float:
        found = too_old.years(gain)
        report("calibration", done, total, {"gain": gain, "too old": found})
        return found

    if years(low, 1) <= 0:
        return low
    if years(high, 2) >= 0:
        return high
    for done in range(3, total + 1):
        middle = (low + high) / 2
        low, high = (middle, high) if years(middle, done) > 0 else (low, middle)
    return (low + high) / 2


class TooOld:
    """By how much faces made younger are read older than real ones of the ages asked for."""

    def __init__(self, prior: CompactPrior, faces: FaceSet, settings: CalibrationSettings) -> None:
        self._prior, self._settings = prior, settings
        self._real = {
            target: self._read_real(faces, np.abs(faces.ages - target) <= settings.near_years)
            for target in settings.targets
        }
        crops = _crops(faces, faces.validation, settings.num_faces)
        self._seen = [self._met(some) for some in crops]

    @property
    def tells(self) -> bool:
        """Whether there are real faces of an age asked for, and older ones to be made so."""
        return bool(self._pairs())

    def years(self, gain: float) -> float:
        """Returns the mean over the ages asked for, with a gain that is left set."""
        self._prior.rejuvenation_gain.fill_(gain)
        pairs = self._pairs()
        return sum(self._read_younger(target) - real for target, real in pairs) / len(pairs)

    def _pairs(self) -> list[tuple[float, float]]:
        oldest = max((float(seen.ages.max()) for seen in self._seen), default=0.0)
        return [
            (target, real)
            for target, real in self._real.items()
            if real is not None and oldest > target + self._settings.apart_years
        ]

    @torch.no_grad()
    def _read_real(self, faces: FaceSet, near: NDArray[np.bool_]) -> float | None:
        rows = faces.validation[near[faces.validation]]
        crops = _crops(faces, rows, self._settings.num_faces)
        read = [self._prior.witnessed_age(some) for some in crops]
        return float(torch.cat(read).mean()) if read else None

    @torch.no_grad()
    def _met(self, crops: Tensor) -> Seen:
        ages, codes = self._prior.estimate_age(crops), self._prior.encode(crops)
        sources = self._prior.decode(codes + self._prior.source_offset(crops, codes, ages))
        return Seen(crops, ages, codes, sources)

    @torch.no_grad()
    def _read_younger(self, target: float) -> float:
        read, prior = [], self._prior
        for seen in self._seen:
            older = seen.ages > target + self._settings.apart_years
            if bool(older.any()):
                crops, ages, codes, sources = (part[older] for part in seen)
                asked = torch.full_like(ages, target)
                aged = prior.decode(codes + prior.ageing_offset(crops, codes, ages, asked))
                change = prior.difference(sources, aged, crops)
                read.append(prior.witnessed_age((crops + 2 * change).clamp(-1, 1)))
        return float(torch.cat(read).mean())


def _crops(faces: FaceSet, rows: NDArray[np.int64], at_most: int) -> list[Tensor]:
    rows = spread_rows(rows, min(len(rows), at_most))
    return [crops.to(device()) for crops in batches(faces.crops, rows, size=_BATCH)]
