"""Writes movies: all of a file or none of it.

A movie grows under a temporary name beside its own, is counted when it is closed, and takes its
name only then. Matrix, range, primaries and transfer are BT.709, made by our own arithmetic and
written into the stream; of a camera's log, which H.273 has no number for, only matrix and range.
"""

import logging
import os
import secrets
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from reage.colour import find_colourspace
from reage.errors import ColourError, PlateError, StorageError
from reage.video.audio import SoundTrack
from reage.video.formats import MovieFormat
from reage.video.info import PlateInfo
from reage.video.opening import reason
from reage.video.pictures import Picture, as_floats, as_uint16, check_picture
from reage.video.planes import frame_from_codes, frame_from_pixels, grown
from reage.video.timing import advance_timecode

_log = logging.getLogger(__name__)

_TRANSFERS = {"rec709": ColorTrc.BT709, "srgb": ColorTrc.IEC61966_2_1}


def partial_path(path: Path) -> Path:
    """Makes up a hidden name beside a file's own, for while it is being written."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")


def storage_error(path: Path, error: BaseException) -> StorageError:
    """Says that a file could not be written, and why."""
    return StorageError(
        f"{path}: writing: got {reason(error)}, expected to write the whole file; "
        "nothing of it was kept, make room or choose another place"
    )


def make_folder(path: Path) -> None:
    """Makes the folder that a file goes to.

    Raises:
        StorageError: It cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error


