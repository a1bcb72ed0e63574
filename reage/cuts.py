"""Hard cuts inside a plate: where one take ends and another begins.

Two pictures are of different takes when neither what is drawn in them nor their colours agree, and
most of the picture is another. A pan moves the drawing and keeps the colours, a change of exposure
keeps the drawing, and brightness is evened out; who steps into the picture leaves most of it. A
flash of a few frames is no cut, as the picture comes back after it; so a take is longer than that.
A dissolve is not found.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST_FLASH = 4  # frames
_SIZE = (48, 27)  # of thumbnails, px
_LIGHT = 3.0  # deviation of light and shade in them, px
_FLAT = 2e-3  # deviation of a drawing in which there is none
_SHIFT = (6, 4)  # px by which a pan may move them
_SAME_DRAWING = 0.8  # within takes at least 0.85, between takes of one set at most 0.79
_SAME_COLOURS = 0.16  # within takes at most 0.12, between takes of one set at least 0.20

_SAME_COLOUR = 0.06  # of a pixel, display units
_SAME_PLACES = 0.66  # share of the picture; between takes of one set at most 0.63

Picture = NDArray[np.uint8]
Thumbnail = NDArray[np.float32]


def marked_takes(frames: Iterable[tuple[int, Picture]]) -> Iterator[tuple[int, Picture, bool]]:
    """Yields every frame, and whether it begins a take; the first one does.

    Holds `LONGEST_FLASH` frames.

    Args:
        frames: Frame numbers with RGB uint8 (H, W, 3) pictures of one size.
    """
    calm: Thumbnail | None = None
    coming = iter(frames)
    held = deque((*frame, thumbnail(frame[1])) for frame in islice(coming, LONGEST_FLASH + 1))
    while held:
        number, picture, look = held.popleft()
        goes_on = calm is not None and not is_cut(calm, look)
        is_flash = calm is not None and any(not is_cut(calm, later) for *_, later in held)
        yield number, picture, not (goes_on or is_flash)
        if goes_on or not is_flash:
            calm = look
        held.extend((*frame, thumbnail(frame[1])) for frame in islice(coming, 1))


def is_cut(before: Thumbnail, after: Thumbnail) -> bool:
    """Whether two thumbnails are from different takes."""
    gain = float(before.mean()) / max(float(after.mean()), 1e-3)
    evened = np.clip(after * np.float32(gain), 0.0, 1.0)
    return (
        _drawing_kept(before, after) < _SAME_DRAWING
        and _colours_apart(before, evened) > _SAME_COLOURS
        and float((np.abs(before - evened).max(axis=2) < _SAME_COLOUR).mean()) < _SAME_PLACES
    )


def thumbnail(display: Picture) -> Thumbnail:
    """Returns a small version of a picture, (27, 48, 3), 0-1, to tell cuts by."""
    small = cv2.resize(display, _SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255.0


def _drawing_kept(before: Thumbnail, after: Thumbnail) -> float:
    """Correlation of what is drawn, less light and shade, at the best shift."""
    across, down = _SHIFT
    first, second = (_drawing(look) for look in (before, after))
    if float(second.std()) < _FLAT:
        return float(first.std() < _FLAT)
    middle = np.ascontiguousarray(second[down:-down, across:-across])
    shifted = cv2.matchTemplate(first, middle, cv2.TM_CCOEFF_NORMED)
    energy = float(np.sqrt(np.square(first).sum() * np.square(second).sum()))
    unshifted = float((first * second).sum()) / max(energy, 1e-9)
    return max(unshifted, float(shifted.max()))


def _drawing(look: Thumbnail) -> Thumbnail:
    grey = look.mean(axis=2)
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), _LIGHT), np.float32)


def _colours_apart(before: Thumbnail, after: Thumbnail) -> float:
    """Hellinger distance of the colours, 0-1."""
    overlap = float(np.sqrt(_colours(before) * _colours(after)).sum())
    return float(np.sqrt(max(0.0, 1.0 - overlap)))


def _colours(look: Thumbnail) -> NDArray[np.float64]:
    bins, _ = np.histogramdd(look.reshape(-1, 3), bins=6, range=[(0, 1)] * 3)
    return bins / bins.sum()
