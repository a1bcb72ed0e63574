"""Text on 8-bit pictures: slates, burn-ins, labels, captions.

Set in DejaVu, which ships inside matplotlib's wheel, so that nothing depends on the machine's
fonts. Knows nothing of what the words mean. Text may come from strangers: control characters become
spaces, and a line that does not fit is shortened with an ellipsis.

Positions are pixels; `y` is the baseline.
"""

import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]
Weight = Literal["regular", "bold", "mono"]
Anchor = Literal["left", "centre", "right"]

_FILES: dict[str, str] = {
    "regular": "DejaVuSans.ttf",
    "bold": "DejaVuSans-Bold.ttf",
    "mono": "DejaVuSansMono.ttf",
}


def text_width(text: str, *, size: int, weight: Weight = "regular", tracking: float = 0.0) -> float:
    """Returns the advance width in pixels; `tracking` is extra space between letters, in ems."""
    text = _printable(text)
    length = float(_font(size, weight).getlength(text))
    return length + max(len(text) - 1, 0) * tracking * size


def shortened(text: str, max_width: float, *, size: int, weight: Weight = "regular") -> str:
    """Returns the text, its end replaced by an ellipsis where it is wider than `max_width` px."""
    text = _printable(text)
    if text_width(text, size=size, weight=weight) <= max_width:
        return text
    while text and text_width(text + "…", size=size, weight=weight) > max_width:
        text = text[:-1]
    return text.rstrip() + "…"


def draw_text(
    canvas: NDArray[np.uint8],
    text: str,
    position: tuple[float, float],
    *,
    size: int,
    colour: Colour = (238, 238, 238),
    weight: Weight = "regular",
    anchor: Anchor = "left",
    tracking: float = 0.0,
    halo: float = 0.0,
    max_width: float | None = None,
) -> None:
    """Draws one line of text into `canvas`, in place; what falls outside is cut off.

    Args:
        canvas: uint8, (H, W, 3), RGB.
        text: The line.
        position: x of the anchor and y of the baseline, px.
        size: Em size, px.
        colour: RGB.
        weight: Which cut of the typeface.
        anchor: Which end of the line `position` names.
        tracking: Extra space between letters, ems.
        halo: Opacity 0-1 of a soft dark surround that keeps text legible over a picture.
        max_width: Where the line is shortened with an ellipsis, px.
    """
    if max_width is not None:
        text = shortened(text, max_width, size=size, weight=weight)
    mask, ascent, pad = _mask(_printable(text), size, weight, tracking)
    width = mask.shape[1] - 2 * pad
    x = position[0] - {"left": 0.0, "centre": width / 2, "right": float(width)}[anchor]
    corner = (round(x) - pad, round(position[1]) - ascent - pad)
    if halo > 0:
        _blend(canvas, _halo(_printable(text), size, weight, tracking) * halo, corner, (0, 0, 0))
    _blend(canvas, mask, corner, colour)


def draw_rectangle(
    canvas: NDArray[np.uint8], box: tuple[int, int, int, int], colour: Colour
) -> None:
    """Fills the box (left, top, right, bottom; ends excluded) in place."""
    left, top, right, bottom = (max(value, 0) for value in box)
    canvas[top:bottom, left:right] = colour


def canvas_of(width: int, height: int, colour: Colour) -> NDArray[np.uint8]:
    """Returns a new picture of one colour, uint8, (H, W, 3)."""
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = colour
    return canvas


def _printable(text: str) -> str:
    return "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in text)


@cache
def _font(size: int, weight: str) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / _FILES[weight]
    return ImageFont.truetype(str(path), max(size, 1), layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=256)
def _mask(
    text: str, size: int, weight: Weight, tracking: float
) -> tuple[NDArray[np.float32], int, int]:
    """Returns coverage (h, w) 0-1, the ascent, and the padding on each side, px."""
    font = _font(size, weight)
    ascent, descent = font.getmetrics()
    pad = max(size // 3, 2)
    width = int(np.ceil(text_width(text, size=size, weight=weight, tracking=tracking)))
    page = PillowImage.new("L", (width + 2 * pad, ascent + descent + 2 * pad))
    pen = ImageDraw.Draw(page)
    if tracking == 0.0:
        pen.text((pad, pad), text, fill=255, font=font)
    else:
        x = float(pad)
        for letter in text:
            pen.text((x, pad), letter, fill=255, font=font)
            x += font.getlength(letter) + tracking * size
    coverage = np.asarray(page, np.float32) / np.float32(255)
    coverage.flags.writeable = False
    return coverage, ascent, pad


@lru_cache(maxsize=256)
def _halo(text: str, size: int, weight: Weight, tracking: float) -> NDArray[np.float32]:
    mask, _, _ = _mask(text, size, weight, tracking)
    spread = cv2.GaussianBlur(mask, (0, 0), max(size * 0.11, 0.8))
    return np.minimum(spread * 2.2, 1.0)


def _blend(
    canvas: NDArray[np.uint8], mask: NDArray[np.float32], corner: tuple[int, int], colour: Colour
) -> None:
    left, top = corner
    height, width = canvas.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    coverage = mask[y0 - top : y1 - top, x0 - left : x1 - left, None]
    window = canvas[y0:y1, x0:x1]
    blended = window + coverage * (np.asarray(colour, np.float32) - window)
    window[:] = np.rint(blended).astype(np.uint8)
