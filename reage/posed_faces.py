"""Labelled photographs of adults with the cameras they were taken from: what a 3D prior learns on.

Shapes: N faces, S crop size, V skin landmarks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reage.face_set import LabelledCrops
from reage.geometry import Similarity
from reage.head.camera import HeadCamera, PosedFace


@dataclass(frozen=True, eq=False)
class PosedFaceSet(LabelledCrops):
    """Faces in EG3D's world.

    Attributes:
        skins: (N, V, 3), world units; see PosedFace.
        angles: (N, 2), the camera's yaw and pitch, degrees.
        crop_from_picture: (N, 2, 3); see PosedFace.
        picture_sizes: (N, 2), width and height of the photograph, pixels.
    """

    skins: NDArray[np.float32]
    angles: NDArray[np.float64]
    crop_from_picture: NDArray[np.float64]
    picture_sizes: NDArray[np.int64]

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
