"""OpenEXR image sequences: described, read onto one canvas, and written frame by frame.

Data windows may differ from frame to frame and from the display window. Images are the smallest
rectangle that holds them all, so that a face keeps its coordinates; a frame written from a plate's
has that frame's own windows again.
"""

import logging
from collections.abc import Mapping
from fractions import Fraction
from functools import reduce
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reage.errors import PlateError
from reage.exr import (
    ExrFrame,
    new_frame,
    read_exr,
    read_exr_windows,
    timing_attributes,
    write_exr,
)
from reage.framerange import FrameRange
from reage.geometry import Roi
from reage.image import Image
from reage.video.info import PlateInfo
from reage.video.movie_writer import make_folder
from reage.video.pictures import Picture, as_floats, check_picture
from reage.video.sequence import SequencePattern, assumed_rate, find_missing
from reage.video.tags import ColourTags
from reage.video.timing import advance_timecode

_log = logging.getLogger(__name__)


def probe_exr_sequence(
    path: Path, numbers: list[int], *, frame_rate: Fraction | None, frames: FrameRange | None
) -> PlateInfo:
    """Describes an OpenEXR sequence from its first frame and the headers of those that are meant.

    Args:
        path: Pattern.
        numbers: Frame numbers on disk, in order.
        frame_rate: What the manifest says; the headers' own when it says nothing.
        frames: Those that are meant; all when None.

    Raises:
        PlateError: A file is not whole or has no picture.
    """
    pattern = SequencePattern.parse(path)
    meant = [number for number in numbers if frames is None or number in frames] or numbers[:1]
    first = read_exr(pattern.path_of(meant[0]))
    display = first.picture.windows.display
    windows = [read_exr_windows(pattern.path_of(number)).data for number in meant]
    canvas = reduce(Roi.joined, windows, display)
    return PlateInfo(
        path=str(path),
        kind="image_sequence",
        width=canvas.width,
        height=canvas.height,
        frame_rate=_rate_of(path, first, frame_rate),
        frames=FrameRange(numbers[0], numbers[-1]),
        codec=pattern.extension,
        pixel_format="gbrpf16le" if first.is_half else "gbrpf32le",
        bit_depth=16 if first.is_half else 32,
        is_float=True,
        tags=ColourTags("rgb", "full", "unspecified", "unspecified", ("range",)),
        timecode=_timecode_of_first(path, first, meant[0] - numbers[0], frame_rate),
        missing=find_missing(numbers),
        pixel_aspect=first.pixel_aspect,
        canvas=canvas,
        display_window=display,
    )


def read_exr_pixels(info: PlateInfo, number: int, path: Path) -> NDArray[np.float32]:
    """Reads one frame onto the canvas, float32, (info.height, info.width, 3).

    Raises:
        PlateError: The file is not whole, or its display window is another.
    """
    assert info.canvas is not None
    frame = read_exr(path)
    display = frame.picture.windows.display
    if display != info.display_window:
        raise PlateError(
            f"{info.path}: frame {number}: size: got a display window of {_in_words(display)}, "
            f"expected {_in_words(info.display_window)} as the first frame"
        )
    return frame.pixels(info.canvas)


def _rate_of(path: Path, first: ExrFrame, frame_rate: Fraction | None) -> Fraction:
    stated = first.frame_rate
    if frame_rate is None:
        return stated or assumed_rate(path)
    if stated is not None and stated != frame_rate:
        _log.warning("headers say %s fps, the manifest %s path=%s", stated, frame_rate, path)
    return frame_rate


def _timecode_of_first(
    path: Path, frame: ExrFrame, offset: int, frame_rate: Fraction | None
) -> str | None:
    """Returns the timecode of the sequence's first frame, counted back from another's."""
    if frame.timecode is None:
        return None
    rate = frame_rate or frame.frame_rate or Fraction(24)
    return advance_timecode(frame.timecode, -offset, frame_rate=rate)


