"""How much of a checkerboard pictures show: energy at the Nyquist frequencies over its neighbours'.

Stacked convolutions and doublings leave patterns of two pixels' period that photographs have not.
Source: Odena et al. 2016, "Deconvolution and Checkerboard Artifacts".

Shapes: N pictures, S size in pixels (even).
"""

import numpy as np
from numpy.typing import NDArray

from reage.colour import luma

_NEAR, _FROM, _TO = 1, 3, 6  # bins: the peak as the window widens it, and what it stands out from


def power_spectrum(pictures: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns the mean power (S, S) of the luma of pictures (N, S, S, 3), under a Hann window."""
    shading = luma(pictures)
    size = shading.shape[1]
    window = np.outer(np.hanning(size), np.hanning(size))
    shading = shading - shading.mean(axis=(1, 2), keepdims=True)
    return np.asarray((np.abs(np.fft.fft2(shading * window)) ** 2).mean(axis=0))


def checkerboard(power: NDArray[np.float64]) -> dict[str, float]:
    """Returns energy at the Nyquist frequencies over its neighbours'; 1 where none stands out.

    `rows` is a pattern that changes from row to row, `columns` from column to column, `both` the
    chequers. Neighbours lie 3 to 6 bins away.

    Args:
        power: (S, S), as `power_spectrum` returns it; S at least 16.
    """
    half = len(power) // 2
    places = {"rows": (half, 0), "columns": (0, half), "both": (half, half)}
    return {name: _standing_out(power, place) for name, place in places.items()}


def _standing_out(power: NDArray[np.float64], place: tuple[int, int]) -> float:
    centred = np.roll(power, (-place[0] + _TO, -place[1] + _TO), (0, 1))
    patch = centred[: 2 * _TO + 1, : 2 * _TO + 1]
    away = np.abs(np.arange(2 * _TO + 1) - _TO)
    distance = np.maximum.outer(away, away)
    around = patch[distance >= _FROM].mean()
    return float(patch[distance <= _NEAR].mean() / max(around, np.finfo(float).tiny))
