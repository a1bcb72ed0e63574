"""Puts grain back where a change took it away, and only there.

A change that is added to a plate leaves its grain alone. One that follows the plate's own pixels,
as by smoothing them, takes some of it away, finer grain sooner than coarser. How much is left of
each of three bands shows in how far the change undoes what the plate has there; fresh grain makes
up the difference to what the plate shows at the new luminance.

H W pixels of the part of a frame that changes, h w cells of a coarse grid over it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.colour import luma
from reage.grain.model import Grain, Pixels

_FINE, _MIDDLE, _COARSE = 0.8, 1.6, 6.0  # Gaussian deviations between bands, px
_CELLS = (3.0, 8.0, 32.0)  # px that make one independent sample of a band
_WINDOW = 12.0  # deviation of the window within which a band is judged, px
_LIGHT = 3.0  # deviation at which luminance is told from grain, px
_STRONG = 3.0  # deviations of grain beyond which the plate shows texture that speaks less
_SURE = 2.0  # standard errors by which grain must be missing
_WHOLE, _MISSED = (
    0.96,
    0.9,
)  # share of the amplitude above which nothing, below which all is put back
_STEP = 4  # px
MARGIN = 36  # px around what changes, so that the windows see enough of the plate
_SEED = 20


def missing_grain(before: Pixels, after: Pixels, grain: Grain, *, seed: int) -> Pixels | None:
    """Returns the grain to add.

    Args:
        before: The plate in the display view, float32, (H, W, 3).
        after: With its change, likewise.
        grain: Of the plate.
        seed: Fixes the pattern: the frame's number.

    Returns:
        float32, (H, W, 3), display units; None where nothing is missing.
    """
    if grain.is_none:
        return None
    size = (before.shape[0], before.shape[1])
    plate, change = np.nan_to_num(before), np.nan_to_num(after - before)
    light = cv2.GaussianBlur(luma(_coarser(plate)), (0, 0), _LIGHT / _STEP)
    light_after = light + cv2.GaussianBlur(luma(_coarser(change)), (0, 0), _LIGHT / _STEP)
    had, wanted = (grain.variance(np.asarray(shade, np.float32)) for shade in (light, light_after))
    covariance = band_covariance(grain)
    left = _left(plate, change, had, covariance)
    remaining = np.einsum("jhwc,jlc,lhwc->hwc", left, covariance, left)
    needed = np.clip((_WHOLE - np.sqrt(np.maximum(remaining, 0))) / (_WHOLE - _MISSED), 0, 1)
    if not needed.any():
        return None
    gains = np.sqrt(np.maximum(wanted - left**2 * had, 0))
    made = np.einsum("jhwc,jlc,lhwc->hwc", gains, covariance, gains)
    lacking = np.maximum(wanted - remaining * had, 0)
    gains *= np.sqrt(needed * lacking / np.maximum(made, 1e-12))
    fresh = _bands(grain.fresh(size, seed=(_SEED, seed)), is_whole=True)
    added = [_finer(gain, size) * band for gain, band in zip(gains, fresh, strict=True)]
    return np.asarray(sum(added), np.float32)


def band_covariance(grain: Grain) -> NDArray[np.float32]:
    """Returns how the bands of unit grain vary together, (3, 3, 3): band, band, channel."""
    reach = int(4 * _MIDDLE) + 2
    padded = np.pad(grain.kernels, [(0, 0), (0, 0), (reach, reach), (reach, reach)])
    split = np.stack(
        [_bands(np.moveaxis(bank, 0, -1), is_whole=True) for bank in padded]
    )  # channel, band, rows, columns, white channel
    return np.asarray(np.einsum("cjyxw,clyxw->jlc", split, split), np.float32)


def _bands(picture: Pixels, *, is_whole: bool = False) -> Pixels:
    """Splits (H, W, C) into three bands, (3, H, W, C), whose sum it is when `is_whole`.

    Else the coarse band has no light and shade.
    """
    fine, middle = (cv2.GaussianBlur(picture, (0, 0), s) for s in (_FINE, _MIDDLE))
    coarse = middle if is_whole else middle - cv2.GaussianBlur(picture, (0, 0), _COARSE)
    return np.stack([picture - fine, fine - middle, coarse])


def _left(plate: Pixels, change: Pixels, had: Pixels, covariance: Pixels) -> Pixels:
    """How much of each band's amplitude is left, 0-1, on the coarse grid, (3, h, w, 3)."""
    deviation = _finer(np.sqrt(had), (plate.shape[0], plate.shape[1]))
    left = np.ones((3, *had.shape), np.float32)
    pairs = zip(_bands(plate), _bands(change), strict=True)
    for band, (own, step) in enumerate(pairs):
        share = np.sqrt(np.maximum(covariance[band, band], 1e-9))
        usual = deviation * (_STRONG * share) + np.float32(1e-6)
        weight = 1 / (1 + np.square(own / usual))
        weighed = weight * own
        together, energy, moved = (
            cv2.GaussianBlur(_coarser(product), (0, 0), _WINDOW / _STEP)
            for product in (weighed * step, weighed * own, weight * step * step)
        )
        energy = np.maximum(energy, 1e-12)
        follows = together / energy
        apart = np.maximum(moved - follows * together, 0)
        error = np.sqrt(apart / energy * np.float32(_CELLS[band] / (4 * np.pi * _WINDOW**2)))
        left[band] += np.minimum(follows + _SURE * error, 0)
    return left.clip(0, 1)


def _coarser(picture: Pixels) -> Pixels:
    """The means of cells of `_STEP` pixels a side: what varies slowly is worked out on those."""
    height, width = (max(1, round(side / _STEP)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def _finer(coarse: Pixels, size: tuple[int, int]) -> Pixels:
    finer = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(finer, np.float32)
