"""Plates whose grain is known: coloured, correlated between channels, stronger in the light."""

import cv2
import numpy as np

from reage.colour import luma
from reage.grain.measuring import GrainMeter

HEIGHT, WIDTH = 384, 720
_SOFTNESS = (0.8, 0.6, 1.1)  # deviation of each channel's grain, px
_MIX = np.array([[1, 0.3, 0.1], [0.3, 1, 0.2], [0.1, 0.2, 1]], np.float32)


def unit_grain(seed):
    """Grain of deviation 1 in each channel, (H, W, 3)."""
    return _drawn(seed) / _drawn(99).std(axis=(0, 1))


def _drawn(seed):
    white = np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH, 3)).astype(np.float32)
    soft = [cv2.GaussianBlur(white[..., c], (0, 0), s) for c, s in enumerate(_SOFTNESS)]
    return np.stack(soft, axis=-1) @ _MIX.T


def deviation(shade):
    """Deviation of each channel's grain at a luma, (...) to (..., 3)."""
    return np.stack([0.006 + 0.012 * shade, 0.004 + 0.01 * shade, 0.01 + 0.014 * shade], axis=-1)


def clean_picture():
    """A ramp from dark to light, tinted, (H, W, 3)."""
    ramp = np.linspace(0.1, 0.8, WIDTH, dtype=np.float32)
    tint = np.array([1.1, 0.95, 0.9], np.float32)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None] * tint, (HEIGHT, WIDTH, 3)))


def plate_view(seed, clean=None):
    """The ramp under its grain."""
    picture = clean_picture() if clean is None else clean
    return (picture + unit_grain(seed) * deviation(luma(picture))).astype(np.float32)


def measured_grain(clean=None, *, count=3):
    """What the meter makes of some pairs of frames."""
    meter = GrainMeter()
    for seed in range(count):
        meter.add(plate_view(seed, clean), plate_view(seed + 100, clean))
    return meter.measured()
