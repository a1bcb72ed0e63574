"""Crops of labelled adults, as one file: what priors are trained on.

Shapes: N faces, S crop size.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from reage.labelled_faces import LabelledPhoto


@dataclass(frozen=True, eq=False)
class LabelledCrops:
    """Crops with what is said of them.

    Attributes:
        crops: uint8, (N, S, S, 3), RGB.
        ages, genders, groups, folds: int64, (N,).
        names: (N,) file names.
    """

    crops: NDArray[np.uint8]
    ages: NDArray[np.int64]
    genders: NDArray[np.int64]
    groups: NDArray[np.int64]
    folds: NDArray[np.int64]
    names: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.ages)

    @property
    def training(self) -> NDArray[np.int64]:
        """Rows that networks may be trained on."""
        return np.flatnonzero(self.folds > 1)

    @property
    def validation(self) -> NDArray[np.int64]:
        """Rows that choices are made on."""
        return np.flatnonzero(self.folds == 1)

    def save(self, path: Path) -> None:
        """Writes the set as one npz file, whole or not at all; makes its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp.npz")
        np.savez(temporary, **self.__dict__)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})


@dataclass(frozen=True, eq=False)
class FaceSet(LabelledCrops):
    """Aligned faces.

    Attributes:
        template: float64, (K, 2), crop pixels; where the landmarks `indices` were brought.
        indices: int64, (K,).
    """

    template: NDArray[np.float64]
    indices: NDArray[np.int64]


def labels_of(photos: Sequence[LabelledPhoto]) -> dict[str, NDArray[Any]]:
    """Returns the fields of LabelledCrops that photographs tell: all but the crops."""
    return {
        "ages": np.array([p.age for p in photos]),
        "genders": np.array([p.gender for p in photos]),
        "groups": np.array([p.group for p in photos]),
        "folds": np.array([p.fold for p in photos]),
        "names": np.array([p.name for p in photos]),
    }


def spread_rows(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Returns `count` of the rows, evenly: sets are sorted by name, which may be by age."""
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]
