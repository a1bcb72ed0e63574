"""The contact sheet: chosen frames in rows; plate, re-aged, change and matte side by side.

The change is shown four times amplified about mid-grey, so that paint, ghosts and edges that the
eye forgives in the picture are seen at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.lettering import canvas_of, draw_text

CHANGE_GAIN = 4.0

_BACKGROUND = (29, 30, 31)
_BRIGHT, _QUIET = (232, 232, 229), (140, 141, 143)
_COLUMNS = ("plate", "re-aged", f"change × {CHANGE_GAIN:g}", "matte")


@dataclass(frozen=True, kw_only=True, eq=False)
class SheetRow:
    """One row.

    Attributes:
        frame_number: Studio frame number.
        caption: The ages, in words.
        plate: Display-referred, uint8, (H, W, 3).
        result: The same shape.
        matte: 0-1, float, (H, W).
    """

    frame_number: int
    caption: str
    plate: NDArray[np.uint8]
    result: NDArray[np.uint8]
    matte: NDArray[np.floating]

    def __post_init__(self) -> None:
        if self.result.shape != self.plate.shape or self.matte.shape != self.plate.shape[:2]:
            raise ValueError(
                f"SheetRow {self.frame_number}: got plate {self.plate.shape}, result "
                f"{self.result.shape}, matte {self.matte.shape}, expected one picture size"
            )


def compose_contact_sheet(
    rows: Sequence[SheetRow], *, title: str, subtitle: str = "", cell_height: int = 320
) -> NDArray[np.uint8]:
    """Returns the sheet, uint8, (H, W, 3).

    Every row is cropped alike, to where the mattes are, so that rows can be compared.

    Args:
        rows: At least one; all of one picture size.
        title: First line of the header.
        subtitle: Second line: prior, consent, date.
        cell_height: Height of a picture, px.

    Raises:
        ValueError: No rows, or rows of several sizes.
    """
    sizes = sorted({row.plate.shape[:2] for row in rows})
    if len(sizes) != 1:
        raise ValueError(f"compose_contact_sheet: got rows of sizes {sizes}, expected one size")
    crop = frame_crop([row.matte for row in rows])
    cell_width = round(
        cell_height * (crop[1].stop - crop[1].start) / (crop[0].stop - crop[0].start)
    )
    margin, gap = round(cell_height * 0.12), max(round(cell_height * 0.025), 4)
    header, caption = round(cell_height * 0.42), round(cell_height * 0.12)
    pitch = (cell_width + gap, cell_height + caption + gap)
    sheet = canvas_of(
        2 * margin + 4 * pitch[0] - gap, header + len(rows) * pitch[1] + margin, _BACKGROUND
    )
    _draw_header(sheet, title, subtitle, margin=margin, pitch=pitch[0], cell=cell_height)
    for index, row in enumerate(rows):
        top = header + index * pitch[1]
        for column, picture in enumerate(_cells(row, crop)):
            left = margin + column * pitch[0]
            cell = resized(picture, (cell_width, cell_height))
            sheet[top : top + cell_height, left : left + cell_width] = cell
        baseline = top + cell_height + caption * 0.68
        _draw_caption(sheet, row, (margin, baseline), pitch=pitch[0], cell=cell_height)
    return sheet


def frame_crop(mattes: Sequence[NDArray[np.floating]]) -> tuple[slice, slice]:
    """Returns rows and columns that hold all mattes with a margin, 4:3 where the frame allows.

    The whole frame, when all mattes are empty.
    """
    height, width = mattes[0].shape
    covered = np.zeros((height, width), bool)
    for matte in mattes:
        covered |= matte > 0
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    if not rows.size:
        return slice(0, height), slice(0, width)
    tall = 1.35 * (rows[-1] - rows[0] + 1)
    wide = 1.35 * (columns[-1] - columns[0] + 1)
    tall = min(max(tall, wide * 3 / 4, 16), height)
    wide = min(max(wide, tall * 4 / 3), width)
    return (
        _span((rows[0] + rows[-1] + 1) / 2, round(tall), height),
        _span((columns[0] + columns[-1] + 1) / 2, round(wide), width),
    )


def amplified_change(
    plate: NDArray[np.uint8], result: NDArray[np.uint8], *, gain: float = CHANGE_GAIN
) -> NDArray[np.uint8]:
    """Returns the difference about mid-grey (128), `gain` times amplified, clipped, uint8."""
    change = result.astype(np.float32) - plate.astype(np.float32)
    return np.rint(np.clip(128.0 + gain * change, 0.0, 255.0)).astype(np.uint8)


def _cells(row: SheetRow, crop: tuple[slice, slice]) -> list[NDArray[np.uint8]]:
    plate, result = row.plate[crop], row.result[crop]
    matte = np.rint(np.clip(row.matte[crop], 0.0, 1.0) * 255).astype(np.uint8)
    return [plate, result, amplified_change(plate, result), np.repeat(matte[..., None], 3, axis=2)]


def _draw_header(
    sheet: NDArray[np.uint8], title: str, subtitle: str, *, margin: int, pitch: int, cell: int
) -> None:
    room = sheet.shape[1] - 2 * margin
    draw_text(sheet, title, (margin, cell * 0.155), size=max(round(cell * 0.072), 14),
              colour=_BRIGHT, weight="bold", max_width=room)  # fmt: skip
    small = max(round(cell * 0.048), 11)
    draw_text(sheet, subtitle, (margin, cell * 0.245), size=small, colour=_QUIET, max_width=room)
    for column, name in enumerate(_COLUMNS):
        draw_text(sheet, name, (margin + column * pitch, cell * 0.38), size=small, colour=_QUIET)


def _draw_caption(
    sheet: NDArray[np.uint8], row: SheetRow, place: tuple[int, float], *, pitch: int, cell: int
) -> None:
    x, y = place
    size = max(round(cell * 0.052), 11)
    draw_text(sheet, f"{row.frame_number:04d}", (x, y), size=size, weight="mono", colour=_BRIGHT)
    draw_text(sheet, row.caption, (x + pitch, y), size=size, colour=_BRIGHT, max_width=pitch)


def resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Returns the picture at a size (width, height), itself when it has it already."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    is_smaller = size[1] < picture.shape[0]
    method = cv2.INTER_AREA if is_smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def _span(centre: float, length: int, limit: int) -> slice:
    start = min(max(round(centre - length / 2), 0), limit - length)
    return slice(start, start + length)
