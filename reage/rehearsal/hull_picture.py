"""The hull of a replay buffer in two dimensions, its faces around it.

The hull lies in as many dimensions as a latent has; drawn are the two in which the pool that was
chosen from spreads most, so that a face inside the outline may well be a corner of the hull.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from reage.contact_sheet import resized
from reage.rehearsal.buffer_pictures import increment_colour
from reage.rehearsal.dark_axes import ACCENT, CARD, DOTS_PER_INCH, FAINT, INK, quieten
from reage.rehearsal.replay_buffer import Faces, PoolMap, ReplayBuffer

_MOST_FACES = 24  # around the map; of more, every so many is shown
_SHARE = 0.52  # of the picture that the map takes, faces around it
_RING = (0.43, 0.42)  # half axes of the faces' ellipse, in shares of the picture
_LISTED = 10  # increments in the legend


def draw_hull(buffer: ReplayBuffer, *, title: str, path: Path) -> None:
    """Draws the pool as dots, the chosen faces around it and their outline; writes a PNG.

    Args:
        buffer: What is drawn.
        title: Above it.
        path: Of the picture; its folder is there.
    """
    pool = buffer.pool
    figure = Figure(figsize=(9.6, 8.4), layout="constrained", facecolor=CARD)
    axes = figure.subplots()
    axes.set_facecolor(CARD)
    kept = pool.places[pool.kept]
    corners = outline(kept)
    if len(corners) > 2:
        shape = Polygon(corners, closed=True, facecolor=ACCENT, alpha=0.13, edgecolor="none")
        axes.add_patch(shape)
        closed = np.concatenate([corners, corners[:1]])
        axes.plot(closed[:, 0], closed[:, 1], color=ACCENT, linewidth=1.2)
    _draw_pool(axes, pool)
    _frame(axes, pool.places)
    _place_faces(axes, buffer.kept, kept)
    axes.set_title(title, color=INK, fontsize=12, loc="left")
    axes.set_xlabel("first principal axis of the pool's latents", color=FAINT, fontsize=9)
    axes.set_ylabel("second", color=FAINT, fontsize=9)
    quieten(axes)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _draw_pool(axes: Axes, pool: PoolMap) -> None:
    """Dots: full where a photograph is kept, faint where it was passed over."""
    is_kept = np.isin(np.arange(len(pool.places)), pool.kept)
    numbers = np.unique(pool.increments).tolist()
    for number in numbers:
        colour = tuple(part / 255 for part in increment_colour(number))
        own = pool.increments == number
        across, down = pool.places[own & ~is_kept].T
        axes.scatter(across, down, s=22, color=[colour], alpha=0.45, linewidths=0)
        across, down = pool.places[own & is_kept].T
        axes.scatter(
            across, down, s=58, color=[colour], edgecolors=INK, linewidths=1.1, zorder=3,
            label=f"increment {number}",
        )  # fmt: skip
    if len(numbers) <= _LISTED:
        axes.legend(
            frameon=False, fontsize=9, labelcolor=FAINT, loc="upper center",
            bbox_to_anchor=(0.5, -0.06), ncols=min(len(numbers), 5),
        )  # fmt: skip


def _frame(axes: Axes, places: NDArray[np.floating]) -> None:
    """Leaves room around the map."""
    low, high = places.min(axis=0), places.max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6) / _SHARE
    axes.set_xlim(middle[0] - half[0], middle[0] + half[0])
    axes.set_ylim(middle[1] - half[1], middle[1] + half[1])


def _place_faces(axes: Axes, faces: Faces, places: NDArray[np.floating]) -> None:
    """Draws faces on an ellipse around the map, in the order in which they lie around its middle.

    The turn is the one that keeps leads shortest.
    """
    shown = np.unique(np.linspace(0, len(faces) - 1, min(len(faces), _MOST_FACES)).astype(int))
    limits = np.array([axes.get_xlim(), axes.get_ylim()])
    inside = (places[shown] - limits[:, 0]) / (limits[:, 1] - limits[:, 0])
    angles = np.arctan2(*(inside - 0.5).T[::-1])
    order, even = np.argsort(angles, kind="stable"), 2 * np.pi * np.arange(len(shown)) / len(shown)
    turn = np.angle(np.exp(1j * (angles[order] - even)).mean())
    side = round(DOTS_PER_INCH * min(0.95, 14.0 / max(len(shown), 1)))
    for place, row in zip(even + turn, order.tolist(), strict=True):
        face = int(shown[row])
        spot = 0.5 + np.array(_RING) * [np.cos(place), np.sin(place)]
        colour = tuple(part / 255 for part in increment_colour(int(faces.increments[face])))
        image = OffsetImage(resized(faces.crops[face], (side, side)), zoom=72 / DOTS_PER_INCH)
        box = AnnotationBbox(
            image, tuple(places[face]), xybox=tuple(spot), xycoords="data",
            boxcoords="axes fraction", pad=0.12,
            bboxprops={"edgecolor": colour, "linewidth": 2.2, "facecolor": CARD},
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.9, "alpha": 0.8},
        )  # fmt: skip
        axes.add_artist(box)


def outline(places: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns the corners of the convex hull of points (N, 2), counter-clockwise.

    Fewer than three where all lie on a line. Source: Andrew 1979, monotone chain.
    """
    points = sorted(set(map(tuple, np.asarray(places, np.float64).tolist())))
    if len(points) < 3:
        return np.array(points).reshape(-1, 2)
    chains = []
    for sequence in (points, points[::-1]):
        chain: list[tuple[float, ...]] = []
        for point in sequence:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chains.append(chain[:-1])
    return np.array(chains[0] + chains[1])


def _turn(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
