"""Reads frames by studio frame number, as float32 images, one at a time.

Memory does not grow with the shot: frames are yielded and forgotten. A movie is entered at the
keyframe before the first frame asked for and decoded from there, so frame numbers are exact.
"""

import logging
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.image import Image
from reage.video.exr_sequence import read_exr_pixels
from reage.video.info import PlateInfo
from reage.video.opening import decoding_fault, open_movie, open_still
from reage.video.planes import pixels_from_frame
from reage.video.sequence import SequencePattern, check_no_frame_missing
from reage.video.timing import Timeline

_log = logging.getLogger(__name__)


def read_frames(
    info: PlateInfo, frames: FrameRange, *, colourspace: str, exposure: float = 0.0
) -> Iterator[tuple[int, Image]]:
    """Reads a range of a plate, in order.

    Args:
        info: From `probe`.
        frames: Studio frame numbers, within `info.frames`.
        colourspace: What the plate's numbers mean; this and the next go into the images.
        exposure: Stops by which the images are to be brightened where they are looked at.

    Returns:
        Frame numbers and images. The plate is closed when the iterator ends or is closed.

    Raises:
        PlateError: At once: the plate has not all of these frames. While reading: a frame cannot
            be decoded, the movie ends too early, or a frame is of another size.
    """
    if frames.first < info.frames.first or frames.last > info.frames.last:
        raise PlateError(
            f"{info.path}: frames: got {frames} asked for, expected within {info.frames}"
        )
    check_no_frame_missing(info.path, frames, missing=info.missing)
    read = _read_sequence if info.kind == "image_sequence" else _read_movie
    images = read(info, frames, colourspace)
    return images if exposure == 0 else _exposed(images, exposure)


def _exposed(
    images: Generator[tuple[int, Image], None, None], exposure: float
) -> Iterator[tuple[int, Image]]:
    with closing(images):
        for number, image in images:
            yield number, replace(image, exposure=exposure)


def _read_sequence(
    info: PlateInfo, frames: FrameRange, colourspace: str
) -> Generator[tuple[int, Image], None, None]:
    pattern = SequencePattern.parse(info.path)
    for number in frames:
        path = pattern.path_of(number)
        if info.canvas is not None:
            yield number, Image(read_exr_pixels(info, number, path), colourspace, None)
            continue
        with open_still(path) as (frame, _):
            yield number, _image(info, frame, number, colourspace=colourspace)


def _read_movie(
    info: PlateInfo, frames: FrameRange, colourspace: str
) -> Generator[tuple[int, Image], None, None]:
    assert info.timeline is not None
    expected = info.frames.index_of(frames.first)
    with _decoding_from(info, expected) as decoded:
        while expected <= info.frames.index_of(frames.last):
            number = info.frames.first + expected
            try:
                frame = next(decoded, None)
            except av.error.FFmpegError as error:
                raise _undecodable(info, number, decoding_fault(error)) from error
            if frame is None:
                raise _undecodable(info, number, "the end of the movie")
            index = _index_of(info.timeline, frame, otherwise=expected)
            if index < expected:
                continue
            if index > expected or frame.is_corrupt:
                raise _undecodable(info, number, "damaged data")
            yield number, _image(info, frame, number, colourspace=colourspace)
            expected += 1


@contextmanager
def _decoding_from(info: PlateInfo, index: int) -> Iterator[Iterator[av.VideoFrame]]:
    """Decodes from the keyframe at or before a frame; from the start where seeking overshoots."""
    assert info.timeline is not None
    with ExitStack() as stack:
        container, stream = stack.enter_context(open_movie(Path(info.path)))
        if index == 0:
            yield iter(container.decode(stream))
            return
        container.seek(info.timeline.ticks_of(index), stream=stream, backward=True)
        frames = iter(container.decode(stream))
        try:
            head = next(frames, None)
        except av.error.FFmpegError as error:
            number = info.frames.first + index
            raise _undecodable(info, number, decoding_fault(error)) from error
        if head is not None and _index_of(info.timeline, head, otherwise=index + 1) <= index:
            yield chain([head], frames)
            return
        _log.info("seek overshot, decoding from the start path=%s", info.path)
        stack.close()
        container, stream = stack.enter_context(open_movie(Path(info.path)))
        yield iter(container.decode(stream))


def _index_of(timeline: Timeline, frame: av.VideoFrame, *, otherwise: int) -> int:
    return otherwise if frame.pts is None else timeline.index_at(frame.pts)


def _undecodable(info: PlateInfo, number: int, what: str) -> PlateError:
    return PlateError(
        f"{info.path}: frame {number}: got {what}, expected a frame that decodes; "
        "the file is damaged or cut short, copy it again"
    )


def _image(info: PlateInfo, frame: av.VideoFrame, number: int, *, colourspace: str) -> Image:
    try:
        pixels = pixels_from_frame(frame, info.tags)
    except PlateError as error:
        raise PlateError(f"{info.path}: frame {number}: {error}") from error
    if info.rotation_deg:
        pixels = _turned(pixels, info.rotation_deg)
    if pixels.shape[:2] != (info.height, info.width):
        raise PlateError(
            f"{info.path}: frame {number}: size: got {pixels.shape[1]}x{pixels.shape[0]}, "
            f"expected {info.width}x{info.height} as the first frame"
        )
    return Image(pixels, colourspace, None if info.is_float else info.bit_depth)


def _turned(pixels: NDArray[np.float32], rotation_deg: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.rot90(pixels, rotation_deg // 90))
