"""The soft matte of a face, drawn from its landmarks.

The matte is 1 well inside the face, falls smoothly to 0 over the feather, and is exactly 0 outside
a finite support, so that a plate's other pixels need not be touched. Worked out from distances, not
drawn on the pixel grid, it is as steady as the landmarks. Knows nothing of skin, hair or what hides
the face.

K is 478 mesh landmarks; indices are the mesh's own.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.geometry import Roi, WarpedPatch

# The mesh's outline, clockwise in the picture from the middle of the forehead.
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
INNER_LIPS = (
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)  # fmt: skip

_BROW, _CHIN = 9, 152  # between the brows; the face's axis runs through both
_FOREHEAD_LIFT = 0.16  # of the face's height: from the top of the oval towards the hairline
_LIFT_FROM = 0.35  # share of the way from brow to top of the oval where lifting begins
_MAX_FEATHER = 0.25  # of the face's height, at feather 1
_MAX_EXPAND = 0.35  # likewise for expand 0.5 (and -0.5)
_HOLE_FEATHER = 0.04  # of the hole's width
_OUTWARDS = 0.3  # share of the feather that lies outside the edge
_FINEST_GRID = 128  # cells a side; a larger face is worked out on every second, fourth... pixel


def face_matte(
    landmarks: NDArray[np.float64],
    size: tuple[int, int],
    *,
    feather: float = 0.5,
    expand: float = 0.0,
    exclude_eyes: bool = False,
    exclude_mouth_interior: bool = True,
) -> WarpedPatch:
    """Draws the soft matte of a face.

    Args:
        landmarks: (K, 2) pixels, steadied; may lie beyond the picture.
        size: (w, h) of the picture.
        feather: Softness of the edge, 0-1, in relation to the face's size.
        expand: Moves the edge outwards (or inwards, when negative), -0.5 to 0.5, likewise.
        exclude_eyes: Leaves out what lies between the lids.
        exclude_mouth_interior: Leaves out teeth and tongue where the lips are parted.

    Returns:
        The part of the picture the matte touches, float32 (h, w), 0-1; exactly 0 elsewhere.

    Raises:
        ValueError: `feather` or `expand` is out of range, or the landmarks are not (K, 2).
    """
    _check(landmarks, feather, expand)
    outline, height = face_outline(landmarks), _height(landmarks)
    softness = max(1.0, feather * _MAX_FEATHER * height)
    low = -(expand / 0.5 * _MAX_EXPAND * height) - _OUTWARDS * softness
    roi = Roi.around(outline, size, margin=max(-low, 0.0) + 2.0)
    if roi.width == 0 or roi.height == 0:
        return WarpedPatch(Roi(0, 0, 0, 0), np.zeros((0, 0), np.float32))
    matte = _edge(_signed_distance(outline, roi), low, low + softness)
    openings: list[tuple[int, ...]] = [RIGHT_EYE, LEFT_EYE] if exclude_eyes else []
    openings += [INNER_LIPS] if exclude_mouth_interior else []
    for opening in openings:
        hole = _hole(landmarks[list(opening)], size)
        rows = slice(hole.roi.top - roi.top, hole.roi.top - roi.top + hole.roi.height)
        columns = slice(hole.roi.left - roi.left, hole.roi.left - roi.left + hole.roi.width)
        matte[rows, columns] *= 1.0 - hole.pixels
    return WarpedPatch(roi, np.ascontiguousarray(matte, np.float32))


def face_outline(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the face's outline with the forehead up to about the hairline, (36, 2) pixels.

    The mesh ends in the middle of the forehead. Points above the brows are lifted along the face's
    axis, the topmost the most.
    """
    oval = landmarks[list(FACE_OVAL)].astype(np.float64)
    axis = landmarks[FACE_OVAL[0]] - landmarks[_CHIN]
    up = axis / max(float(np.linalg.norm(axis)), 1e-9)
    above = (oval - landmarks[_BROW]) @ up
    along = np.clip(above / max(float(above.max()), 1e-9), 0.0, 1.0)
    lift = np.clip((along - _LIFT_FROM) / (1.0 - _LIFT_FROM), 0.0, 1.0)
    return oval + (lift * _FOREHEAD_LIFT * _height(landmarks))[:, None] * up


