"""Draws the edge of what is in front of a face where the picture itself has it.

Within a band along a coarse outline, each pixel is told to be so much of the one side and so much
of the other as its colour lies between their colours nearby; where the two look alike, the outline
is believed. So the edge is as soft as the picture's, hair and motion blur included.

Source: Chuang et al. 2001, "A Bayesian Approach to Digital Matting", with the local means alone.

H W pixels.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

_BAND = 0.02  # of the face's height: half the band's width
_AROUND = 6  # half bands a side within which a side's colour is averaged
_ALIKE = 0.004  # square of the distance of two colours that tell little, display units
_LEAST_SEEN = 0.02  # of a side's share in its mean
_CLEAN = 0.05  # less counts as none, and more than 1 less it as all


def drawn_edge(coarse: Pixels, display: Pixels, *, face_height: float) -> Pixels:
    """Returns how far each pixel is in front, (H, W), 0-1; exactly 0 and 1 beside the band.

    Args:
        coarse: Its outline at 0.5, (H, W), 0-1.
        display: The picture, display view, (H, W, 3), finite.
        face_height: Pixels.
    """
    hard = (coarse > 0.5).astype(np.uint8)
    if not hard.any():
        return np.zeros_like(coarse)
    half = max(1.0, _BAND * face_height)
    front, behind = _far_inside(hard, half), _far_inside(1 - hard, half)
    (ahead, seen_ahead), (back, seen_back) = (
        _mean_of(display, side, reach=round(_AROUND * half)) for side in (front, behind)
    )
    across = ahead - back
    along, apart = ((values * across).sum(axis=2) for values in (display - back, across))
    guess = cv2.GaussianBlur(hard.astype(np.float32), (0, 0), half / 3)
    told = (along + _ALIKE * guess) / (apart + _ALIKE)
    edge = np.where(np.minimum(seen_ahead, seen_back) > _LEAST_SEEN, told, guess)
    edge = np.where(front > 0, 1.0, np.where(behind > 0, 0.0, edge)).astype(np.float32)
    calm = cv2.GaussianBlur(edge, (0, 0), 0.5)
    return np.asarray(np.clip((calm - _CLEAN) / (1 - 2 * _CLEAN), 0, 1), np.float32)


def _far_inside(side: NDArray[np.integer], half: float) -> Pixels:
    """1 where a side's pixel is further than the band from the other side."""
    if side.all():
        return np.ones(side.shape, np.float32)
    return (cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 3) > half).astype(np.float32)


def _mean_of(display: Pixels, side: Pixels, *, reach: int) -> tuple[Pixels, Pixels]:
    """The colour of a side around each pixel, (H, W, 3), and how much of it is there, (H, W)."""
    box = (2 * (reach // 2) + 1,) * 2
    weight = cv2.blur(side, box)
    total = cv2.blur(display * side[..., None], box)
    return np.asarray(total / (weight[..., None] + 1e-4), np.float32), np.asarray(weight)
