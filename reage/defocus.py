"""How far out of focus a face is in each frame, told from the take's own sharper frames.

A face keeps its features over a take, so what its fine features have lost against its coarse ones,
since the frames that show them best, is what the lens took. Contrast and exposure cancel in the
ratio of the two bands, and grain, which is alike at all frequencies of so small a picture, is taken
off. Every frame says how it would look if it were softer still; the blur that brings the sharp
frames down to a frame's ratio is that frame's.

T frames, K blurs, S pixels, F frequencies.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

SIDE = 256  # px, S, of the crops that are looked at
BLURS_PX = np.array([0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])  # Gaussian sigmas

_FINE_PX, _COARSE_PX = (1.0, 2.0), (4.0, 8.0)  # Gaussian sigmas between which a band lies
_GRAIN_FROM = 0.9 * np.pi  # radians a pixel, beyond which there is little but grain
_SHARP_PERCENTILE = 90.0  # of a take's ratios: what its sharp frames have
_STEADY_FRAMES = 5  # a blink is not a change of focus
_UNSURE_PX = 0.8  # what expressions and turns of the head pass for
_LEAST_ENERGY = 1e-9
_LEAST_SEEN_PX = 0.15

Pixels = NDArray[np.float32]
Spectrum = NDArray[np.float64]


def fineness(luminance: Pixels) -> NDArray[np.float32]:
    """Returns how much of its fine features a face shows, were it blurred by each of `BLURS_PX`.

    Args:
        luminance: Of an aligned crop of the face, display-referred, float32, (S, S).

    Returns:
        Log ratios of the energies of the fine and the coarse band, float32, (K,).

    Raises:
        ValueError: The crop is of another size.
    """
    if luminance.shape != (SIDE, SIDE):
        raise ValueError(f"luminance: got {luminance.shape}, expected ({SIDE}, {SIDE})")
    window = _face_window()
    mean = float((window * luminance).sum() / window.sum())
    power = np.abs(np.fft.rfft2(window * (luminance - mean), norm="ortho")) ** 2
    squares = _squared_frequencies()
    power = np.maximum(power - power[squares > _GRAIN_FROM**2].mean(), 0.0)
    fine, coarse = (_responses(band) @ power.ravel() for band in (_FINE_PX, _COARSE_PX))
    return np.log((fine + _LEAST_ENERGY) / (coarse + _LEAST_ENERGY)).astype(np.float32)


def defocus(
    ratios: NDArray[np.floating],
    seen: NDArray[np.floating],
    *,
    covered: NDArray[np.bool_] | None = None,
    sharp_percentile: float = _SHARP_PERCENTILE,
) -> NDArray[np.float64]:
    """Returns the blur of every frame of one take beyond that of its sharp ones.

    Args:
        ratios: Of `fineness`, (T, K).
        seen: How well each frame shows the face, 0-1, (T,).
        covered: In which frames something is in front of it, (T,): its features are not the
            face's, and such frames have what lies between those beside them.
        sharp_percentile: Of the take's ratios, 0-100, which counts as sharp.

    Returns:
        Gaussian sigmas, parts of the crop's side, (T,): 0 where none is told from what expressions
        do, and in a take that shows the face in no frame. A take that is soft throughout has no
        sharper frame to be told from, and is 0.
    """
    told = (seen > 0) & (seen >= 0.5 * seen.max())
    if covered is not None:
        told &= ~covered
    if not told.any():
        return np.zeros(len(ratios))
    steady = median_filter(ratios[told], size=(_STEADY_FRAMES, 1), mode="nearest")
    sharp = float(np.percentile(steady[:, 0], sharp_percentile))
    example = steady[np.argmin(np.abs(steady[:, 0] - sharp))]
    losses = np.maximum.accumulate(example[0] - example)
    lost = np.interp(np.arange(len(ratios)), np.flatnonzero(told), sharp - steady[:, 0])
    sigma = np.interp(lost, losses, BLURS_PX)
    return np.asarray(np.sqrt(np.maximum(sigma**2 - _UNSURE_PX**2, 0.0)) / SIDE)


def without_motion(sigma: float, motion: float) -> float:
    """Returns what of a blur a motion does not explain.

    Args:
        sigma: Of a Gaussian.
        motion: How far the face travelled while the shutter was open, in the same unit: a box,
            whose variance, the square of its length by 12, lies on one of two axes.
    """
    return float(np.sqrt(max(sigma**2 - motion**2 / 24.0, 0.0)))


def softened(change: Pixels, sigma: float) -> Pixels:
    """Blurs a change in crop space as a lens out of focus does.

    Args:
        change: Float32, (R, R, 3); untouched.
        sigma: Of the Gaussian, part of the crop's side.

    Returns:
        Like `change`; itself where the blur is not seen.
    """
    pixels = sigma * change.shape[0]
    if pixels < _LEAST_SEEN_PX:
        return change
    blurred = cv2.GaussianBlur(change, (0, 0), pixels, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)


@lru_cache(maxsize=2)
def _responses(band: tuple[float, float]) -> Spectrum:
    """What each blur leaves of a band's energy, by frequency, (K, F)."""
    squares = _squared_frequencies().ravel()
    low, high = (np.exp(-0.5 * sigma**2 * squares) for sigma in band)
    return np.asarray((low - high) ** 2 * np.exp(-(BLURS_PX[:, None] ** 2) * squares))


@lru_cache(maxsize=1)
def _squared_frequencies() -> Spectrum:
    """Of an rfft2's bins, (radians a pixel)^2, (S, S // 2 + 1)."""
    down, across = 2 * np.pi * np.fft.fftfreq(SIDE), 2 * np.pi * np.fft.rfftfreq(SIDE)
    return np.asarray(down[:, None] ** 2 + across**2)


@lru_cache(maxsize=1)
def _face_window() -> Pixels:
    """Where brows, eyes, nose and mouth of an aligned crop lie, (S, S), 0-1."""
    rows, columns = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    radius = ((columns - 0.5) / 0.2) ** 2 + ((rows - 0.5) / 0.25) ** 2
    return np.asarray(np.exp(-0.5 * radius**2), np.float32)
