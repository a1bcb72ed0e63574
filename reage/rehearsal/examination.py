"""What an update made better and what it forgot: figures per held-out photograph and increment.

Forgetting of an increment is its best figure before less its present one (for distances the other
way round), as in Wang et al. 2025, "Continual Learning of Personalized Generative Face Models with
Experience Replay"; it may be negative. For that the best so far of every increment is remembered,
not every figure of every night.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

# By name, whether more is better; what each means is said in reage/manifest/nightly.py.
FIGURES: Mapping[str, bool] = {"distance": False, "identity": True, "likeness": True}


@dataclass(frozen=True, kw_only=True)
class ExaminedFace:
    """A held-out photograph, and the figures of the adapter before the update and after it.

    `before` is empty where there was no adapter.
    """

    photograph: str
    increment: int
    before: Mapping[str, float]
    after: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class IncrementRecord:
    """What is remembered of an increment.

    Attributes:
        number: From 1.
        day: On which it was learnt from, ISO 8601.
        num_learnt: Photographs learnt from.
        num_held_out: Photographs held out when it came.
        min_age: Youngest age among its photographs, years.
        max_age: Oldest.
        first: Figures right after it was learnt; none where nothing of it was held out.
        best: The best of all examinations but the last; none before the second.
        last: Of the last one.
    """

    number: int
    day: str
    num_learnt: int
    num_held_out: int
    min_age: float
    max_age: float
    first: Mapping[str, float] = field(default_factory=dict)
    best: Mapping[str, float] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)

    def forgetting(self) -> dict[str, float]:
        """Returns by how much each figure is worse than its best before, where that is known."""
        return {
            name: worse_by(name, self.best[name], value)
            for name, value in self.last.items()
            if name in self.best
        }

    def seen_anew(self, after: Mapping[str, float]) -> "IncrementRecord":
        """Returns the record with the figures of another examination."""
        if not after:
            return replace(self, best={}, last={})
        best = {
            name: _better(name, value, self.best.get(name)) for name, value in self.last.items()
        }
        return replace(self, first=self.first or after, best=best, last=after)

    def plain(self) -> dict[str, Any]:
        """Returns the record as JSON values; `IncrementRecord(**values)` rebuilds it."""
        return asdict(self)


def worse_by(name: str, reference: float, value: float) -> float:
    """Returns by how much a figure is worse than a reference; negative where it is better."""
    return reference - value if FIGURES[name] else value - reference


def _better(name: str, value: float, other: float | None) -> float:
    return value if other is None or worse_by(name, other, value) < 0 else other


def means_of(faces: Sequence[ExaminedFace], side: str) -> dict[int, dict[str, float]]:
    """Returns the mean figures of every increment.

    Args:
        faces: Of any increments.
        side: `before` or `after`.
    """
    found: dict[int, list[Mapping[str, float]]] = {}
    for face in faces:
        if figures := getattr(face, side):
            found.setdefault(face.increment, []).append(figures)
    return {
        number: {name: float(np.mean([f[name] for f in rows if name in f])) for name in rows[0]}
        for number, rows in sorted(found.items())
    }


def updated_records(
    records: Sequence[IncrementRecord], faces: Sequence[ExaminedFace]
) -> list[IncrementRecord]:
    """Returns the records after an examination."""
    after = means_of(faces, "after")
    return [record.seen_anew(after.get(record.number, {})) for record in records]


def mean_forgetting(records: Sequence[IncrementRecord]) -> dict[str, float]:
    """Returns the mean over all increments but the last, of those that have figures."""
    earlier = [record.forgetting() for record in records[:-1] if record.last]
    return {
        name: float(np.mean([found[name] for found in earlier if name in found]))
        for name in FIGURES
        if any(name in found for found in earlier)
    }
