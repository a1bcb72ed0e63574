"""Parts of a face, drawn softly from its landmarks, so that each can change as far as is asked.

A part's weight is 1 well inside it and falls to 0 across its edge. Parts lie side by side; where
two meet, both count a little less than whole. Knows nothing of what is changed.

K is 478 mesh landmarks; indices are the mesh's own.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reage.geometry import Roi, WarpedPatch
from reage.matte import (
    FACE_OVAL,
    LEFT_EYE,
    RIGHT_EYE,
    face_outline,
    soft_polygon,
)

Points = NDArray[np.float64]

REGIONS = ("eyes", "brows", "lips", "forehead", "cheeks", "neck", "hair_line")

_BROWS = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
)
LIPS = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
)  # fmt: skip
_CHEEKS = (
    (116, 117, 118, 119, 100, 142, 203, 206, 216, 212, 214, 192, 213, 147, 123),
    (345, 346, 347, 348, 329, 371, 423, 426, 436, 432, 434, 416, 433, 376, 352),
)
_ABOVE_BROWS = (70, 63, 105, 66, 107, 9, 336, 296, 334, 293, 300)  # from one temple to the other
_TOP, _CHIN = 10, 152
_UPPER = tuple(FACE_OVAL.index(i) for i in (21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251))
_JAW = tuple(FACE_OVAL.index(i) for i in (
    361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132,
))  # fmt: skip
_EYE_REACH, _BROW_REACH, _LIP_REACH = 1.7, 1.35, 1.12  # times their outline
_FOREHEAD_TOP = (
    0.88  # of the way from the brows to the hair line, where the hair line's part begins
)
_BESIDE = 0.5  # of the face's height: how far neck and hair line reach out
_SOFTNESS = 0.05  # of the face's height


def region_gain(
    landmarks: Points, size: tuple[int, int], strengths: Mapping[str, float]
) -> WarpedPatch | None:
    """Returns how far each pixel may change, by the parts of the face it lies in.

    Args:
        landmarks: (K, 2) pixels.
        size: (w, h) of the picture.
        strengths: 0-1 of parts of `REGIONS`; those left out have 1.

    Returns:
        What to add to 1, float32 (h, w), -1 to 0; exactly 0 beyond the patch. None where every
        part has 1.

    Raises:
        KeyError: There is no such part.
    """
    wanted = {name: strength for name, strength in strengths.items() if strength != 1.0}
    if not wanted:
        return None
    polygons = {name: _polygons(name, landmarks) for name in wanted}
    softness = _SOFTNESS * float(np.linalg.norm(landmarks[_TOP] - landmarks[_CHIN]))
    corners = np.concatenate([corner for found in polygons.values() for corner in found])
    roi = Roi.around(corners, size, margin=softness + 2.0)
    gain = np.zeros((roi.height, roi.width), np.float32)
    if not gain.size:
        return WarpedPatch(Roi(0, 0, 0, 0), np.zeros((0, 0), np.float32))
    for name, found in polygons.items():
        for polygon in found:
            gain += np.float32(wanted[name] - 1.0) * soft_polygon(polygon, roi, softness)
    return WarpedPatch(roi, gain.clip(-1.0, 0.0))


def _polygons(name: str, landmarks: Points) -> list[Points]:
    outline = face_outline(landmarks)
    up = landmarks[_TOP] - landmarks[_CHIN]
    upper, brows = outline[list(_UPPER)], landmarks[list(_ABOVE_BROWS)]
    rim = brows + _FOREHEAD_TOP * (upper - brows)
    jaw = outline[list(_JAW)]
    made = {
        "eyes": lambda: [_grown(landmarks, e, _EYE_REACH) for e in (RIGHT_EYE, LEFT_EYE)],
        "brows": lambda: [_grown(landmarks, brow, _BROW_REACH) for brow in _BROWS],
        "lips": lambda: [_grown(landmarks, LIPS, _LIP_REACH)],
        "forehead": lambda: [np.concatenate([brows, rim[::-1]])],
        "cheeks": lambda: [landmarks[list(cheek)] for cheek in _CHEEKS],
        "neck": lambda: [np.concatenate([jaw, (jaw - _BESIDE * up)[::-1]])],
        "hair_line": lambda: [np.concatenate([rim, (upper + _BESIDE * up)[::-1]])],
    }
    return made[name]()


def _grown(landmarks: Points, indices: tuple[int, ...], reach: float) -> Points:
    corners = landmarks[list(indices)]
    middle = corners.mean(axis=0)
    return np.asarray(middle + reach * (corners - middle))
