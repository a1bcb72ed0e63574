"""What a trained prior's networks are worth on validation faces, measured by itself.

These are its own readers' figures: they tell a run that went well from one that did not. What the
ageing is worth is for others' networks to judge (benchmarks/prior).

Shapes: N faces, R crop size, E embedding size.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ageing.compact_prior import CompactPrior
from models.face.age import FaceReading
from models.training import Augmentation, augment, batches
from reage.face_set import FaceSet, spread_rows

FIGURES_NAME = "figures.json"
_MOST_EMBEDDED = 500
_MOST_RE_AGED = 200
_RE_AGED_TO = (30.0, 50.0, 70.0)
_BATCH = 64
_VIEWS = Augmentation(colour=0.3)


@dataclass(frozen=True, kw_only=True)
class PriorFigures:
    """Figures on the faces of fold 1; None where there were too few faces to tell.

    Attributes:
        digest: SHA-256, hex, of the weights they are of.
        date: When they were taken, ISO, UTC.
        num_faces: N.
        age_mae: Mean absolute error of the regressor against the labels, years; mean of both
            mirrorings.
        age_r: Pearson's r of the same.
        witness_mae: As `age_mae`, of the witness; None where there is none.
        witnessed_at: What the witness reads on average of faces re-aged to some ages, years, by
            that age.
        gender_accuracy: Of the faces whose gender is labelled, 0-1.
        rank1: Share of views whose nearest, among one other view of each face, is their own's.
        num_embedded: How many faces it was told among.
        psnr_db: Of reconstruction, mean over faces.
    """

    digest: str
    date: str
    num_faces: int
    age_mae: float | None = None
    age_r: float | None = None
    witness_mae: float | None = None
    witnessed_at: dict[str, float] = field(default_factory=dict)
    gender_accuracy: float | None = None
    rank1: float | None = None
    num_embedded: int = 0
    psnr_db: float | None = None


def kept_figures(prior: CompactPrior, faces: FaceSet, folder: Path) -> PriorFigures:
    """Returns the figures of these weights: those in the folder's figures.json, else new ones."""
    path = folder / FIGURES_NAME
    if path.is_file():
        held = PriorFigures(**json.loads(path.read_text(encoding="utf-8")))
        if held.digest == prior.digest:
            return held
    figures = measure_prior(prior, faces)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(asdict(figures), indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return figures


@torch.no_grad()
def measure_prior(prior: CompactPrior, faces: FaceSet) -> PriorFigures:
    """Measures a prior, in evaluation mode, on the faces of fold 1."""
    rows, now = faces.validation, datetime.now(UTC).date().isoformat()
    if not len(rows):
        return PriorFigures(digest=prior.digest, date=now, num_faces=0)
    ages = faces.ages[rows]
    read_ages, genders = _read(prior, faces, rows)
    witnessed = _witnessed(prior, faces, rows) if prior.witness else None
    labels = faces.genders[rows]
    known = (labels >= 0) & (labels < prior.config.regressor.num_genders)
    num_embedded = min(len(rows), _MOST_EMBEDDED)
    return PriorFigures(
        digest=prior.digest,
        date=now,
        num_faces=len(rows),
        age_mae=float(np.abs(read_ages - ages).mean()),
        age_r=_pearson(read_ages, ages),
        witness_mae=None if witnessed is None else float(np.abs(witnessed - ages).mean()),
        witnessed_at={} if witnessed is None else _witnessed_at(prior, faces, rows),
        gender_accuracy=float((genders == labels)[known].mean()) if known.any() else None,
        rank1=_rank1(prior, faces, spread_rows(rows, num_embedded)) if num_embedded > 1 else None,
        num_embedded=num_embedded,
        psnr_db=_psnr(prior, faces, rows),
    )


def _read(
    prior: CompactPrior, faces: FaceSet, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns the regressor's ages (N,), years, and genders (N,)."""
    ages, genders = [], []
    for crops in batches(faces.crops, rows, size=_BATCH):
        both: list[FaceReading] = [prior.regressor(view) for view in (crops, crops.flip(3))]
        ages.append((both[0].age + both[1].age) / 2)
        genders.append((both[0].gender_logits + both[1].gender_logits).argmax(dim=1))
    return torch.cat(ages).numpy(), torch.cat(genders).numpy()


def _witnessed(
    prior: CompactPrior,
    faces: FaceSet,
    rows: NDArray[np.int64],
    *,
    target_age: float | None = None,
) -> NDArray[np.float32]:
    """Returns what the witness reads of faces, (N,), years; re-aged where a target is given."""
    read = []
    for crops in batches(faces.crops, rows, size=_BATCH):
        change = torch.zeros_like(crops)
        if target_age is not None:
            source = prior.estimate_age(crops)
            change = prior.change(crops, source, torch.full_like(source, target_age))
        read.append(prior.witnessed_age((crops + 2 * change).clamp(-1, 1)))
    return np.asarray(torch.cat(read).numpy())


def _witnessed_at(prior: CompactPrior, faces: FaceSet, rows: NDArray[np.int64]) -> dict[str, float]:
    seen = spread_rows(rows, min(len(rows), _MOST_RE_AGED))
    config = prior.config
    ages = [age for age in _RE_AGED_TO if config.min_age <= age <= config.max_age]
    return {
        f"{age:g}": float(_witnessed(prior, faces, seen, target_age=age).mean()) for age in ages
    }


def _rank1(prior: CompactPrior, faces: FaceSet, rows: NDArray[np.int64]) -> float:
    generator = torch.Generator().manual_seed(0)
    views: tuple[list[Tensor], list[Tensor]] = ([], [])
    for crops in batches(faces.crops, rows, size=_BATCH):
        for view in views:
            view.append(prior.embedder(augment(crops, _VIEWS, generator=generator)))
    likeness = torch.cat(views[0]) @ torch.cat(views[1]).t()
    found = likeness.argmax(dim=1) == torch.arange(len(rows))
    return float(found.float().mean())


def _psnr(prior: CompactPrior, faces: FaceSet, rows: NDArray[np.int64]) -> float:
    """Mean over faces, dB below a peak of 1 in display units."""
    told = []
    for crops in batches(faces.crops, rows, size=_BATCH):
        made = prior.decode(prior.encode(crops)).clamp(-1, 1)
        error = ((made - crops) / 2).square().mean(dim=(1, 2, 3))
        told.append(-10 * torch.log10(error.clamp(min=1e-10)))
    return float(torch.cat(told).mean())


def _pearson(a: NDArray[np.float32], b: NDArray[np.int64]) -> float | None:
    if len(a) < 3 or not a.std() or not b.std():
        return None
    return float(np.corrcoef(a, b)[0, 1])
