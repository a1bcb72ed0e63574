"""What of a photograph of a face is no ageing: pose, expression, light, and how sharp it is.

Lengths are in distances between the eyes, measured along and across the line through them.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import HeldOutFace

# Attributes by what they tell.
LOOKS = {
    "pose": ("turn", "tilt"),
    "expression": ("parted", "width", "smile"),
    "light": ("lightness", "green_red", "blue_yellow", "contrast", "grey", "one_sided"),
    "sharpness": ("eyes_apart", "sharpness"),
}
_NOSE, _CHIN, _SIDES = 1, 152, (234, 454)
_MOUTH, _LIPS = (61, 291), (13, 14)
_REACH = 0.8  # of the window in which light is measured, either way
_GREY = 0.03  # mean saturation, 0-1, below which a picture counts as grey
_TOP = 30  # rows of pixels, above most faces, whose fine detail is measured

Array = NDArray[np.floating]


def looks(face: HeldOutFace) -> dict[str, float]:
    """Returns the attributes of a photograph by name."""
    first, last = face.landmarks[[33, 133]].mean(axis=0), face.landmarks[[362, 263]].mean(axis=0)
    apart = float(np.linalg.norm(last - first))
    along = (last - first) / apart
    axes = np.array([along, [-along[1], along[0]]])
    places = (face.landmarks - (first + last) / 2) @ axes.T / apart
    nose, chin, left, right = places[[_NOSE, _CHIN, *_SIDES]]
    corners, lips = places[list(_MOUTH)], places[list(_LIPS)]
    centre = (first + last) / 2 + axes[1] * apart / 2
    return {
        "turn": abs(nose[0] - (left[0] + right[0]) / 2) / (right[0] - left[0]),
        "tilt": nose[1] / chin[1],
        "parted": lips[1, 1] - lips[0, 1],
        "width": corners[1, 0] - corners[0, 0],
        "smile": corners[:, 1].mean() - lips[:, 1].mean(),
        **_light(face.picture, centre, apart * _REACH),
        "eyes_apart": apart / max(face.size),
        "sharpness": _sharpness(face.picture),
    }


def _light(picture: NDArray[np.uint8], centre: Array, reach: float) -> dict[str, float]:
    pixels = picture.astype(np.float32) / 255
    rows, columns = (
        slice(max(int(middle - reach), 0), int(middle + reach)) for middle in centre[::-1]
    )
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)[rows, columns]
    sides = np.array_split(lab[..., 0], 2, axis=1)
    saturation = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[..., 1].mean()
    return {
        "lightness": float(lab[..., 0].mean()),
        "green_red": float(lab[..., 1].mean()),
        "blue_yellow": float(lab[..., 2].mean()),
        "contrast": float(lab[..., 0].std()),
        "grey": float(saturation < _GREY),
        "one_sided": float(abs(sides[0].mean() - sides[1].mean())),
    }


def _sharpness(picture: NDArray[np.uint8]) -> float:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    detail = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1), cv2.CV_32F)[:_TOP]
    return float(np.log(1e-5 + detail.var()))
