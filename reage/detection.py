"""A face found in a picture, and the squares in which faces are looked for.

A region is the similarity that takes a square of the picture, turned upright with the face, to the
mesh network's square input. Knows nothing of the networks themselves; see faces.py.

K is 478 landmarks: 468 of the mesh, then 5 of each iris. Indices are the mesh's own.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.geometry import Similarity

MESH_SIZE = 192  # input of the mesh network, pixels a side
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners; the person's right is at the picture's left
UPPER_LIP, CHIN, FOREHEAD = 0, 152, 10
MIDDLE = np.full(2, (MESH_SIZE - 1) / 2)  # of the mesh network's input

_REGION_SIDE = 1.6  # in longest extents of the landmarks
_MAX_STEP = 0.35  # of the region's side: a mesh further from its region's centre is another face
_MAX_GROWTH = 1.6  # between the region expected and the region found
_TILE_OVERLAP = 0.25


@dataclass(frozen=True, eq=False)
class Detection:
    """A face in one picture.

    Attributes:
        box: (left, top, right, bottom) of the landmarks, pixels, float64, (4,).
        landmarks: (K, 2) pixels, float64; may lie beyond the picture's edges.
        depths: (K,) towards the scene, pixels of the same scale, 0 near the head's middle; rough.
        score: The mesh network's belief that this is a face, 0-1.
        disagreement: RMS distance between readings from varied crops, of the face's extent; 0 when
            only one was taken.
    """

    box: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    depths: NDArray[np.float64]
    score: float
    disagreement: float


def region_at(centre: NDArray[np.float64], side: float, angle_deg: float) -> Similarity:
    """Returns the region around `centre`, `side` pixels wide, turned by `angle_deg`."""
    turn = Similarity.from_parts(
        scale=MESH_SIZE / max(side, 1e-6), angle_deg=-angle_deg, shift=np.zeros(2)
    )
    return Similarity(np.column_stack([turn.matrix[:, :2], MIDDLE - turn.apply(centre)]))


def region_around(landmarks: NDArray[np.float64]) -> Similarity:
    """Returns the region of a face whose (K, 2) landmarks are known, eyes level."""
    eyes = landmarks[LEFT_EYE] - landmarks[RIGHT_EYE]
    angle_deg = float(np.degrees(np.arctan2(eyes[1], eyes[0])))
    upright = Similarity.from_parts(scale=1.0, angle_deg=-angle_deg, shift=np.zeros(2))
    turned = upright.apply(landmarks)
    low, high = turned.min(axis=0), turned.max(axis=0)
    centre = upright.inverse().apply((low + high) / 2)
    return region_at(centre, _REGION_SIDE * float((high - low).max()), angle_deg)


def varied(variation: tuple[float, float, float, float]) -> Similarity:
    """Returns a small change of a region: shift x and y (of its side), turn (degrees), scale."""
    shift_x, shift_y, angle_deg, scale = variation
    turn = Similarity.from_parts(scale=scale, angle_deg=angle_deg, shift=np.zeros(2))
    shift = MIDDLE - turn.apply(MIDDLE) + MESH_SIZE * np.array([shift_x, shift_y])
    return Similarity(np.column_stack([turn.matrix[:, :2], shift]))


def agrees(region: Similarity, landmarks: NDArray[np.float64]) -> bool:
    """Whether landmarks read in a region are centred in it and fill it as a face would."""
    found = region_around(landmarks)
    step = np.linalg.norm(region.apply(found.inverse().apply(MIDDLE)) - MIDDLE) / MESH_SIZE
    growth = region.scale / found.scale
    return bool(step < _MAX_STEP and 1 / _MAX_GROWTH < growth < _MAX_GROWTH)


def is_upright(region: Similarity, face: Detection) -> bool:
    """Whether eyes, lip and chin follow one another downwards in the region, as in any face."""
    points = region.apply(face.landmarks)[:, 1]
    eyes = (points[RIGHT_EYE] + points[LEFT_EYE]) / 2
    return bool(points[FOREHEAD] < eyes < points[UPPER_LIP] < points[CHIN])


def extent(landmarks: NDArray[np.float64]) -> float:
    """Returns the longer side of the landmarks' box, pixels."""
    return float((landmarks.max(axis=0) - landmarks.min(axis=0)).max())


def tiles(width: int, height: int) -> list[tuple[int, int, int]]:
    """The whole frame as one square, then overlapping squares of a half and a quarter its side.

    Returns:
        (left, top, side) of each, pixels.
    """
    whole = max(width, height)
    tiles = [(0, 0, whole)]
    for divisor in (2, 4):
        side = whole // divisor
        if side < MESH_SIZE:  # the detector's own input size: smaller tiles show it nothing new
            break
        for top in _starts(height, side):
            tiles += [(left, top, side) for left in _starts(width, side)]
    return tiles


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = int(np.ceil((length - side) / (side * (1 - _TILE_OVERLAP)))) + 1
    return [round(start) for start in np.linspace(0, length - side, count)]


def padded_square(tile: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Returns the tile as a square of `side`, black where the picture ends."""
    bottom, right = side - tile.shape[0], side - tile.shape[1]
    padded = cv2.copyMakeBorder(tile, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.ascontiguousarray(padded, np.uint8)


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Shared area of two (left, top, right, bottom) boxes, of the area they cover together."""
    shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    covered = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
    return float(shared / covered) if covered > 0 else 0.0
