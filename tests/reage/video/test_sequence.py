from pathlib import Path

import pytest

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video.sequence import (
    SequencePattern,
    check_no_frame_missing,
    find_missing,
    is_pattern,
    suggest_pattern,
)


@pytest.mark.parametrize("text", ["x/plate.%04d.exr", "x/plate.####.exr"])
def test_pattern_spellings_name_the_same_files(text):
    assert SequencePattern.parse(text).path_of(42) == Path("x/plate.0042.exr")


def test_pattern_numbers_may_outgrow_their_padding(tmp_path):
    for name in ("p.9999.png", "p.10000.png", "p.09999.png", "p.x.png", "pp.9998.png"):
        (tmp_path / name).touch()
    assert SequencePattern.parse(tmp_path / "p.####.png").find_frames() == [9999, 10000]


def test_pattern_takes_regular_expression_characters_literally(tmp_path):
    for name in ("a+b(1).0001.png", "aab(1).0002.png"):
        (tmp_path / name).touch()
    assert SequencePattern.parse(tmp_path / "a+b(1).%04d.png").find_frames() == [1]


@pytest.mark.parametrize("name", ["plate.exr", "a.##.####.exr"])
def test_pattern_refuses_other_than_one_number_field(name):
    with pytest.raises(PlateError, match=r"number field: got \d in the file name, expected one"):
        SequencePattern.parse(name)


def test_pattern_names_empty_and_absent_folders(tmp_path):
    with pytest.raises(PlateError, match=r"image sequence p\.####\.exr: got no file"):
        SequencePattern.parse(tmp_path / "p.%04d.exr").find_frames()
    with pytest.raises(PlateError, match="expected one that can be listed"):
        SequencePattern.parse(tmp_path / "nowhere" / "p.%04d.exr").find_frames()


def test_missing_frame_is_named_when_asked_for():
    missing = find_missing([1001, 1002, 1005, 1006])
    assert missing == (1003, 1004)
    check_no_frame_missing("plate", FrameRange(1005, 1006), missing=missing)
    with pytest.raises(
        PlateError, match=r"plate: frame 1003 is missing \(and 1 more\): got 2 of 4"
    ):
        check_no_frame_missing("plate", FrameRange(1002, 1005), missing=missing)


def test_is_pattern_looks_at_the_file_name_only():
    assert is_pattern("a/b.%04d.png")
    assert not is_pattern("a.####/b.mov")


def test_suggest_pattern_finds_the_first_numbered_picture(tmp_path):
    assert suggest_pattern(tmp_path) is None
    (tmp_path / "bg.1001.exr").touch()
    assert suggest_pattern(tmp_path) == str(tmp_path / "bg.####.exr")
