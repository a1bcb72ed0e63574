"""How near to real faces of an age re-aged ones could come, were their ageing perfect.

    python -m benchmarks.prior_floor --data FOLDER --judges FOLDER

People of 20 in a collection differ from those of 50 by more than their age: by who they are and by
how they were photographed. Real faces of an age are weighted to be, in all of that, the people whom
`bench-prior` re-ages, and are compared with the others of that age as they come. What is between
them no re-ageing takes away that leaves the rest as it is. Nothing is re-aged here, and no prior is
loaded.
Source: Rosenbaum & Rubin 1983, "The Central Role of the Propensity Score in Observational Studies
for Causal Effects" (the weights).

Shapes: N faces, M people, K real faces, F attributes, E embedding size.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.held_out import GENDERS, GROUPS, find_faces, in_fold, real_faces_of_age
from benchmarks.judges import Jury
from benchmarks.photograph_looks import LOOKS, looks
from benchmarks.prior.distances import kid, polynomial_kernel, weighted_mmd2
from benchmarks.prior.figures import OTHER_AGE_YEARS, features
from benchmarks.prior.judging import in_processes, joined, units_of
from benchmarks.prior.measures import TARGETS
from benchmarks.record import record
from reage.faces import FaceFinder
from reage.labelled_faces import LabelledPhoto, find_photos

# What is alike, one after the other; gender and group always are.
LEVELS = ("gender and group", *LOOKS)
_NAMES = [name for names in LOOKS.values() for name in names]
HALVINGS = 10
_MOST_WEIGHT = 0.97  # quantile of the weights, above which they are held
_REAL = 800  # of an age, at most

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Photographed:
    """Faces as they were met: names, ages, genders, groups (N,), looks (N, F), (N, E)."""

    names: Array
    ages: Array
    genders: Array
    groups: Array
    looks: Array
    embedded: Array

    def rows(self, chosen: Array) -> "Photographed":
        """Returns some of them, by a mask or numbers."""
        return Photographed(*(getattr(self, f.name)[chosen] for f in fields(self)))


@dataclass(frozen=True)
class Floor:
    """What is left of the distance of unedited faces, as shares of it; means over halvings.

    Attributes:
        floor: Of real faces of the age that are alike.
        unedited: Of unedited faces to those: what is left for ageing.
        effective: How many real faces the weighted ones are worth.
    """

    floor: float
    unedited: float
    effective: float


def main() -> None:
    """Meets all faces, prints a table and records it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    by_age = {
        str(target): {
            "people": len(people.names),
            "real": len(real.names),
            **{level: vars(told) for level, told in floors(people, real).items()},
        }
        for target, (people, real) in _compared(options.data, options.judges).items()
    }
    _show(by_age)
    path = record("prior_floor", {"halvings": HALVINGS, "by_age": by_age})
    Console().print(f"wrote {path}")


def _compared(data: Path, judges: Path) -> dict[int, tuple[Photographed, Photographed]]:
    """Meets by target age the people whom the benchmark re-ages, and real faces of the age."""
    photos, _ = find_photos(data)
    held_out = in_fold(photos, 0, limit=len(photos))
    real = {target: real_faces_of_age(photos, target, at_most=_REAL).photos for target in TARGETS}
    wanted = {photo.name: photo for some in (held_out, *real.values()) for photo in some}
    units = units_of(list(wanted.values()))
    faces = joined(in_processes(partial(_met, judges=judges), units, "photographs"))
    tested = np.isin(faces.names, [photo.name for photo in held_out])
    return {
        target: (
            faces.rows(tested & (np.abs(faces.ages - target) > OTHER_AGE_YEARS)),
            faces.rows(np.isin(faces.names, [photo.name for photo in some])),
        )
        for target, some in real.items()
    }


