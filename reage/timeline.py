"""A delivered version beside its plate as an OpenTimelineIO timeline, for review players.

Two tracks of one clip each, the version above the plate, cut to the same frames; frames that
quality control would have looked at are marked. The version's files are named relative to the
timeline, which lies beside them, so that a copied delivery still plays.

The one door to OpenTimelineIO. Source: opentimelineio.readthedocs.io, "Timeline structure".
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from reage.errors import StorageError
from reage.framerange import FrameRange
from reage.video.sequence import SequencePattern, is_pattern
from reage.video.timing import frames_from_midnight


@dataclass(frozen=True, kw_only=True)
class Medium:
    """A movie or an image sequence that a player opens.

    Attributes:
        name: What the clip is called.
        place: A URI, or a path relative to the timeline; of an image sequence its pattern.
        frames: All frames that it has.
        timecode: Of the first of them; None without.
    """

    name: str
    place: str
    frames: FrameRange
    timecode: str | None = None


def write_timeline(
    path: Path,
    *,
    name: str,
    frames: FrameRange,
    frame_rate: Fraction,
    plate: Medium,
    version: Medium,
    marks: Sequence[tuple[int, str]] = (),
) -> None:
    """Writes a timeline: whole, or not at all.

    Args:
        path: `.otio`.
        name: Of the timeline.
        frames: Those to show, in both media.
        frame_rate: Frames a second.
        plate: Of the lower track.
        version: Of the upper track.
        marks: Frame numbers and why they are worth a look.

    Raises:
        PlateError: A medium's timecode is none.
        StorageError: It cannot be written.
    """
    timeline = otio.schema.Timeline(name)
    if plate.timecode is not None:
        offset = _frames(frames.first - plate.frames.first, frame_rate)
        timeline.global_start_time = _start_of(plate, frame_rate) + offset
    for kind, medium in (("plate", plate), ("version", version)):
        clip = _clip(medium, frames, frame_rate)
        if kind == "version":
            clip.markers.extend(_mark(clip, frames, number, why) for number, why in marks)
        timeline.tracks.append(
            otio.schema.Track(kind, children=[clip], kind=otio.schema.TrackKind.Video)
        )
    text = otio.adapters.write_to_string(timeline, "otio_json")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise StorageError(
            f"{path}: writing: got {error.strerror}, expected to write the whole file; "
            "nothing of it was kept, make room or choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _clip(medium: Medium, frames: FrameRange, rate: Fraction) -> Any:
    offset = _frames(frames.first - medium.frames.first, rate)
    return otio.schema.Clip(
        name=medium.name,
        media_reference=_reference(medium, rate),
        source_range=otio.opentime.TimeRange(
            _start_of(medium, rate) + offset, _frames(len(frames), rate)
        ),
        metadata={"reage": {"first_frame": frames.first, "last_frame": frames.last}},
    )


def _reference(medium: Medium, rate: Fraction) -> Any:
    available = otio.opentime.TimeRange(_start_of(medium, rate), _frames(len(medium.frames), rate))
    if not is_pattern(medium.place):
        return otio.schema.ExternalReference(medium.place, available_range=available)
    folder, _, name = medium.place.rpartition("/")
    pattern = SequencePattern.parse(name)
    return otio.schema.ImageSequenceReference(
        target_url_base=f"{folder}/" if folder else "",
        name_prefix=pattern.head,
        name_suffix=pattern.tail,
        start_frame=medium.frames.first,
        rate=float(rate),
        frame_zero_padding=pattern.padding,
        available_range=available,
    )


def _start_of(medium: Medium, rate: Fraction) -> Any:
    """Returns where a medium's own time begins: its frame number, its timecode, or 0."""
    if is_pattern(medium.place):
        return _frames(medium.frames.first, rate)
    if medium.timecode is None:
        return _frames(0, rate)
    return _frames(frames_from_midnight(medium.timecode, frame_rate=rate), rate)


def _mark(clip: Any, frames: FrameRange, number: int, why: str) -> Any:
    start = clip.source_range.start_time + _frames(
        frames.index_of(number), clip.source_range.duration.rate
    )
    return otio.schema.Marker(
        name=str(number),
        marked_range=otio.opentime.TimeRange(start, _frames(1, start.rate)),
        color=otio.schema.MarkerColor.ORANGE,
        comment=why,
    )


def _frames(count: int, rate: Fraction | float) -> Any:
    return otio.opentime.RationalTime(count, float(rate))
