"""Labelled photographs of adults with the cameras they were taken from: what a 3D prior learns on.

Shapes: N faces, S crop size, V skin landmarks.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.geometry import Similarity
from reage.head.camera import HeadCamera, PosedFace


@dataclass(frozen=True, eq=False)
class PosedFaceSet:
    """Faces in EG3D's world.

    Attributes:
        crops: uint8, (N, S, S, 3), RGB.
        skins: (N, V, 3), world units; see PosedFace.
        angles: (N, 2), the camera's yaw and pitch, degrees.
        crop_from_picture: (N, 2, 3); see PosedFace.
        picture_sizes: (N, 2), width and height of the photograph, pixels.
        ages, genders, groups, folds: (N,).
        names: (N,) file names.
    """

    crops: NDArray[np.uint8]
    skins: NDArray[np.float32]
    angles: NDArray[np.float64]
    crop_from_picture: NDArray[np.float64]
    picture_sizes: NDArray[np.int64]
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

    def face(self, row: int) -> PosedFace:
        """Returns one face of the set."""
        return PosedFace(
            HeadCamera.towards(*self.angles[row]),
            Similarity(self.crop_from_picture[row]),
            self.skins[row].astype(np.float64),
        )

    def is_photographed(self, row: int, places: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether places (..., 2) of the crop, 0-1, lie within the photograph."""
        back = Similarity(self.crop_from_picture[row]).inverse()
        found = back.apply(places.reshape(-1, 2).astype(np.float64)).reshape(places.shape)
        inside = (found > 0) & (found < self.picture_sizes[row])
        return np.asarray(inside.all(axis=-1))

    def save(self, path: Path) -> None:
        """Writes the set as one npz file, whole or not at all."""
        temporary = path.with_name(f".{path.name}.tmp.npz")
        np.savez(temporary, **self.__dict__)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> "PosedFaceSet":
        """Reads what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})
