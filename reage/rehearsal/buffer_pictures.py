"""A replay buffer to look at: its faces on a sheet, its hull in two dimensions, what was forgotten.

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
from PIL import Image as PillowImage

from reage.contact_sheet import resized
from reage.lettering import canvas_of, draw_rectangle, draw_text
from reage.rehearsal.examination import FIGURES, IncrementRecord
from reage.rehearsal.replay_buffer import Faces, PoolMap, ReplayBuffer

_GROUND, _CARD = (29, 30, 31), "#1d1e1f"
_BRIGHT, _QUIET = (232, 232, 229), (140, 141, 143)
_INK, _FAINT, _ACCENT = "#e8e8e5", "#8c8d8f", "#c99654"
_COLUMNS, _CELL_PX, _GAP_PX, _MARGIN_PX, _CAPTION_PX = 10, 128, 8, 28, 44
_FACE_INCHES = 0.62
_DOTS_PER_INCH = 110


def draw_buffer(buffer: ReplayBuffer, *, title: str, subtitle: str, path: Path) -> None:
    """Draws the rehearsed faces and the held-out ones, each with age and increment; writes a PNG.

    Args:
        buffer: What is drawn.
        title: First line.
        subtitle: Second line.
        path: Of the picture; its folder is there.
    """
    groups = [("rehearsed", buffer.kept), ("held out, never learnt from", buffer.held_out)]
    rows = [max(1, -(-len(faces) // _COLUMNS)) for _, faces in groups]
    pitch = _CELL_PX + _GAP_PX
    width = 2 * _MARGIN_PX + _COLUMNS * pitch - _GAP_PX
    height = 92 + sum(40 + count * (pitch + _CAPTION_PX) for count in rows) + _MARGIN_PX
    sheet = canvas_of(width, height, _GROUND)
    draw_text(sheet, title, (_MARGIN_PX, 46), size=24, colour=_BRIGHT, weight="bold")
    draw_text(sheet, subtitle, (_MARGIN_PX, 74), size=14, colour=_QUIET, max_width=width - 56)
    top = 92
    for (label, faces), count in zip(groups, rows, strict=True):
        said = f"{len(faces)} {label}"
        draw_text(sheet, said, (_MARGIN_PX, top + 26), size=15, colour=_BRIGHT)
        _draw_faces(sheet, faces, top + 40)
        top += 40 + count * (pitch + _CAPTION_PX)
    PillowImage.fromarray(sheet).save(path)


def _draw_faces(sheet: NDArray[np.uint8], faces: Faces, top: int) -> None:
    pitch = _CELL_PX + _GAP_PX
    order = np.lexsort((faces.ages, faces.increments))
    for place, row in enumerate(order.tolist()):
        x = _MARGIN_PX + (place % _COLUMNS) * pitch
        y = top + (place // _COLUMNS) * (pitch + _CAPTION_PX)
        sheet[y : y + _CELL_PX, x : x + _CELL_PX] = resized(faces.crops[row], (_CELL_PX, _CELL_PX))
        right, base = x + _CELL_PX, y + _CELL_PX
        draw_rectangle(sheet, (x, base, right, base + 3), _colour(int(faces.increments[row])))
        draw_text(sheet, f"{faces.ages[row]:.0f}", (x, base + 21), size=15, colour=_BRIGHT,
                  weight="bold")  # fmt: skip
        draw_text(sheet, f"increment {faces.increments[row]}", (right, base + 20), size=11,
                  colour=_QUIET, anchor="right")  # fmt: skip
        draw_text(sheet, str(faces.names[row]), (x, base + 36), size=10, colour=_QUIET,
                  max_width=_CELL_PX)  # fmt: skip


def draw_hull(buffer: ReplayBuffer, *, title: str, path: Path) -> None:
    """Draws the pool, the chosen faces at their places and their outline; writes a PNG.

    Args:
        buffer: What is drawn.
        title: Above it.
        path: Of the picture; its folder is there.
    """
    pool = buffer.pool
    figure = Figure(figsize=(9.6, 7.2), layout="constrained", facecolor=_CARD)
    axes = figure.subplots()
    axes.set_facecolor(_CARD)
    corners = outline(pool.places[pool.kept])
    if len(corners) > 2:
        shape = Polygon(corners, closed=True, facecolor=_ACCENT, alpha=0.13, edgecolor="none")
        axes.add_patch(shape)
        closed = np.concatenate([corners, corners[:1]])
        axes.plot(closed[:, 0], closed[:, 1], color=_ACCENT, linewidth=1.2)
    _draw_pool(axes, pool)
    for place, row in zip(pool.places[pool.kept], range(len(buffer.kept)), strict=True):
        _place_face(axes, buffer.kept, row, place)
    axes.set_title(title, color=_INK, fontsize=12, loc="left")
    axes.set_xlabel("first principal axis of the pool's latents", color=_FAINT, fontsize=9)
    axes.set_ylabel("second", color=_FAINT, fontsize=9)
    axes.margins(0.16)
    _quieten(axes)
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _draw_pool(axes: Axes, pool: PoolMap) -> None:
    passed = np.setdiff1d(np.arange(len(pool.places)), pool.kept)
    for number in np.unique(pool.increments).tolist():
        rows = passed[pool.increments[passed] == number]
        colour = tuple(part / 255 for part in _colour(number))
        across, down = pool.places[rows].T
        axes.scatter(across, down, s=26, color=[colour], label=f"increment {number}")
    if len(np.unique(pool.increments)) <= _COLUMNS:
        legend = axes.legend(
            frameon=False, fontsize=9, labelcolor=_FAINT, loc="upper right",
            title="passed over", title_fontsize=9,
        )  # fmt: skip
        legend.get_title().set_color(_FAINT)


def _place_face(axes: Axes, faces: Faces, row: int, place: NDArray[np.floating]) -> None:
    side = round(_FACE_INCHES * _DOTS_PER_INCH)
    picture = resized(faces.crops[row], (side, side))
    image = OffsetImage(picture, zoom=72 / _DOTS_PER_INCH)
    colour = tuple(part / 255 for part in _colour(int(faces.increments[row])))
    box = AnnotationBbox(
        image, (float(place[0]), float(place[1])), pad=0.12,
        bboxprops={"edgecolor": colour, "linewidth": 2.2, "facecolor": _CARD},
    )  # fmt: skip
    axes.add_artist(box)


def draw_forgetting(records: Sequence[IncrementRecord], *, title: str, path: Path) -> None:
    """Draws for every increment each figure when it was learnt and now; writes a PNG.

    Args:
        records: Of all increments.
        title: Above it.
        path: Of the picture; its folder is there.
    """
    figure = Figure(figsize=(11.0, 3.4), layout="constrained", facecolor=_CARD)
    figure.suptitle(title, color=_INK, fontsize=12, x=0.01, ha="left")
    for axes, name in zip(figure.subplots(1, len(FIGURES)), FIGURES, strict=True):
        axes.set_facecolor(_CARD)
        told = [record for record in records if name in record.last and name in record.first]
        numbers = [record.number for record in told]
        first, last = ([r.first[name] for r in told], [r.last[name] for r in told])
        axes.vlines(numbers, first, last, color=_FAINT, linewidth=1.4)
        axes.plot(numbers, first, "o", mfc="none", mec=_ACCENT, label="when learnt")
        axes.plot(numbers, last, "o", color="#8fb7d6", label="now")
        better = "more is better" if FIGURES[name] else "less is better"
        axes.set_title(f"{name}, {better}", color=_INK, fontsize=10, loc="left")
        axes.set_xlabel("increment", color=_FAINT, fontsize=9)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.margins(0.12)
        axes.legend(frameon=False, fontsize=8, labelcolor=_FAINT)
        _quieten(axes)
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})


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


def _quieten(axes: Axes) -> None:
    axes.tick_params(labelsize=8, colors=_FAINT, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(color="#2d2f31", linewidth=0.8)
    axes.set_axisbelow(True)


_WHEEL = ((143, 183, 214), (201, 150, 84), (127, 182, 133), (199, 134, 179), (214, 205, 124),
          (122, 196, 190), (217, 121, 95), (158, 148, 214))  # fmt: skip


def _colour(increment: int) -> tuple[int, int, int]:
    return _WHEEL[(increment - 1) % len(_WHEEL)]
