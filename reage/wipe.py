"""The wipe: plate on the left of a moving line, re-aged on its right.

Pure functions of pictures and position; review.py makes clips of them.
"""

import numpy as np
from numpy.typing import NDArray

from reage.lettering import draw_text

_HOLD_SHARE = 0.12  # of a half-cycle, at each end
_LINE_TONE = 244.0
_LABEL = (246, 246, 246)


def compose_wipe(
    plate: NDArray[np.uint8],
    result: NDArray[np.uint8],
    position: float,
    *,
    labels: tuple[str, str] = ("plate", "re-aged"),
) -> NDArray[np.uint8]:
    """Returns the plate left of the line and the result right of it, both labelled.

    The line lies at `position * width` exactly: its edges are anti-aliased, so that it glides.
    Labels belong to their pictures and are uncovered with them. At 0 and 1 there is no line.

    Args:
        plate: Display-referred, uint8, (H, W, 3).
        result: The same shape.
        position: 0 (only the result) to 1 (only the plate).
        labels: Of the plate, bottom left, and of the result, bottom right.

    Raises:
        ValueError: The pictures differ in shape, or `position` is outside 0-1.
    """
    if plate.shape != result.shape:
        raise ValueError(f"compose_wipe: result: got {result.shape}, expected {plate.shape}")
    if not 0.0 <= position <= 1.0:
        raise ValueError(f"compose_wipe: position: got {position}, expected 0-1")
    height, width = plate.shape[:2]
    at = position * width
    split = round(at)
    composed = result.copy()
    composed[:, :split] = plate[:, :split]
    size, baseline = max(round(height * 0.0295), 13), height * 0.95
    draw_text(composed[:, :split], labels[0], (width * 0.03, baseline), size=size, halo=0.62,
              colour=_LABEL, max_width=width * 0.44)  # fmt: skip
    draw_text(composed[:, split:], labels[1], (width * 0.97 - split, baseline), size=size,
              halo=0.62, colour=_LABEL, anchor="right", max_width=width * 0.44)  # fmt: skip
    if 0.0 < position < 1.0:
        _draw_line(composed, at, thickness=max(height / 430.0, 1.6))
    return composed


def wipe_position(share: float) -> float:
    """Returns where the line stands at `share` of the clip: plate, across to the result, and back.

    Eased at both ends (smootherstep: no jump in speed or acceleration) and held a moment there.

    Args:
        share: Time, 0-1.

    Returns:
        1 at the start and the end, 0 in the middle.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"wipe_position: share: got {share}, expected 0-1")
    toward_middle = 1.0 - abs(2.0 * share - 1.0)
    t = min(max((toward_middle - _HOLD_SHARE) / (1.0 - 2.0 * _HOLD_SHARE), 0.0), 1.0)
    return 1.0 - t * t * t * (t * (6.0 * t - 15.0) + 10.0)


def _draw_line(canvas: NDArray[np.uint8], at: float, *, thickness: float) -> None:
    """Blends a bright vertical line with a faint shadow about it, centred at `at` px."""
    width = canvas.shape[1]
    reach = int(np.ceil(4 * thickness))
    first, last = max(int(at) - reach, 0), min(int(at) + reach + 1, width)
    column = np.arange(first, last)
    distance = np.abs(column + 0.5 - at)
    right, left = np.minimum(column + 1, at + thickness / 2), np.maximum(column, at - thickness / 2)
    line = np.clip(right - left, 0.0, 1.0)  # how much of each column the line covers
    shadow = 0.35 * np.exp(-0.5 * (distance / (1.6 * thickness)) ** 2)
    window = canvas[:, first:last].astype(np.float32)
    window *= (1.0 - shadow)[None, :, None].astype(np.float32)
    window += line[None, :, None].astype(np.float32) * (_LINE_TONE - window)
    canvas[:, first:last] = np.rint(window).astype(np.uint8)
