"""Finds out what a plate is: size, rate, range, colour tags, timecode.

A movie's packets are all counted and their time stamps looked at, because headers give no frame
count for MXF and Matroska and the wrong rate for variable ones. Nothing but the first frame is
decoded.
"""

import logging
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video.exr_sequence import probe_exr_sequence
from reage.video.info import PlateInfo
from reage.video.opening import decoding_fault, open_movie, open_still, reason
from reage.video.planes import bits_of, has_alpha, is_float_format, is_rgb_format
from reage.video.sequence import (
    DEFAULT_RATE,
    EXTENSIONS,
    SequencePattern,
    assumed_rate,
    find_missing,
    is_pattern,
)
from reage.video.tags import ColourTags, resolve_tags
from reage.video.timing import Timeline, find_timeline

_log = logging.getLogger(__name__)


def probe(
    path: str | Path,
    *,
    first_frame: int = 1001,
    frame_rate: Fraction | None = None,
    frames: FrameRange | None = None,
) -> PlateInfo:
    """Describes a plate.

    Args:
        path: Local movie file, or image sequence pattern (`plate.%04d.exr`, `plate.####.exr`).
        first_frame: Studio number of a movie's first frame. An image sequence is numbered by its
            file names.
        frame_rate: What the manifest says. A movie must agree; an image sequence takes it, and
            without it has what its headers say, or 24 with a warning.
        frames: The frames that are meant; OpenEXR frames beyond them have no say in the canvas.
            All, when left out.

    Raises:
        PlateError: Not a plate, damaged, cut short, of variable frame rate, or of another rate.
    """
    path = Path(path)
    if is_pattern(path) and not path.is_file():
        return _probe_sequence(path, frame_rate, frames)
    return _probe_movie(path, first_frame, frame_rate)


def _probe_movie(path: Path, first_frame: int, frame_rate: Fraction | None) -> PlateInfo:
    timeline, count = _read_timeline(path)
    if frame_rate is not None and frame_rate != timeline.frame_rate:
        raise PlateError(
            f"{path}: frame rate: got {timeline.frame_rate}, expected {frame_rate} as the manifest "
            "says; correct the manifest or conform the plate"
        )
    with open_movie(path) as (container, stream):
        frame = _first_frame(path, container, stream)
        _warn_of_oddities(path, frame)
        rotation = frame.rotation % 360
        is_on_its_side = rotation in (90, 270)
        stored_aspect = stream.sample_aspect_ratio or Fraction(1)
        return PlateInfo(
            path=str(path),
            kind="movie",
            width=frame.height if is_on_its_side else frame.width,
            height=frame.width if is_on_its_side else frame.height,
            frame_rate=timeline.frame_rate,
            frames=FrameRange(first_frame, first_frame + count - 1),
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=frame.format.name,
            bit_depth=bits_of(frame.format),
            is_float=is_float_format(frame.format.name),
            tags=tags_of(frame, stream),
            timecode=_timecode(container),
            has_audio=bool(container.streams.audio),
            pixel_aspect=1 / stored_aspect if is_on_its_side else stored_aspect,
            rotation_deg=rotation,
            timeline=timeline,
        )


def _read_timeline(path: Path) -> tuple[Timeline, int]:
    """Finds frame rate and number of frames from all packets of a movie."""
    with open_movie(path) as (container, stream):
        stamps = _presentation_stamps(path, container, stream)
        claimed = [rate for rate in (stream.average_rate, stream.guessed_rate) if rate]
        assert stream.time_base is not None
        timeline = find_timeline(str(path), stamps, time_base=stream.time_base, claimed=claimed)
    return timeline, len(stamps)


def _presentation_stamps(path: Path, container: InputContainer, stream: VideoStream) -> list[int]:
    """Lists the time stamps of all shown frames, in rising order, ticks."""
    stamps: list[int | None] = []
    packets, end = 0, Fraction(0)
    frame_s = 1 / (stream.average_rate or stream.guessed_rate or DEFAULT_RATE)
    try:
        for packet in container.demux():
            if not packet.size:
                continue
            end = max(end, _end_of(packet, frame_s))
            if packet.stream_index != stream.index:
                continue
            packets += 1
            if packet.is_corrupt:
                raise _cut_short(path, packets, "a damaged packet")
            if not packet.is_discard:
                stamps.append(packet.pts if packet.pts is not None else packet.dts)
    except av.error.FFmpegError as error:
        raise _cut_short(path, packets + 1, reason(error)) from error
    if packets < stream.frames:
        raise _cut_short(path, packets + 1, f"the end of the file, {stream.frames} frames declared")
    _check_duration(path, container, packets, end=end, frame_s=frame_s)
    known = sorted(stamp for stamp in stamps if stamp is not None)
    if not known or len(known) < len(stamps):
        raise PlateError(
            f"{path}: time stamps: got {len(known)} for {len(stamps)} frames, expected one for "
            "each; rewrap the plate as mov or mkv"
        )
    return known