def _height(landmarks: NDArray[np.float64]) -> float:
    """The face's height: the oval's longest extent, which survives a turn to profile."""
    oval = landmarks[list(FACE_OVAL)]
    return float((oval.max(axis=0) - oval.min(axis=0)).max())


def _check(landmarks: NDArray[np.float64], feather: float, expand: float) -> None:
    if landmarks.ndim != 2 or landmarks.shape[1] != 2 or len(landmarks) < 468:
        raise ValueError(f"face_matte.landmarks: got {landmarks.shape}, expected (K, 2), K 468 up")
    if not 0.0 <= feather <= 1.0:
        raise ValueError(f"face_matte.feather: got {feather}, expected 0 to 1")
    if not -0.5 <= expand <= 0.5:
        raise ValueError(f"face_matte.expand: got {expand}, expected -0.5 to 0.5")


def _edge(distance: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Half a cosine: exactly 0 up to a distance of `low` inside the edge, 1 from `high`."""
    along = np.clip((distance - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * along), np.float32)


def _hole(polygon: NDArray[np.float64], size: tuple[int, int]) -> WarpedPatch:
    """How much of each pixel is inside a small opening; nothing while it is closed."""
    softness = _HOLE_FEATHER * float((polygon.max(axis=0) - polygon.min(axis=0)).max())
    roi = Roi.around(polygon, size, margin=2.0)
    if roi.width == 0 or roi.height == 0:
        return WarpedPatch(Roi(0, 0, 0, 0), np.zeros((0, 0), np.float32))
    return WarpedPatch(roi, _edge(_signed_distance(polygon, roi), 0.0, max(softness, 0.5)))


def soft_polygon(polygon: NDArray[np.float64], roi: Roi, softness: float) -> NDArray[np.float32]:
    """Returns how far each pixel of `roi` lies in a polygon (N, 2): 1 inside, 0 outside.

    Args:
        polygon: Corners in pixels of the picture.
        roi: Part of the picture.
        softness: Width of the edge, pixels, half of it on either side.
    """
    half = max(softness, 1.0) / 2
    return _edge(_signed_distance(polygon, roi), -half, half)


def _signed_distance(polygon: NDArray[np.float64], roi: Roi) -> NDArray[np.float32]:
    """Distance of each pixel centre of `roi` from a polygon's edge, pixels, positive inside.

    Exact, side by side: a distance transform of a drawn mask would step as the face moves. Worked
    out on a coarser grid when the face is large, and enlarged, as it is smooth near the edge.
    """
    step = 1 << max(0, math.ceil(math.log2(max(roi.width, roi.height) / _FINEST_GRID)))
    columns = np.arange(0, roi.width + step, step, dtype=np.float64) + roi.left
    rows = np.arange(0, roi.height + step, step, dtype=np.float64) + roi.top
    distance = _distance_to_sides(columns[None, :], rows[:, None], polygon)
    if step == 1:
        return distance[: roi.height, : roi.width]
    # A power of two, so that OpenCV's positions of 1/32 are exact.
    to_pixels = np.array([[step, 0.0, 0.0], [0.0, step, 0.0]])
    enlarged = cv2.warpAffine(
        distance,
        to_pixels,
        (roi.width, roi.height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(enlarged, np.float32)


def _distance_to_sides(
    x: NDArray[np.float64], y: NDArray[np.float64], polygon: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Signed distance on the grid of columns `x` (1, w) and rows `y` (h, 1), positive inside."""
    nearest = np.full((y.shape[0], x.shape[1]), np.inf)
    inside = np.zeros(nearest.shape, bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        dx, dy = bx - ax, by - ay
        along = ((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-12)
        np.clip(along, 0.0, 1.0, out=along)
        squared = (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2
        np.minimum(nearest, squared, out=nearest)
        if ay != by:  # a ray to the right of the pixel crosses this side
            crosses = (ay > y) != (by > y)
            inside ^= crosses & (x < ax + (y - ay) * (dx / dy))
    return np.where(inside, np.sqrt(nearest), -np.sqrt(nearest)).astype(np.float32)
