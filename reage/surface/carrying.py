"""Takes pictures of a face onto its chart and from the chart back into any frame.

Both ways are exact to a fraction of a pixel: a texel's place in a frame is a fixed mixture of
three points, and a pixel's place on the chart follows from the triangle that covers it.

N side of the chart, S side of the crop, P points, M triangles.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.optical_flow import moved
from reage.surface.chart import NUM_SKIN, Chart, Points, signed_area, with_rings

Pixels = NDArray[np.float32]

_SUBPIXEL_BITS = 6  # of a triangle's corners when it is filled
_EDGE = 2.5  # texels that a pixel across a triangle's edge may lie beyond it


def unwrap(
    crop: Pixels, landmarks: Points, chart: Chart, *, frame_from_chart: Pixels | None = None
) -> Pixels:
    """Lays a picture of a face out on its chart.

    Args:
        crop: float32, (S, S, C); beyond it, its edge goes on.
        landmarks: (K, 2) crop pixels.
        chart: Of the face.
        frame_from_chart: Flow (N, N, 2), texels, by which the mesh of this frame is off; see
            registration.py.

    Returns:
        float32, (N, N, C).
    """
    places = chart.mixed(with_rings(landmarks))
    if frame_from_chart is not None:
        places = moved(places, frame_from_chart)
    laid = cv2.remap(
        crop, places[..., 0], places[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(laid, np.float32).reshape(chart.side, chart.side, -1)


def render(
    texture: Pixels,
    landmarks: Points,
    depths: Points,
    chart: Chart,
    size: int,
    *,
    chart_from_frame: Pixels | None = None,
) -> Pixels:
    """Draws what is on the chart as a frame shows the face.

    Args:
        texture: float32, (N, N, C).
        landmarks: (K, 2) crop pixels of the frame.
        depths: (K,) growing away from the camera: near skin hides far skin.
        chart: Of the face.
        size: S.
        chart_from_frame: Flow (N, N, 2), texels, the way back of `unwrap`'s.

    Returns:
        float32, (S, S, C); 0 where no triangle is.
    """
    points = with_rings(landmarks)
    owner = _owners(points, depths, chart, size)
    covered = owner >= 0
    places = np.full((2, size, size), -1.0, np.float32)
    places[:, covered] = _places_of(np.nonzero(covered), owner[covered], points, chart)
    if chart_from_frame is not None:
        off = cv2.remap(chart_from_frame, places[0], places[1], cv2.INTER_LINEAR)
        places[0] += off[..., 0]
        places[1] += off[..., 1]
    drawn = cv2.remap(
        texture, places[0], places[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    drawn = np.asarray(drawn, np.float32).reshape(size, size, -1)
    drawn[~covered] = 0.0
    return drawn


def _owners(points: Points, depths: Points, chart: Chart, size: int) -> NDArray[np.int32]:
    """Which triangle covers each pixel, (S, S); -1 for none. Near skin hides far skin."""
    skin = depths[:NUM_SKIN]
    behind = np.full(len(points) - NUM_SKIN, skin.max())  # what is beside the face is behind it
    deep = np.concatenate([skin, behind])[chart.triangles].mean(axis=1)
    corners = points[chart.triangles]
    is_turned_away = signed_area(*(corners[:, i] for i in range(3))) <= 0
    owner = np.full((size, size), -1, np.int32)
    fixed = np.rint(corners * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    for index in np.lexsort((-deep, ~is_turned_away)).tolist():
        cv2.fillConvexPoly(owner, fixed[index], index, shift=_SUBPIXEL_BITS)
    return owner


def _places_of(
    pixels: tuple[NDArray[np.intp], ...], owners: NDArray[np.int32], points: Points, chart: Chart
) -> Points:
    """Where pixels (rows, columns) lie on the chart, (2, n), by the triangles that cover them.

    Seen edge on, a triangle is a line and takes a pixel beside it anywhere; it is kept nearly
    within itself.
    """
    rows, columns = pixels
    maps = _chart_from_frame(points, chart)[owners]
    places = maps[..., 0] * columns[:, None] + maps[..., 1] * rows[:, None] + maps[..., 2]
    corners = chart.positions[chart.triangles]
    low, high = corners.min(axis=1)[owners], corners.max(axis=1)[owners]
    return np.asarray(np.clip(places, low - _EDGE, high + _EDGE).T)


def _chart_from_frame(points: Points, chart: Chart) -> Points:
    """What takes each triangle of a frame onto the chart, (M, 2, 3)."""
    framed = points[chart.triangles]
    a, b, c = (framed[:, i] for i in range(3))
    area = signed_area(a, b, c)
    area = np.where(np.abs(area) < 1e-6, 1e-6, area)
    ab, ac = b - a, c - a
    inverse = np.stack(
        [np.stack([ac[:, 1], -ac[:, 0]], axis=1), np.stack([-ab[:, 1], ab[:, 0]], axis=1)], axis=1
    )
    inverse /= area[:, None, None]
    laid = chart.positions[chart.triangles]
    edges = np.stack([laid[:, 1] - laid[:, 0], laid[:, 2] - laid[:, 0]], axis=2)
    linear = edges @ inverse
    shift = laid[:, 0] - np.einsum("mij,mj->mi", linear, a)
    return np.concatenate([linear, shift[..., None]], axis=2)
