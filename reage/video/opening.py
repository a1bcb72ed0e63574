"""Opens movies and stills with FFmpeg, local files only; its complaints become sentences."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from reage.errors import PlateError
from reage.video.sequence import suggest_pattern

# Containers with time stamps and pixels of their own. Playlists (hls, concat, dash, imf) are left
# out: they would make FFmpeg open whatever they name.
MOVIE_CONTAINERS = frozenset(
    {"mov", "mp4", "matroska", "webm", "mxf", "mxf_opatom", "avi", "mpegts", "nut", "mpeg", "asf",
     "ogg", "gxf", "lxf"}
)  # fmt: skip

# Of the numbers that come with an undecoded frame, those that speak of the machine.
_OF_THE_MACHINE = frozenset({errno.EIO, errno.ENOMEM, errno.ESTALE})


def check_is_file(path: Path) -> None:
    """Checks that a path is a file with something in it.

    Raises:
        PlateError: It is missing, a folder, or empty.
    """
    if path.is_dir():
        pattern = suggest_pattern(path)
        cure = f"; give the pattern {pattern}" if pattern else ""
        raise PlateError(
            f"{path}: plate: got a folder, expected a movie or an image sequence pattern{cure}"
        )
    if not path.is_file():
        raise PlateError(f"{path}: plate: got no such file, expected a movie")
    if path.stat().st_size == 0:
        raise PlateError(f"{path}: plate: got an empty file (0 bytes), expected a movie")


@contextmanager
def open_movie(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Opens a movie and its first video stream, decoding with all threads.

    Raises:
        PlateError: Not a file, not a movie, or a movie without pictures.
    """
    check_is_file(path)
    try:
        container = av.open(os.path.abspath(path), options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError) as error:
        raise PlateError(
            f"{path}: plate: got a file that cannot be opened ({reason(error)}), "
            "expected a whole movie"
        ) from error
    with container:
        names = set(container.format.name.split(","))
        if not names & MOVIE_CONTAINERS:
            raise PlateError(
                f"{path}: plate: got a {container.format.name} file, expected a movie (mov, mp4, "
                "mkv, mxf, avi); an image sequence is given as a pattern such as plate.%04d.png"
            )
        streams = [s for s in container.streams.video if not _is_cover_art(s)]
        if not streams:
            raise PlateError(f"{path}: plate: got no video stream, expected one")
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


@contextmanager
def open_still(path: Path) -> Iterator[tuple[av.VideoFrame, VideoStream]]:
    """Decodes one file of an image sequence; the stream says what the frame does not.

    Raises:
        PlateError: Not a file, or not a picture.
    """
    check_is_file(path)
    options = {"pattern_type": "none", "protocol_whitelist": "file"}
    try:
        with av.open(os.path.abspath(path), format="image2", options=options) as container:
            if not container.streams.video:
                raise PlateError(f"{path}: frame: got no picture, expected one")
            frame = next(container.decode(container.streams.video[0]), None)
            if frame is None or frame.is_corrupt:
                raise PlateError(f"{path}: frame: got a damaged picture, expected a whole one")
            yield frame, container.streams.video[0]
    except (av.error.FFmpegError, OSError) as error:
        raise PlateError(
            f"{path}: frame: got a file that cannot be decoded ({reason(error)}), "
            "expected a whole picture"
        ) from error


def _is_cover_art(stream: VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def reason(error: BaseException) -> str:
    """Returns what FFmpeg or the system says, in a few words and without the path."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text)[:120]


def decoding_fault(error: av.error.FFmpegError) -> str:
    """Returns what was got instead of a frame, in a few words.

    Decoders answer damaged data with numbers of their own, which FFmpeg puts in the system's words:
    -1 becomes "Operation not permitted". Such words are kept where disk or memory failed.
    """
    return reason(error) if error.errno in _OF_THE_MACHINE else "a frame that does not decode"