class MovieWriter:
    """One movie being written; made by `open_writer`, used in a `with`."""

    def __init__(
        self,
        path: Path,
        layout: MovieFormat,
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        timecode: str | None,
        audio_from: PlateInfo | None,
        colourspace: str,
        pixel_aspect: Fraction,
    ) -> None:
        if find_colourspace(colourspace).is_linear:
            raise ColourError(
                f"{path}: colourspace: got {colourspace!r}, expected an encoded one for a movie; "
                "write an EXR sequence or convert with to_display"
            )
        if layout.pixel_format.startswith("yuv422") and width % 2:
            raise PlateError(
                f"{path}: width: got {width}, expected an even one for 4:2:2; write prores4444"
            )
        if timecode is not None:
            advance_timecode(timecode, 0, frame_rate=frame_rate)  # refuses what is none
        self._path, self._layout = path, layout
        self._size, self._colourspace = (width, height), colourspace
        self._frame_rate, self._timecode = frame_rate, timecode
        self._pixel_aspect, self._audio_from = pixel_aspect, audio_from
        is_known = colourspace in _TRANSFERS
        self._primaries = ColorPrimaries.BT709 if is_known else ColorPrimaries.UNSPECIFIED
        self._first: int | None = None
        self._count = 0
        self._sound: SoundTrack | None = None
        self._container: av.container.OutputContainer | None = None

    def __enter__(self) -> Self:
        make_folder(self._path)
        self._partial = partial_path(self._path)
        try:
            self._container = self._open_container()
            self._stream = self._add_video()
            if self._audio_from is not None and self._audio_from.has_audio:
                self._sound = SoundTrack(
                    self._audio_from, self._container, accepted=self._layout.sound
                )
        except BaseException as error:
            self._discard()
            if isinstance(error, (av.error.FFmpegError, OSError)):
                raise storage_error(self._path, error) from error
            raise
        return self

    def _open_container(self) -> av.container.OutputContainer:
        options = {"fflags": "+bitexact", **self._layout.container_options}
        container = av.open(
            os.path.abspath(self._partial),
            "w",
            format=self._layout.container,
            container_options=options,
        )
        if self._timecode is not None:
            container.metadata["timecode"] = self._timecode
        return container

    def _add_video(self) -> Any:
        assert self._container is not None
        stream: Any = self._container.add_stream(
            self._layout.codec, rate=self._frame_rate, options=dict(self._layout.options)
        )
        context = stream.codec_context
        is_rgb = self._layout.pixel_format.startswith("gbr")
        width, height = self._size
        if self._layout.pixel_format.startswith("yuv420"):
            width, height = width + width % 2, height + height % 2
        stream.width, stream.height = width, height
        stream.pix_fmt = self._layout.pixel_format
        context.time_base = 1 / self._frame_rate
        context.thread_type = "AUTO"
        context.flags |= av.codec.context.Flags.bitexact
        context.color_primaries = self._primaries
        context.color_trc = _TRANSFERS.get(self._colourspace, ColorTrc.UNSPECIFIED)
        context.color_range = ColorRange.JPEG if is_rgb else ColorRange.MPEG
        context.colorspace = 0 if is_rgb else Colorspace.ITU709
        if self._pixel_aspect != 1:
            context.sample_aspect_ratio = self._pixel_aspect
        try:
            context.open()
        except (av.error.FFmpegError, OSError) as error:
            raise PlateError(
                f"{self._path}: size: got {width}x{height}, expected one that "
                f"{self._layout.codec} takes ({reason(error)})"
            ) from error
        return stream

    def write(self, frame: int, picture: Picture) -> None:
        """Adds the next frame.

        Args:
            frame: Studio frame number; each is one more than the last.
            picture: An image in the writer's colourspace, or (H, W, 3) codes, uint8 or uint16.

        Raises:
            ValueError: Out of order, or of another size.
            ColourError: In another colourspace.
            StorageError: The file cannot grow.
        """
        width, height = self._size
        check_picture(
            self._path, picture, width=width, height=height, colourspace=self._colourspace
        )
        if self._first is None:
            self._first = frame
            if self._sound is not None:
                self._sound.start_at(frame)
        if frame != self._first + self._count:
            raise ValueError(
                f"{self._path}: frame: got {frame}, expected {self._first + self._count}"
            )
        encoded = self._encoded(picture)
        encoded.pts = self._count
        encoded.time_base = 1 / self._frame_rate
        self._count += 1
        self._mux(encoded)

    def _encoded(self, picture: Picture) -> av.VideoFrame:
        if self._layout.pixel_format == "gbrp16le":
            return frame_from_codes(as_uint16(picture), "gbrp16le")
        width, height = self._stream.width, self._stream.height
        pixels = grown(as_floats(picture), height=height, width=width)
        frame = frame_from_pixels(pixels, self._layout.pixel_format)
        frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
        frame.color_primaries = self._primaries
        frame.color_trc = _TRANSFERS.get(self._colourspace, ColorTrc.UNSPECIFIED)
        return frame

    def _mux(self, frame: av.VideoFrame | None) -> None:
        assert self._container is not None
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
            if self._sound is not None:
                self._sound.feed_until(self._count / self._frame_rate)
        except (av.error.FFmpegError, OSError) as error:
            raise storage_error(self._path, error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    def _finish(self) -> None:
        if self._count == 0:
            raise ValueError(f"{self._path}: frames: got 0 written, expected at least 1")
        assert self._container is not None
        self._mux(None)
        try:
            if self._sound is not None:
                self._sound.finish()
            self._container.close()
            self._container = None
            self._check_whole()
            os.replace(self._partial, self._path)
        except (av.error.FFmpegError, OSError) as error:
            if isinstance(error, StorageError):
                raise
            raise storage_error(self._path, error) from error
        _log.info("wrote movie path=%s frames=%d", self._path, self._count)

    def _check_whole(self) -> None:
        """Counts the frames in the file: a full disk is not always reported to the writer."""
        with av.open(os.path.abspath(self._partial)) as written:
            packets = written.demux(written.streams.video[0])
            count = sum(1 for packet in packets if packet.size and not packet.is_corrupt)
        if count != self._count:
            raise StorageError(
                f"{self._path}: writing: got {count} frames in the file, expected {self._count}; "
                "nothing of it was kept, make room or choose another place"
            )

    def _discard(self) -> None:
        """Closes everything and removes the partial file, if there still is one."""
        if self._sound is not None:
            self._sound.close()
            self._sound = None
        if self._container is not None:
            container, self._container = self._container, None
            try:
                container.close()
            except (av.error.FFmpegError, OSError) as error:
                _log.debug("abandoned movie did not close path=%s why=%s", self._path, error)
        self._partial.unlink(missing_ok=True)
