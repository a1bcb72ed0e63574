"""Smears pixels along a motion, as an open shutter does."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

_LEAST_PX = 0.25  # a shorter smear is not seen
_SAMPLES_A_PIXEL = 4


def smeared(pixels: Pixels, motion: NDArray[np.float64]) -> Pixels:
    """Averages pixels over a straight motion about their places.

    Args:
        pixels: float32, (H, W) or (H, W, C); 0 is beyond them.
        motion: (x, y) pixels travelled while the shutter was open.

    Returns:
        Like `pixels`; themselves where the motion is not seen.
    """
    length = float(np.hypot(*motion))
    if length < _LEAST_PX:
        return pixels
    kernel = _line(motion, length)
    blurred = cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float32)


def _line(motion: NDArray[np.float64], length: float) -> Pixels:
    """The motion as a kernel of sum 1, its samples shared between the pixels around them."""
    reach = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    count = max(2, math.ceil(_SAMPLES_A_PIXEL * length))
    for along in (np.arange(count) + 0.5) / count - 0.5:
        x, y = reach + along * motion
        column, row = math.floor(x), math.floor(y)
        right, down = x - column, y - row
        kernel[row, column] += (1 - right) * (1 - down)
        kernel[row, column + 1] += right * (1 - down)
        kernel[row + 1, column] += (1 - right) * down
        kernel[row + 1, column + 1] += right * down
    return kernel / kernel.sum()
