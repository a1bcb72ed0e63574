"""Takes the light out of the comparison of faces: a crop as it would look in another's.

Another camera, exposure or grade moves an identity embedding further than another expression does.
N crops, R their side.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

_DARKEST, _BRIGHTEST = 1e-3, 0.98  # display units between which a mean is taken for light


def light_of(crops: Sequence[Pixels]) -> NDArray[np.float64]:
    """Returns the geometric mean of the middle of crops of one face, (3,), display units.

    Args:
        crops: Display-referred, (R, R, 3) each, 0-1.
    """
    rim = crops[0].shape[0] // 4
    middles = np.stack([crop[rim:-rim, rim:-rim] for crop in crops]).astype(np.float64)
    mean = np.exp(np.log(np.maximum(middles, _DARKEST)).mean(axis=(0, 1, 2)))
    return np.asarray(np.clip(mean, _DARKEST, _BRIGHTEST))


def in_light(crops: Sequence[Pixels], light: NDArray[np.float64]) -> list[Pixels]:
    """Returns the crops with the tone that gives them a light (3,), by a gamma per channel."""
    gamma = np.log(light) / np.log(light_of(crops))
    return [np.asarray(np.maximum(crop, 0.0) ** gamma, np.float32) for crop in crops]
