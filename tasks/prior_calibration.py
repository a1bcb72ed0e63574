"""The last stage of training a prior: how far faces are moved to become younger, and older.

What keeps a face itself in training holds back most where wrinkles must go, so that faces asked to
be 20 look older than that, and some where they must come. The witness, which no network was trained
to please, reads re-aged faces and real ones of the same ages; the gains are set so that it reads
both alike. Two numbers are set: the witness stays as good as blind to the prior.

Shapes: B batch, R pixels, L layers, D latent size.
"""

from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import Tensor

from models.ageing.compact_prior import CompactPrior
from models.ageing.recipe import CalibrationSettings, PriorRecipe
from models.training import Report, batches, load_checkpoint, save_checkpoint
from reage.face_set import FaceSet, spread_rows
from tasks.gpu import device

_TRIES = 8  # of a gain at most, the two bounds among them
_NEAR = 0.2  # years lacking, that count as none
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
    """Sets a trained prior's gains of moves by its witness, on validation faces.

    Without a witness, or without faces to tell by, a gain stays as it was learnt with.

    Args:
        prior: Trained, with the gains that it learnt with.
        faces: Those for validation are read.
        recipe: Says between which gains, and at which ages.
        folder: Of the checkpoints.
        report: Told of progress.
    """
    path = folder / "calibration.pt"
    gains = {"gain": prior.rejuvenation_gain, "ageing gain": prior.ageing_gain}
    if path.is_file():
        kept = load_checkpoint(path)
        for name, gain in gains.items():
            gain.copy_(kept.get(name, gain))
        return
    if prior.witness is not None:
        settings = recipe.calibration
        seen = [_met(prior, crops) for crops in _crops(faces, faces.validation, settings.num_faces)]
        younger = TooLittle(prior, faces, settings, seen, younger=True)
        older = TooLittle(prior, faces, settings, seen, younger=False)
        whole = (recipe.path.rejuvenation_gain, 1.0)
        for (name, gain), lacks, base in zip(gains.items(), (younger, older), whole, strict=True):
            if lacks.tells:
                bounds = (base * settings.least, base * settings.most)
                gain.fill_(_root(name, gain, lacks, bounds, report))
    save_checkpoint(path, {name: gain.cpu() for name, gain in gains.items()})


def _root(
    name: str, gain: Tensor, lacks: "TooLittle", bounds: tuple[float, float], report: Report
) -> float:
    """Searches between two values of a gain for that where nothing is lacking any more."""
    done = count(1)

    @cache
    def years(value: float) -> float:
        gain.fill_(value)
        found = lacks.years()
        report("calibration", next(done), _TRIES, {name: value, "years lacking": found})
        return 0.0 if abs(found) <= _NEAR else found

    low, high = bounds
    if years(low) <= 0:
        return low
    if years(high) >= 0:
        return high
    close = (high - low) / 100
    root, _ = brentq(years, low, high, xtol=close, maxiter=_TRIES - 2, full_output=True, disp=False)
    return float(root)


class TooLittle:
    """By how much moved faces are read short of real ones of the ages asked for."""

    def __init__(
        self,
        prior: CompactPrior,
        faces: FaceSet,
        settings: CalibrationSettings,
        seen: list[Seen],
        *,
        younger: bool,
    ) -> None:
        self._prior, self._settings, self._seen = prior, settings, seen
        self._sign, targets = (1, settings.targets) if younger else (-1, settings.older_targets)
        read = {
            target: self._read_real(faces, np.abs(faces.ages - target) <= settings.near_years)
            for target in targets
            if any(bool(self._far(some, target).any()) for some in seen)
        }
        self._real = {target: real for target, real in read.items() if real is not None}

    @property
    def tells(self) -> bool:
        """Whether there are real faces of an age asked for, and others to be made so."""
        return bool(self._real)

    def years(self) -> float:
        """Returns the mean over the ages asked for, with the gains that are set."""
        apart = [self._read_moved(target) - real for target, real in self._real.items()]
        return self._sign * sum(apart) / len(apart)

    def _far(self, seen: Seen, target: float) -> Tensor:
        return self._sign * (seen.ages - target) > self._settings.apart_years

    @torch.no_grad()
    def _read_real(self, faces: FaceSet, near: NDArray[np.bool_]) -> float | None:
        rows = faces.validation[near[faces.validation]]
        crops = _crops(faces, rows, self._settings.num_faces)
        read = [self._prior.witnessed_age(some) for some in crops]
        return float(torch.cat(read).mean()) if read else None

    @torch.no_grad()
    def _read_moved(self, target: float) -> float:
        read, prior = [], self._prior
        for seen in self._seen:
            far = self._far(seen, target)
            if bool(far.any()):
                crops, ages, codes, sources = (part[far] for part in seen)
                asked = torch.full_like(ages, target)
                aged = prior.decode(codes + prior.ageing_offset(crops, codes, ages, asked))
                change = prior.difference(sources, aged, crops)
                read.append(prior.witnessed_age((crops + 2 * change).clamp(-1, 1)))
        return float(torch.cat(read).mean())


@torch.no_grad()
def _met(prior: CompactPrior, crops: Tensor) -> Seen:
    ages, codes = prior.estimate_age(crops), prior.encode(crops)
    sources = prior.decode(codes + prior.source_offset(crops, codes, ages))
    return Seen(crops, ages, codes, sources)


def _crops(faces: FaceSet, rows: NDArray[np.int64], at_most: int) -> list[Tensor]:
    rows = spread_rows(rows, min(len(rows), at_most))
    return [crops.to(device()) for crops in batches(faces.crops, rows, size=_BATCH)]
