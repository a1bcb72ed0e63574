"""Writes image sequences, one whole file a frame: encoded in memory, then renamed into place."""

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from reage.errors import PlateError
from reage.video.formats import StillFormat
from reage.video.movie_writer import make_folder, partial_path, storage_error
from reage.video.pictures import Picture, as_uint16, check_picture
from reage.video.planes import frame_from_codes
from reage.video.sequence import SequencePattern


class StillWriter:
    """One image sequence being written; made by `open_writer`, used in a `with`.

    16-bit codes arrive in the files bit for bit; others are clipped at 0 and 1.
    """

    def __init__(
        self, path: Path, layout: StillFormat, *, width: int, height: int, colourspace: str
    ) -> None:
        self._pattern = SequencePattern.parse(path)
        if self._pattern.extension not in layout.extensions:
            raise PlateError(
                f"{path}: extension: got .{self._pattern.extension}, "
                f"expected .{sorted(layout.extensions)[0]}"
            )
        self._layout, self._size, self._colourspace = layout, (width, height), colourspace

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
        path = self._pattern.path_of(frame)
        width, height = self._size
        check_picture(path, picture, width=width, height=height, colourspace=self._colourspace)
        content = self._file_content(picture)
        partial = partial_path(path)
        try:
            partial.write_bytes(content)
            os.replace(partial, path)
        except OSError as error:
            raise storage_error(path, error) from error
        finally:
            partial.unlink(missing_ok=True)

    def _file_content(self, picture: Picture) -> bytes:
        frame = frame_from_codes(as_uint16(picture), self._layout.pixel_format)
        frame.pts = 0
        context = av.CodecContext.create(self._layout.codec, "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height = self._size
        context.pix_fmt = self._layout.pixel_format
        context.time_base = Fraction(1, 24)
        context.options = dict(self._layout.options)
        packets = [*context.encode(frame), *context.encode(None)]
        return b"".join(bytes(packet) for packet in packets)