def _in_words(window: Roi | None) -> str:
    assert window is not None
    return f"{window.width}x{window.height} at {window.left}, {window.top}"


class ExrWriter:
    """An OpenEXR sequence being written, each file whole or not at all; used in a `with`.

    Args:
        path: Pattern.
        width: Columns of the images to come, px.
        height: Rows, px.
        colourspace: Of the images to come.
        frame_rate: Frames a second.
        timecode: Of the first frame written; None for none.
        pixel_aspect: Width of a pixel over its height.
        is_half: Half floats; where there is a `source`, its own kind of float is kept instead.
        source: An OpenEXR plate, whose windows, channels, parts and attributes go along.
        attributes: Written into every file, text by name.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        colourspace: str,
        frame_rate: Fraction,
        timecode: str | None = None,
        pixel_aspect: Fraction = Fraction(1),
        is_half: bool = False,
        source: PlateInfo | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        self._pattern = SequencePattern.parse(path)
        if self._pattern.extension != "exr":
            raise PlateError(f"{path}: extension: got .{self._pattern.extension}, expected .exr")
        self._size, self._colourspace = (width, height), colourspace
        self._frame_rate, self._timecode = frame_rate, timecode
        self._pixel_aspect, self._is_half = pixel_aspect, is_half
        self._source = None if source is None or source.canvas is None else source
        self._attributes = dict(attributes or {})
        self._first: int | None = None

    def __enter__(self) -> Self:
        make_folder(self._pattern.path_of(0))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves finished frames in place; there are no others."""

    def write(self, frame: int, picture: Picture) -> None:
        """Writes the file of one frame number; any order; an existing file is replaced.

        Raises:
            ValueError: Of another size.
            ColourError: In another colourspace.
            StorageError: The file cannot be written.
        """
        path = self._checked(frame, picture)
        plain = new_frame(
            as_floats(picture), is_half=self._is_half, pixel_aspect=self._pixel_aspect
        )
        write_exr(path, plain.with_attributes(self._header(frame, plain)))

    def write_change(
        self, frame: int, result: Image, *, plate: Image, matte: NDArray[np.float32]
    ) -> None:
        """Writes a plate's frame with a changed picture, its matte and what was added.

        Args:
            frame: Frame number.
            result: The changed picture.
            plate: As read.
            matte: float32, (H, W), 0-1; where it is 0 the plate's own pixels are kept.

        Raises:
            ValueError: Of another size.
            ColourError: In another colourspace.
            PlateError: The plate's file cannot be read again.
            StorageError: The file cannot be written.
        """
        path = self._checked(frame, result)
        if self._source is None:
            canvas = Roi(0, 0, *self._size)
            base = new_frame(plate.pixels, is_half=self._is_half, pixel_aspect=self._pixel_aspect)
        else:
            assert self._source.canvas is not None
            canvas = self._source.canvas
            base = read_exr(SequencePattern.parse(self._source.path).path_of(frame))
        changed = base.with_change(result.pixels, plate=plate.pixels, matte=matte, canvas=canvas)
        write_exr(path, changed.with_attributes(self._header(frame, base)))

    def _checked(self, frame: int, picture: Picture) -> Path:
        self._first = frame if self._first is None else self._first
        path, (width, height) = self._pattern.path_of(frame), self._size
        check_picture(path, picture, width=width, height=height, colourspace=self._colourspace)
        return path

    def _header(self, frame: int, base: ExrFrame) -> dict[str, object]:
        """Returns the attributes to add; those of time only where the plate's file has none."""
        assert self._first is not None
        timecode = self._timecode
        if timecode is not None:
            timecode = advance_timecode(timecode, frame - self._first, frame_rate=self._frame_rate)
        timing = timing_attributes(self._frame_rate, timecode)
        known = base.picture.header
        return {**{n: v for n, v in timing.items() if n not in known}, **self._attributes}
