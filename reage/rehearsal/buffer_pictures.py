"""A replay buffer's faces on a sheet; its hull is in hull_picture.py."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from reage.contact_sheet import resized
from reage.lettering import canvas_of, draw_rectangle, draw_text
from reage.rehearsal.replay_buffer import Faces, ReplayBuffer

_GROUND = (29, 30, 31)
_BRIGHT, _QUIET = (232, 232, 229), (140, 141, 143)
_COLUMNS, _CELL_PX, _GAP_PX, _MARGIN_PX, _CAPTION_PX = 10, 128, 8, 28, 44
_WHEEL = ((143, 183, 214), (201, 150, 84), (127, 182, 133), (199, 134, 179), (214, 205, 124),
          (122, 196, 190), (217, 121, 95), (158, 148, 214))  # fmt: skip


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
        draw_rectangle(
            sheet, (x, base, right, base + 3), increment_colour(int(faces.increments[row]))
        )
        draw_text(sheet, f"{faces.ages[row]:.0f}", (x, base + 21), size=15, colour=_BRIGHT,
                  weight="bold")  # fmt: skip
        draw_text(sheet, f"increment {faces.increments[row]}", (right, base + 20), size=11,
                  colour=_QUIET, anchor="right")  # fmt: skip
        draw_text(sheet, str(faces.names[row]), (x, base + 36), size=10, colour=_QUIET,
                  max_width=_CELL_PX)  # fmt: skip


def increment_colour(number: int) -> tuple[int, int, int]:
    """Returns the colour of an increment, RGB, 0-255; they come round again."""
    return _WHEEL[(number - 1) % len(_WHEEL)]
