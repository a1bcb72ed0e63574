"""Two movies of one shot beside one another, labelled: what a change of settings does."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.errors import PlateError
from reage.lettering import draw_text
from reage.video import open_writer, probe, read_frames

_LABEL = (246, 246, 246)


def write_side_by_side(left: Path, right: Path, target: Path, *, labels: tuple[str, str]) -> None:
    """Writes an H.264 clip of two movies, frame by frame.

    Args:
        left: A movie.
        right: Of the same size, rate and length.
        target: `.mp4`; appears whole or not at all.
        labels: Of the left and the right picture.

    Raises:
        PlateError: A movie cannot be read, or the two do not belong together.
        StorageError: The clip cannot be written.
    """
    first, second = probe(left), probe(right)
    sizes = [(i.width, i.height, i.frame_rate, len(i.frames)) for i in (first, second)]
    if sizes[0] != sizes[1]:
        raise PlateError(
            f"{right}: got {sizes[1]}, expected width, height, rate and length {sizes[0]} of "
            f"{left.name}"
        )
    writer = open_writer(
        target,
        format="h264",
        width=2 * first.width,
        height=first.height,
        frame_rate=first.frame_rate,
    )
    pairs = zip(
        read_frames(first, first.frames, colourspace="rec709"),
        read_frames(second, second.frames, colourspace="rec709"),
        strict=True,
    )
    with writer:
        for (frame, one), (_, other) in pairs:
            joined = np.concatenate([one.to_uint8(), other.to_uint8()], axis=1)
            for index, label in enumerate(labels):
                _label(joined, label, index * first.width, first.height)
            writer.write(frame, joined)


def _label(canvas: NDArray[np.uint8], text: str, left: int, height: int) -> None:
    size = max(round(height * 0.0295), 13)
    place = (left + height * 0.04, height * 0.95)
    draw_text(canvas, text, place, size=size, halo=0.62, colour=_LABEL)
