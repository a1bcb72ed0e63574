"""Optical flow: where the pixels of one picture lie in another, and pictures moved along it.

A flow is float32 (h, w, 2), pixels (x, y): what is added to a pixel's place in `here` to find it in
`there`. Sources: Kroeger, Timofte, Dai, Van Gool 2016, "Fast Optical Flow using Dense Inverse
Search"; of the forward-backward check: Sundaram, Brox, Keutzer 2010, "Dense point trajectories by
GPU-accelerated large displacement optical flow", sec. 3.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Codes = NDArray[np.uint8]


def codes(picture: NDArray[np.floating]) -> Codes:
    """Returns a picture, 0-1, in 8-bit codes, which optical flow is found on."""
    return np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)


def optical_flow(here: Codes, there: Codes, *, patch: int = 8, refinements: int = 5) -> Pixels:
    """Finds the optical flow from one picture (h, w) to another, whatever their light.

    Args:
        here: Where it begins.
        there: Where it leads.
        patch: Side of what is searched for, pixels.
        refinements: Variational steps at every scale.
    """
    beginning = np.zeros((*here.shape, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setPatchSize(patch)
    search.setVariationalRefinementIterations(refinements)
    return np.asarray(search.calc(here, there, beginning), np.float32)


def moved(picture: Pixels, flow: Pixels) -> Pixels:
    """Fetches each pixel of a picture (h, w, ...) from where a flow of its size points, bicubic."""
    x, y = _landing(flow)
    fetched = cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(fetched, np.float32)


def joined(first: Pixels, second: Pixels) -> Pixels:
    """Returns the flow that goes along `first` and from there along `second`."""
    return first + _fetched(second, first)


def resized(flow: Pixels, side: int) -> Pixels:
    """Returns a flow of a square (n, n, 2) for the same square of another side."""
    factor = side / flow.shape[0]
    how = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_LINEAR
    laid = cv2.resize(flow, (side, side), interpolation=how)
    return np.asarray(laid * np.float32(factor), np.float32)


def is_consistent(forth: Pixels, back: Pixels) -> Pixels:
    """Returns 1 where a pixel taken forth and back returns to itself, else 0; float32, (h, w)."""
    x, y = _landing(forth)
    returned = _fetched(back, forth)
    gap = ((forth + returned) ** 2).sum(axis=2)
    motion = (forth**2).sum(axis=2) + (returned**2).sum(axis=2)
    height, width = x.shape
    is_inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return ((gap < 0.01 * motion + 0.5) & is_inside).astype(np.float32)


def _fetched(values: Pixels, flow: Pixels) -> Pixels:
    x, y = _landing(flow)
    fetched = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(fetched, np.float32)


def _landing(flow: Pixels) -> tuple[Pixels, Pixels]:
    height, width = flow.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x + flow[..., 0], y + flow[..., 1]
