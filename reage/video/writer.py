"""Opens a writer for a movie or an image sequence by the name of its format."""

from fractions import Fraction
from pathlib import Path

from reage.colour import find_colourspace
from reage.video.exr_sequence import ExrWriter
from reage.video.formats import (
    MOVIE_FORMATS,
    ODD_WIDTH_FORMATS,
    STILL_FORMATS,
    MovieFormat,
)
from reage.video.info import PlateInfo
from reage.video.movie_writer import MovieWriter
from reage.video.still_writer import StillWriter

FrameWriter = MovieWriter | StillWriter | ExrWriter


def open_writer(
    path: str | Path,
    *,
    format: str,
    width: int,
    height: int,
    frame_rate: Fraction,
    timecode: str | None = None,
    audio_from: PlateInfo | None = None,
    colourspace: str = "rec709",
    pixel_aspect: Fraction = Fraction(1),
) -> FrameWriter:
    """Opens a movie or an image sequence for writing; to be used in a `with`.

    A movie appears under its name when the `with` ends well, and not at all otherwise; frames of
    an image sequence appear one by one, each whole.

    Args:
        path: Movie file, or image sequence pattern (`%04d` or `####`).
        format: prores4444, prores422hq, dnxhr_hqx, h264, ffv1; or png16, tiff16, exr.
        width: Columns, px. H.264 repeats the last column and row of an odd size.
        height: Rows, px.
        frame_rate: Frames a second; this, timecode and pixel aspect for movies and exr only.
        timecode: Of the first frame written.
        audio_from: The plate whose sound goes along, in step with its frame numbers.
        colourspace: Of the images to come; movies take encoded ones, as rec709 or a camera's log.
        pixel_aspect: Width of a pixel over its height.

    Raises:
        ValueError: No such format.
        ColourError: No such colourspace, or a linear one for a movie.
        PlateError: Pattern, timecode or size is unfit; some sizes show on entering only.
        StorageError: On entering or writing: the file cannot be written.
    """
    find_colourspace(colourspace)
    path, size = Path(path), {"width": width, "height": height}
    if format == "exr":
        return ExrWriter(
            path,
            width=width,
            height=height,
            colourspace=colourspace,
            frame_rate=Fraction(frame_rate),
            timecode=timecode,
            pixel_aspect=pixel_aspect,
        )
    if format in STILL_FORMATS:
        return StillWriter(path, STILL_FORMATS[format], **size, colourspace=colourspace)
    return MovieWriter(
        path,
        _find_movie_format(format, width),
        **size,
        frame_rate=Fraction(frame_rate),
        timecode=timecode,
        audio_from=audio_from,
        colourspace=colourspace,
        pixel_aspect=pixel_aspect,
    )


def _find_movie_format(name: str, width: int) -> MovieFormat:
    if name not in MOVIE_FORMATS:
        known = ", ".join([*MOVIE_FORMATS, *STILL_FORMATS, "exr"])
        raise ValueError(f"open_writer: format: got {name!r}, expected one of {known}")
    layout = MOVIE_FORMATS[name]
    return ODD_WIDTH_FORMATS.get(name, layout) if width % 2 else layout
