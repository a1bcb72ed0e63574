"""The contact sheet of a collection: every crop in order of age, with its age and file.

Ages that nobody stated are estimates of a network; they are set in another colour, with a mark, so
that nobody takes them for facts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reage.collection.report import AcceptedPhoto
from reage.contact_sheet import resized
from reage.lettering import Colour, canvas_of, draw_rectangle, draw_text

_BACKGROUND = (29, 30, 31)
_BRIGHT, _QUIET, _ESTIMATE = (232, 232, 229), (140, 141, 143), (226, 160, 84)


def compose_collection_sheet(
    photos: Sequence[AcceptedPhoto],
    *,
    title: str,
    subtitle: str = "",
    columns: int = 8,
    cell: int = 192,
) -> NDArray[np.uint8]:
    """Returns the sheet, uint8, (H, W, 3).

    Args:
        photos: In the order in which they are shown; may be empty.
        title: First line of the header.
        subtitle: Second line.
        columns: Pictures a row.
        cell: Side of a picture, px.
    """
    margin, gap, caption = round(cell * 0.2), round(cell * 0.06), round(cell * 0.27)
    header = round(cell * 0.62)
    pitch = (cell + gap, cell + caption + gap)
    num_rows = max(-(-len(photos) // columns), 1)
    sheet = canvas_of(
        2 * margin + columns * pitch[0] - gap, header + num_rows * pitch[1] + margin, _BACKGROUND
    )
    room = sheet.shape[1] - 2 * margin
    draw_text(sheet, title, (margin, cell * 0.26), size=round(cell * 0.125), colour=_BRIGHT,
              weight="bold", max_width=room)  # fmt: skip
    small = round(cell * 0.078)
    draw_text(sheet, subtitle, (margin, cell * 0.41), size=small, colour=_QUIET,
              max_width=room)  # fmt: skip
    for index, photo in enumerate(photos):
        left = margin + index % columns * pitch[0]
        top = header + index // columns * pitch[1]
        sheet[top : top + cell, left : left + cell] = resized(photo.preview, (cell, cell))
        _draw_caption(sheet, photo, (left, top + cell), cell)
    return sheet


def _draw_caption(
    sheet: NDArray[np.uint8], photo: AcceptedPhoto, corner: tuple[int, int], cell: int
) -> None:
    left, top = corner
    colour: Colour = _BRIGHT
    if photo.age_source == "estimated":
        colour = _ESTIMATE
        draw_rectangle(sheet, (left, top, left + cell, top + max(round(cell * 0.016), 2)), colour)
    baseline = top + cell * 0.135
    draw_text(sheet, age_caption(photo), (left, baseline), size=round(cell * 0.105), colour=colour,
              weight="bold")  # fmt: skip
    small = round(cell * 0.068)
    draw_text(sheet, photo.age_source, (left + cell, baseline), size=small, anchor="right",
              colour=colour if photo.age_source == "estimated" else _QUIET)  # fmt: skip
    draw_text(sheet, photo.name, (left, top + cell * 0.235), size=small, colour=_QUIET,
              max_width=cell)  # fmt: skip


def age_caption(photo: AcceptedPhoto) -> str:
    """Returns the age in words: `34`, and `≈ 34` for an estimate."""
    return f"≈ {photo.age:.0f}" if photo.age_source == "estimated" else f"{int(photo.age)}"