def floors(
    people: Photographed, real: Photographed, *, halvings: int = HALVINGS
) -> dict[str, Floor]:
    """Says how far real faces of an age are from each other, those alike to other people weighted.

    Args:
        people: M of other ages.
        real: K of the age; halved at random, one half weighted, the other as it comes.
        halvings: How often.

    Returns:
        By level, each of which is alike in what those before are as well.
    """
    whole = kid(features(people.embedded), features(real.embedded))
    told: dict[str, Floor] = {}
    used: list[int] = []
    for level in LEVELS:
        if level in LOOKS:
            used += [_NAMES.index(name) for name in LOOKS[level]]
        rng, found = np.random.default_rng(0), []
        for _ in range(halvings):
            order = rng.permutation(len(real.names))
            alike, others = (real.rows(half) for half in np.array_split(order, 2))
            weights = _propensity(people, alike, used)
            found.append(
                (
                    _apart(alike, others, first=weights) / whole,
                    _apart(people, alike, second=weights) / whole,
                    float(weights.sum() ** 2 / (weights**2).sum()),
                )
            )
        floor, unedited, effective = np.mean(found, axis=0).tolist()
        told[level] = Floor(round(floor, 3), round(unedited, 3), round(effective))
    return told


def _propensity(people: Photographed, real: Photographed, used: Sequence[int]) -> Array:
    """Weights real faces (K,) by how likely each would be one of the people."""
    both = [_cells(people), _cells(real)]
    if used:
        scaled = StandardScaler().fit_transform(
            np.concatenate([some.looks[:, used] for some in (people, real)])
        )
        parts = np.split(np.hstack([scaled, scaled**2]), [len(people.names)])
        both = [np.hstack(pair) for pair in zip(both, parts, strict=True)]
    asked = np.repeat([1, 0], [len(people.names), len(real.names)])
    model = LogisticRegression(max_iter=2000).fit(np.concatenate(both), asked)
    likely = model.predict_proba(both[1])[:, 1]
    weights = likely / (1 - likely)
    return np.minimum(weights, np.quantile(weights, _MOST_WEIGHT))


def _cells(faces: Photographed) -> Array:
    """Returns gender and group as one of so many columns, (N, genders x groups)."""
    genders = faces.genders.clip(0, len(GENDERS) - 1)
    return np.eye(len(GENDERS) * len(GROUPS))[genders * len(GROUPS) + faces.groups.clip(0)]


def _apart(
    first_faces: Photographed,
    second_faces: Photographed,
    *,
    first: Array | None = None,
    second: Array | None = None,
) -> float:
    x, y = features(first_faces.embedded), features(second_faces.embedded)
    return weighted_mmd2(
        polynomial_kernel(x, x),
        polynomial_kernel(y, y),
        polynomial_kernel(x, y),
        weights_x=np.ones(len(x)) if first is None else first,
        weights_y=np.ones(len(y)) if second is None else second,
    )


def _met(photos: list[LabelledPhoto], *, judges: Path) -> Photographed:
    finder, jury = _readers(judges)
    faces = find_faces(photos, finder)
    embedded = jury.embed([f.picture for f in faces], [f.five_points for f in faces])
    return Photographed(
        names=np.array([face.photo.name for face in faces], object),
        ages=np.array([face.photo.age for face in faces]),
        genders=np.array([face.photo.gender for face in faces]),
        groups=np.array([face.photo.group for face in faces]),
        looks=np.array([[looks(face)[name] for name in _NAMES] for face in faces]),
        embedded=np.asarray(embedded, np.float64),
    )


@lru_cache(maxsize=1)
def _readers(judges: Path) -> tuple[FaceFinder, Jury]:
    return FaceFinder(num_readings=1), Jury(judges)


def _show(by_age: dict[str, Any]) -> None:
    table = Table("alike in", *by_age, title="what real faces of the age leave, target 0.5")
    for level in LEVELS:
        table.add_row(level, *(f"{told[level]['floor']:.2f}" for told in by_age.values()))
    table.add_row("effective", *(f"{t[LEVELS[-1]]['effective']:.0f}" for t in by_age.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
