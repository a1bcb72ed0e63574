"""Where a photograph of a face was taken from: a camera on a sphere around a head at the origin.

The world is EG3D's: y is up, the face looks along +z, cameras stand 2.7 from the origin and look at
a pivot inside the face, with the focal length of its public data. What such cameras cannot say,
the photograph's roll, scale and place in the frame, is taken away by the crop.
Sources: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks" (labels of
its data); Umeyama 1991, "Least-squares estimation of transformation parameters" (the fit).

Shapes: K landmarks of the mesh, V of them on the skin (468).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reage.geometry import Similarity

Points = NDArray[np.float64]

NUM_SKIN = 468
RADIUS, FOCAL = 2.7, 4.2647  # world units; in picture sizes
PIVOT = np.array([0.0, 0.0, 0.2])
FACE_WIDTH = 0.42  # world units between the ears' landmarks
LARGEST_YAW, LARGEST_PITCH = 45.0, 35.0  # degrees, of a face near the front

_CANONICAL = Path(__file__).with_name("canonical.npy")


@lru_cache(maxsize=1)
def canonical_face() -> Points:
    """Returns the mean face's skin landmarks, (V, 3), world units, looking straight ahead.

    The mean over faces of UTKFace's training folds, each turned to the front; symmetric. The
    landmarks before the ears (234, 454) lie at depth 0.
    """
    return np.asarray(np.load(_CANONICAL), np.float64) * FACE_WIDTH


@dataclass(frozen=True, eq=False)
class HeadCamera:
    """A camera that looks at the pivot, without roll.

    Attributes:
        camera_to_world: (4, 4); x right, y down, z forward in the camera.
    """

    camera_to_world: Points

    @classmethod
    def towards(cls, yaw: float, pitch: float) -> Self:
        """Returns the camera that looks along a direction.

        Args:
            yaw: Degrees; positive where the camera stands on the picture's right of the face, at
                +x of the world.
            pitch: Degrees; positive where it stands above.
        """
        yaw, pitch = np.radians([yaw, pitch])
        back = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        along = float(PIVOT @ back)
        distance = -along + np.sqrt(along**2 - PIVOT @ PIVOT + RADIUS**2)
        right = np.cross([0.0, 1.0, 0.0], back)
        right /= np.linalg.norm(right)
        matrix = np.eye(4)
        matrix[:3] = np.column_stack(
            [right, -np.cross(back, right), -back, PIVOT + distance * back]
        )
        return cls(matrix)

    @property
    def angles(self) -> tuple[float, float]:
        """Yaw and pitch, degrees; see towards."""
        x, y, z = -self.camera_to_world[:3, 2]
        return float(np.degrees(np.arctan2(x, z))), float(np.degrees(np.arcsin(np.clip(y, -1, 1))))

    @property
    def label(self) -> NDArray[np.float32]:
        """The 25 numbers of a tri-plane generator: the matrix and the intrinsics, row by row."""
        intrinsics = np.array([[FOCAL, 0, 0.5], [0, FOCAL, 0.5], [0, 0, 1]])
        return np.concatenate([self.camera_to_world.ravel(), intrinsics.ravel()]).astype(np.float32)

    def project(self, points: Points) -> tuple[Points, Points]:
        """Returns where world points (..., 3) are seen, (..., 2), and how deep they lie, (...).

        Places are in picture sizes, 0-1 from the left and top edge; depths along the optical axis.
        """
        seen = (points - self.camera_to_world[:3, 3]) @ self.camera_to_world[:3, :3]
        depths = seen[..., 2]
        return FOCAL * seen[..., :2] / depths[..., None] + 0.5, depths

    def unproject(self, places: Points, depths: Points) -> Points:
        """The inverse of `project`."""
        seen = np.concatenate([(places - 0.5) / FOCAL, np.ones_like(places[..., :1])], axis=-1)
        turned = (seen * depths[..., None]) @ self.camera_to_world[:3, :3].T
        return np.asarray(turned + self.camera_to_world[:3, 3])


@dataclass(frozen=True, eq=False)
class PosedFace:
    """A face of a photograph in the world.

    Attributes:
        camera: That sees the crop.
        crop_from_picture: For a crop one unit wide, whose pixels are areas: the first pixel of S
            reaches from 0 to 1 / S.
        skin: (V, 3), the face's own landmarks in the world; projected, they lie where the
            photograph shows them.
    """

    camera: HeadCamera
    crop_from_picture: Similarity
    skin: Points

    @property
    def is_near_front(self) -> bool:
        """Whether both cheeks can be seen; further aside the mesh guesses."""
        yaw, pitch = self.camera.angles
        return abs(yaw) <= LARGEST_YAW and abs(pitch) <= LARGEST_PITCH


def pose_face(landmarks: Points, depths: Points) -> PosedFace:
    """Finds the camera and the crop of a photograph from the mesh of its face.

    Args:
        landmarks: (K, 2) pixels, whole numbers at pixel centres.
        depths: (K,) pixels of the same scale, growing away from the camera.
    """
    mean = canonical_face()
    found = np.column_stack([landmarks, depths])[:NUM_SKIN] * [1, -1, -1]
    back = _rotation(mean, found).T @ [0.0, 0.0, 1.0]
    yaw, pitch = np.degrees(np.arctan2(back[0], back[2])), np.degrees(np.arcsin(back[1]))
    camera = HeadCamera.towards(float(yaw), float(pitch))
    places, axial = camera.project(mean)
    crop_from_picture = Similarity.fit(landmarks[:NUM_SKIN] + 0.5, places)
    own = crop_from_picture.apply(landmarks[:NUM_SKIN] + 0.5)
    relative = depths[:NUM_SKIN] - depths[:NUM_SKIN].mean()
    world_per_pixel = crop_from_picture.scale * axial.mean() / FOCAL
    skin = camera.unproject(own, axial.mean() + relative * world_per_pixel)
    return PosedFace(camera, crop_from_picture, skin)


def _rotation(of: Points, onto: Points) -> Points:
    """Returns the rotation (3, 3) of the similarity that best brings points onto others."""
    u, _, v = np.linalg.svd((onto - onto.mean(0)).T @ (of - of.mean(0)))
    return np.asarray(u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v)
