"""A strip of faces at rising ages, row by row: what an adapter has learnt, at a glance.

Shapes: A ages, R face size in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reage.contact_sheet import resized
from reage.lettering import canvas_of, draw_text

CELL_PX = 128
_GAP_PX, _MARGIN_PX, _LABEL_PX, _HEAD_PX = 4, 16, 128, 28
_GROUND, _INK, _QUIET = (30, 31, 33), (235, 235, 235), (150, 152, 156)


@dataclass(frozen=True, eq=False)
class StripRow:
    """One row.

    Attributes:
        label: What made it.
        source: The photograph, uint8, (R, R, 3).
        faces: At the ages of the strip, uint8, (A, R, R, 3).
    """

    label: str
    source: NDArray[np.uint8]
    faces: NDArray[np.uint8]


def compose_age_strip(rows: Sequence[StripRow], *, ages: Sequence[float]) -> NDArray[np.uint8]:
    """Lays rows of faces out under their ages.

    Args:
        rows: At least one; each has one face per age.
        ages: Years.

    Returns:
        RGB, uint8.

    Raises:
        ValueError: A row has another number of faces.
    """
    for row in rows:
        if len(row.faces) != len(ages):
            raise ValueError(
                f"age strip: {row.label}: got {len(row.faces)} faces, expected one for each of "
                f"{len(ages)} ages"
            )
    return compose_strip(rows, headings=[f"{age:g}" for age in ages])


def compose_strip(
    rows: Sequence[StripRow], *, headings: Sequence[str], cell_px: int = CELL_PX
) -> NDArray[np.uint8]:
    """Lays rows of faces out under headings; RGB, uint8.

    Args:
        rows: At least one; each has one face per heading.
        headings: Of the columns after the photograph's.
        cell_px: Side of a face.
    """
    pitch = cell_px + _GAP_PX
    width = 2 * _MARGIN_PX + _LABEL_PX + (1 + len(headings)) * pitch
    height = 2 * _MARGIN_PX + _HEAD_PX + len(rows) * pitch
    sheet = canvas_of(width, height, _GROUND)
    left = _MARGIN_PX + _LABEL_PX
    for column, text in enumerate(["photograph", *headings]):
        place = (left + column * pitch, _MARGIN_PX + 14)
        draw_text(sheet, text, place, size=14, colour=_QUIET, max_width=cell_px)
    for index, row in enumerate(rows):
        top = _MARGIN_PX + _HEAD_PX + index * pitch
        place, room = (_MARGIN_PX, top + cell_px // 2), _LABEL_PX - 8
        draw_text(sheet, row.label, place, size=14, colour=_INK, max_width=room)
        for column, face in enumerate([row.source, *row.faces]):
            x = left + column * pitch
            sheet[top : top + cell_px, x : x + cell_px] = resized(face, (cell_px, cell_px))
    return sheet
