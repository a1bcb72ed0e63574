"""A shot whose motion is known: one photograph moved, turned and scaled under fresh grain.

Its change can be moved by the very same motion: what a meter of flicker still sees in that is the
meter's own error, the floor that a real shot cannot go below.

Shapes: T frames, H W pixels.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.colour import luma, to_display
from reage.flicker import FlickerMeter
from reage.geometry import Similarity
from reage.image import Image
from reage.video import open_writer

Pixels = NDArray[np.float32]

WIDTH, HEIGHT = 960, 720
_GRAIN = 0.006  # deviation, display units
_SEED = 4


def motion_at(index: int) -> NDArray[np.float64]:
    """Returns what takes the photograph to frame `index`, (2, 3), of its own pixels' size."""
    angle = np.radians(2.5 * np.sin(index / 9))
    scale = 1.0 + 0.03 * np.sin(index / 14)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    middle = np.array([WIDTH, HEIGHT]) / 2
    linear = np.array([[cosine, -sine], [sine, cosine]])
    drift = np.array([14 * np.sin(index / 7), 6 * np.sin(index / 11)])
    return np.column_stack([linear, middle - linear @ middle + drift])


def moved(picture: Pixels, index: int) -> Pixels:
    """Returns the picture (H, W, C) as it lies in frame `index`."""
    flags, border = cv2.INTER_LANCZOS4, cv2.BORDER_REFLECT_101
    shape = (WIDTH, HEIGHT)
    return np.asarray(
        cv2.warpAffine(picture, motion_at(index), shape, flags=flags, borderMode=border),
        np.float32,
    )


def grained_frames(still: Pixels, count: int) -> Iterator[Pixels]:
    """Yields `count` frames of the moved still, (H, W, 3), display-referred, each its own grain."""
    for index in range(count):
        rng = np.random.default_rng([_SEED, index])
        grain = cv2.GaussianBlur(rng.normal(0, _GRAIN, still.shape).astype(np.float32), (0, 0), 0.6)
        yield moved(still, index) + grain


def write_moving_still(photograph: NDArray[np.uint8], path: Path, *, num_frames: int) -> Pixels:
    """Writes the shot as ProRes; returns the still, float32 (H, W, 3), 0-1."""
    scale = HEIGHT / photograph.shape[0]
    left = (WIDTH - scale * photograph.shape[1]) / 2
    place = np.array([[scale, 0.0, left], [0.0, scale, 0.0]])
    flags, border = cv2.INTER_CUBIC, cv2.BORDER_REFLECT_101
    laid = cv2.warpAffine(photograph, place, (WIDTH, HEIGHT), flags=flags, borderMode=border)
    still = laid.astype(np.float32) / 255
    rate = Fraction(24)
    with open_writer(path, format="prores4444", width=WIDTH, height=HEIGHT, frame_rate=rate) as out:
        for number, frame in enumerate(grained_frames(still, num_frames), start=1001):
            out.write(number, np.rint(frame.clip(0, 1) * 65535).astype(np.uint16))
    return still


def true_residual(shot: Iterable[tuple[Image, Image, Pixels]]) -> float:
    """Returns the change's residual when moved by the motion that is known, not by optical flow.

    Args:
        shot: Plate, result and matte (H, W) of each frame, from the first on.
    """
    before: Pixels | None = None
    found = []
    for index, (plate, result, matte) in enumerate(shot):
        change = luma(to_display(result)) - luma(to_display(plate))
        if before is not None:
            way = Similarity(motion_at(index)) @ Similarity(motion_at(index - 1)).inverse()
            fetched = cv2.warpAffine(before, way.matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
            found.append(float((np.abs(change - fetched) * matte).sum() / matte.sum()))
        before = np.ascontiguousarray(change, np.float32)
    return float(np.mean(found))


def floor_of(plate: Image, result: Image, matte: Pixels, *, num_frames: int) -> dict[str, float]:
    """Returns the flicker of a change that follows the known motion exactly.

    Args:
        plate: The first frame, whose motion is none.
        result: The same, re-aged.
        matte: Its matte, (H, W).
        num_frames: T.
    """
    change = to_display(result) - to_display(plate)
    meter, found = FlickerMeter(), []
    still = to_display(plate)
    for index, frame in enumerate(grained_frames(still, num_frames)):
        aged = frame + moved(change, index)
        before, after = luma(frame), luma(aged)
        found.append(meter.push(index, before, after, moved(matte, index).clip(0, 1)))
    names = ("plate_residual", "output_residual", "change_residual", "excess")
    return {name: float(np.mean([getattr(f, name) for f in found[1:]])) for name in names}
