from dataclasses import replace
from fractions import Fraction

import opentimelineio as otio
import pytest

from reage.errors import StorageError
from reage.framerange import FrameRange
from reage.timeline import Medium, write_timeline
from reage.video.timing import STANDARD_RATES, frames_from_midnight

RATE = Fraction(24000, 1001)
SHOT = FrameRange(1009, 1020)
PLATE = Medium(
    name="plate", place="file:///p/bg.mov", frames=FrameRange(1001, 1100), timecode="10:00:00:00"
)
VERSION = Medium(name="v003", place="sh_reage_v003.mov", frames=SHOT, timecode="10:00:00:08")


def written(path, **changes):
    settings = {"frames": SHOT, "frame_rate": RATE, "plate": PLATE, "version": VERSION, **changes}
    write_timeline(path, name="sq010_sh0040 v003", **settings)
    timeline = otio.adapters.read_from_file(str(path), "otio_json")
    return timeline, *(next(iter(track)) for track in timeline.tracks)


def test_both_tracks_show_the_same_frames_at_the_plates_timecode(tmp_path):
    timeline, plate, version = written(tmp_path / "t.otio")
    assert [track.name for track in timeline.tracks] == ["plate", "version"]
    assert otio.opentime.to_timecode(timeline.global_start_time) == "10:00:00:08"
    for clip in (plate, version):
        assert otio.opentime.to_timecode(clip.source_range.start_time) == "10:00:00:08"
        assert clip.source_range.duration.to_frames() == len(SHOT)
        available = clip.media_reference.available_range
        assert available.start_time <= clip.source_range.start_time
        assert available.end_time_exclusive() >= clip.source_range.end_time_exclusive()
        assert clip.source_range.start_time.rate == float(RATE)


@pytest.mark.parametrize("timecode", ["10:00:59:10", "10:00:59;10"])
@pytest.mark.parametrize("rate", STANDARD_RATES)
def test_both_tracks_begin_at_the_plates_timecode_at_every_rate(tmp_path, rate, timecode):
    medium = replace(PLATE, timecode=timecode)
    start = frames_from_midnight(timecode, frame_rate=rate)
    timeline, plate, _ = written(tmp_path / "t.otio", frame_rate=rate, plate=medium)
    assert timeline.global_start_time.to_frames() == start + 8
    assert plate.source_range.start_time.to_frames() == start + 8
    assert plate.media_reference.available_range.start_time.to_frames() == start
    assert plate.source_range.start_time.rate == float(rate)


@pytest.mark.parametrize(
    "timecode,rates",
    [
        ("10:07:59:10", [r for r in STANDARD_RATES if 23 < r <= 60]),
        ("10:07:59;10", [Fraction(30000, 1001), Fraction(60000, 1001)]),
    ],
)
def test_timecode_begins_where_otio_says_it_does_at_rates_that_it_knows(tmp_path, timecode, rates):
    for rate in rates:
        _, plate, _ = written(
            tmp_path / "t.otio", frame_rate=rate, plate=replace(PLATE, timecode=timecode)
        )
        start = plate.media_reference.available_range.start_time
        assert start == otio.opentime.from_timecode(timecode, float(rate))


def test_movie_without_timecode_begins_at_zero(tmp_path):
    bare = Medium(name="plate", place="file:///p/bg.mov", frames=FrameRange(1001, 1100))
    timeline, plate, _ = written(tmp_path / "t.otio", plate=bare)
    assert timeline.global_start_time is None
    assert plate.source_range.start_time.to_frames() == 8


def test_image_sequences_are_named_frame_by_frame(tmp_path):
    frames = Medium(name="v003", place="reage/sh_reage_v003.%04d.exr", frames=SHOT)
    _, _, version = written(tmp_path / "t.otio", version=frames)
    reference = version.media_reference
    assert reference.target_url_for_image_number(0) == "reage/sh_reage_v003.1009.exr"
    assert reference.number_of_images_in_sequence() == len(SHOT)
    assert version.source_range.start_time.to_frames() == 1009


def test_marks_lie_on_their_frames_with_their_reason(tmp_path):
    _, _, version = written(tmp_path / "t.otio", marks=[(1012, "age 40 for 70")])
    [mark] = version.markers
    offset = mark.marked_range.start_time - version.source_range.start_time
    assert (offset.to_frames(), mark.name, mark.comment) == (3, "1012", "age 40 for 70")


def test_timeline_that_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "t.otio").mkdir()
    with pytest.raises(StorageError, match=r"t\.otio: writing: got Is a directory, expected"):
        written(tmp_path / "t.otio")
    assert [path.name for path in tmp_path.iterdir()] == ["t.otio"]