def _end_of(packet: av.Packet, frame_s: Fraction) -> Fraction:
    if packet.pts is None or packet.time_base is None:
        return Fraction(0)
    return packet.pts * packet.time_base + ((packet.duration or 0) * packet.time_base or frame_s)


def _check_duration(
    path: Path, container: InputContainer, packets: int, *, end: Fraction, frame_s: Fraction
) -> None:
    """Checks that a file is as long as its header says, where it declares no frame count."""
    if not {"matroska", "mxf"} & set(container.format.name.split(",")) or not container.duration:
        return
    declared = Fraction(container.duration, av.time_base)
    if end < declared - frame_s / 2:
        raise _cut_short(
            path, packets + 1, f"the end of the file, {float(declared):.3f} s declared"
        )


def _cut_short(path: Path, number: int, what: str) -> PlateError:
    return PlateError(
        f"{path}: frame {number} of the movie: got {what}, expected a whole frame; "
        "the file is damaged or cut short, copy it again"
    )


def _first_frame(path: Path, container: InputContainer, stream: VideoStream) -> av.VideoFrame:
    try:
        frame = next(iter(container.decode(stream)), None)
    except av.error.FFmpegError as error:
        raise _cut_short(path, 1, decoding_fault(error)) from error
    if frame is None:
        raise _cut_short(path, 1, "nothing that decodes")
    return frame


def tags_of(frame: av.VideoFrame, stream: VideoStream | None = None) -> ColourTags:
    """Resolves a frame's colour tags; what the frame leaves open, the stream may say."""

    def said(name: str, unspecified: int) -> int:
        value = int(getattr(frame, name))
        if value == unspecified and stream is not None:
            value = int(getattr(stream.codec_context, name))
        return value

    return resolve_tags(
        said("colorspace", 2),
        colour_range=said("color_range", 0),
        primaries=said("color_primaries", 2),
        transfer=said("color_trc", 2),
        is_rgb=is_rgb_format(frame.format),
        height=frame.height,
    )


def _timecode(container: InputContainer) -> str | None:
    places = [container.metadata, *(stream.metadata for stream in container.streams)]
    found = (text for place in places for key, text in place.items() if key.lower() == "timecode")
    return next(found, None)


def _warn_of_oddities(path: Path, frame: av.VideoFrame) -> None:
    if frame.interlaced_frame:
        _log.warning("plate is interlaced, fields are read as one frame path=%s", path)
    if has_alpha(frame.format):
        _log.warning("plate has an alpha channel, which is not carried path=%s", path)


def _probe_sequence(
    path: Path, frame_rate: Fraction | None, frames: FrameRange | None
) -> PlateInfo:
    pattern = SequencePattern.parse(path)
    if pattern.extension not in EXTENSIONS:
        raise PlateError(
            f"{path}: image sequence: got .{pattern.extension} files, "
            f"expected one of {', '.join(sorted(EXTENSIONS))}"
        )
    numbers = pattern.find_frames()
    if pattern.extension == "exr":
        return probe_exr_sequence(path, numbers, frame_rate=frame_rate, frames=frames)
    if frame_rate is None:
        frame_rate = assumed_rate(path)
    with open_still(pattern.path_of(numbers[0])) as (frame, stream):
        _warn_of_oddities(path, frame)
        return PlateInfo(
            path=str(path),
            kind="image_sequence",
            width=frame.width,
            height=frame.height,
            frame_rate=frame_rate,
            frames=FrameRange(numbers[0], numbers[-1]),
            codec=pattern.extension,
            pixel_format=frame.format.name,
            bit_depth=bits_of(frame.format),
            is_float=is_float_format(frame.format.name),
            tags=tags_of(frame),
            timecode=frame.metadata.get("timecode"),
            pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
            missing=find_missing(numbers),
        )
