"""Which triangle of a mesh each pixel of a small picture shows.

Shapes: P points, M triangles, N pixels along a side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_WINDOWS = (3, 6, 12, 24, 48)  # pixels: triangles are tried on the smallest square that holds them


@dataclass(frozen=True, eq=False)
class Raster:
    """What each pixel shows.

    Attributes:
        triangle: (N, N), the nearest triangle over the pixel's centre; -1 where there is none.
        shares: (N, N, 3), of the triangle's corners at that place; their sum is 1.
    """

    triangle: NDArray[np.int64]
    shares: Points


def rasterise(places: Points, depths: Points, triangles: NDArray[np.int64], *, size: int) -> Raster:
    """Draws triangles, nearest in front; both of their sides.

    Args:
        places: (P, 2), in picture sizes: 0-1 from the left and top edge.
        depths: (P,), growing away from the camera.
        triangles: (M, 3) points.
        size: N.
    """
    corners = places[triangles] * size - 0.5  # whole numbers at pixel centres
    low = np.floor(corners.min(axis=1)).astype(np.int64)
    extent = (np.ceil(corners.max(axis=1)) - low + 1).max(axis=1)
    has_area = _area(corners) != 0
    pixels, owners = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    shares = [np.zeros((0, 3))]
    least = 0
    for window in (*_WINDOWS, max(size, int(extent.max()))):
        group = np.flatnonzero(has_area & (extent > least) & (extent <= window))
        least = window
        if not len(group):
            continue
        pixel, owner, share = _covered(corners[group], low[group], window, size)
        pixels.append(pixel)
        owners.append(group[owner])
        shares.append(share)
    pixel, owner, share = np.concatenate(pixels), np.concatenate(owners), np.concatenate(shares)
    depth = (depths[triangles[owner]] * share).sum(axis=1)
    order = np.argsort(-depth, kind="stable")  # the nearest is written last
    triangle = np.full(size * size, -1, np.int64)
    triangle[pixel[order]] = owner[order]
    found = np.zeros((size * size, 3))
    found[pixel[order]] = share[order]
    return Raster(triangle.reshape(size, size), found.reshape(size, size, 3))


def _covered(
    corners: Points, low: NDArray[np.int64], window: int, size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Points]:
    """Returns pixels that triangles (m, 3, 2) cover, whose they are, and the corners' shares."""
    offsets = np.stack(np.meshgrid(np.arange(window), np.arange(window)), axis=-1).reshape(-1, 2)
    spots = low[:, None] + offsets[None]
    a, b, c = (corners[:, None, i] for i in range(3))
    area = _area(corners)[:, None]
    second, third = _cross(spots - a, c - a) / area, _cross(b - a, spots - a) / area
    first = 1 - second - third
    inside = (first >= 0) & (second >= 0) & (third >= 0)
    inside &= ((spots >= 0) & (spots < size)).all(axis=2)
    owner, spot = np.nonzero(inside)
    at = spots[owner, spot]
    share = np.stack([part[owner, spot] for part in (first, second, third)], axis=1)
    return at[:, 1] * size + at[:, 0], owner, share


def _area(corners: Points) -> Points:
    """Returns twice the signed area of triangles (M, 3, 2), (M,)."""
    return _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _cross(a: Points, b: Points) -> Points:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
