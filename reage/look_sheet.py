"""A few frames of a rendered head in a row, each under a heading, marked as what they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reage.lettering import canvas_of, draw_text
from reage.turntable import generated_line

_GAP_PX, _HEAD_PX, _FOOT_PX = 4, 28, 26
_GROUND, _QUIET = (30, 31, 33), (200, 202, 206)


def compose_look_sheet(
    frames: Sequence[NDArray[np.uint8]], headings: Sequence[str], *, actor: str, consent: str
) -> NDArray[np.uint8]:
    """Lays frames, uint8, (H, W, 3), out in a row; RGB, uint8.

    Args:
        frames: At least one, all of one size.
        headings: One a frame.
        actor: Whose face it is.
        consent: Id of the document that allows it.
    """
    height, width = frames[0].shape[:2]
    pitch = width + _GAP_PX
    sheet = canvas_of(len(frames) * pitch + _GAP_PX, _HEAD_PX + height + _FOOT_PX, _GROUND)
    for column, (frame, heading) in enumerate(zip(frames, headings, strict=True)):
        x = _GAP_PX + column * pitch
        draw_text(sheet, heading, (x + 4, _HEAD_PX - 9), size=14, colour=_QUIET, max_width=width)
        sheet[_HEAD_PX : _HEAD_PX + height, x : x + width] = frame
    place = (_GAP_PX + 4, _HEAD_PX + height + _FOOT_PX - 9)
    room = sheet.shape[1] - 2 * place[0]
    text = generated_line(actor, consent)
    draw_text(sheet, text, place, size=13, colour=_QUIET, max_width=room)
    return sheet
