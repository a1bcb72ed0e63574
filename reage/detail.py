"""Gives the finest features of a change the contrast that faces have at their size.

A decoder draws folds softer than skin shows them: the finest octave of its change is weaker than
the octave above, while a face's picture is about as rich in either. The finest octave is raised
until the two are as in a face, at most twofold, so a network that draws crisply is left alone. All
of it is in crop space: the plate's grain and contours have no part in it. Knows nothing of networks
or plates.

Shapes: S side of the crop in pixels.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.colour import luma

Change = NDArray[np.float32]

_FINE_PX, _MIDDLE_PX = 1.0, 2.0  # Gaussian deviations between which the second octave lies
_LARGEST_GAIN = 2.0  # beyond it the decoder's own faults begin to show
# Finest band over the octave above it in crops of faces: 0.75 to 1.1 over four plates at 128 px.
_FACE_RATIO = 1.0


def raise_detail(change: Change, strength: float) -> Change:
    """Raises the finest octave of a change towards what faces have.

    Args:
        change: Crop-space difference, display units, float32, (S, S, 3); untouched.
        strength: 0-1; 0 returns the change as it is, 1 raises by all of `detail_gain`.

    Returns:
        Float32, (S, S, 3). Exactly 0 where no change is within a few pixels.

    Raises:
        ValueError: `strength` is out of range.
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"raise_detail.strength: got {strength}, expected 0 to 1")
    if strength == 0.0:
        return change
    more = strength * (detail_gain(change) - 1.0)
    return np.asarray(change + np.float32(more) * (change - _blurred(change, _FINE_PX)), np.float32)


def detail_gain(change: Change) -> float:
    """Returns how many times the finest octave has to be larger, 1 to 2; 1 of no change.

    Args:
        change: As of `raise_detail`; its luma is measured.
    """
    shading = luma(change)
    below_fine = _blurred(shading, _FINE_PX)
    fine = _rms(shading - below_fine)
    middle = _rms(below_fine - _blurred(shading, _MIDDLE_PX))
    if fine == 0.0:
        return 1.0
    return min(max(_FACE_RATIO * middle / fine, 1.0), _LARGEST_GAIN)


def _blurred(pixels: Change, deviation_px: float) -> Change:
    blurred = cv2.GaussianBlur(pixels, (0, 0), deviation_px, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float32)


def _rms(pixels: Change) -> float:
    return float(np.sqrt(np.mean(np.square(pixels, dtype=np.float64))))
