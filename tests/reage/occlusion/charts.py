"""A mottled skin on a chart, for tests of what is in front of it."""

import cv2
import numpy as np

from reage.occlusion.appearance import SIDE

NONE = np.zeros((SIDE, SIDE), np.float32)
SEEN = np.ones((SIDE, SIDE), np.float32)


def skin(seed, *, light=1.0, slope=0.0):
    """The skin under grain, lit evenly or from a side, (N, N, 3)."""
    mottle = cv2.GaussianBlur(
        np.random.default_rng(1).standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), 3
    )
    colour = np.float32([0.7, 0.5, 0.42]) * (1 + 0.6 * mottle[..., None])
    lit = light * (1 + slope * np.linspace(-1, 1, SIDE, dtype=np.float32))[None, :, None]
    grain = np.random.default_rng(seed).normal(0, 0.008, colour.shape)
    return (colour * lit + grain).astype(np.float32)
