from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reage.errors import FrameRangeError, ReageError
from reage.framerange import FrameRange

patiently = settings(deadline=None, max_examples=100)  # machines differ, and are shared

ranges = st.tuples(st.integers(0, 5000), st.integers(0, 500)).map(
    lambda pair: FrameRange(pair[0], pair[0] + pair[1])
)


@patiently
@given(ranges)
def test_frame_range_text_reads_back_as_itself(frames):
    assert FrameRange.parse(str(frames)) == frames


@patiently
@given(ranges, st.integers(1, 80))
def test_chunks_joined_are_the_range_and_none_is_longer_than_asked(frames, size):
    chunks = frames.chunks(size)
    assert [frame for chunk in chunks for frame in chunk] == list(frames)
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert len(chunks[-1]) <= size
    assert all(after.first == before.last + 1 for before, after in pairwise(chunks))


@patiently
@given(ranges)
def test_index_of_counts_the_range_from_zero(frames):
    assert [frames.index_of(frame) for frame in frames] == list(range(len(frames)))
    for outside in (frames.first - 1, frames.last + 1):
        assert outside not in frames
        with pytest.raises(FrameRangeError, match=f"got {outside}, expected one inside it"):
            frames.index_of(outside)


@patiently
@given(ranges, st.integers(0, 20))
def test_handles_grow_both_sides_or_are_refused_below_frame_zero(frames, handles):
    if handles > frames.first:
        with pytest.raises(FrameRangeError, match=f"expected at most {frames.first}"):
            frames.with_handles(handles)
    else:
        grown = frames.with_handles(handles)
        assert len(grown) == len(frames) + 2 * handles
        assert grown.intersection(frames) == frames


@patiently
@given(ranges, ranges)
def test_intersection_is_what_both_contain(one, other):
    common = set(one) & set(other)
    if common:
        assert set(one.intersection(other)) == common
        assert one.intersection(other) == other.intersection(one)
    else:
        with pytest.raises(FrameRangeError, match="expected a range that overlaps"):
            one.intersection(other)


def test_ranges_sort_by_first_frame_then_last():
    assert sorted([FrameRange(5, 6), FrameRange(1, 9), FrameRange(1, 2)]) == [
        FrameRange(1, 2),
        FrameRange(1, 9),
        FrameRange(5, 6),
    ]


def test_one_frame_may_be_written_alone():
    assert FrameRange.parse(" 1001 ") == FrameRange(1001, 1001)


def test_numpy_frame_numbers_count_as_frame_numbers():
    frames = FrameRange(np.int64(1001), np.int64(1004))
    assert frames == FrameRange(1001, 1004)
    assert type(frames.first) is int
    assert np.int64(1002) in frames
    assert "1002" not in frames


@pytest.mark.parametrize("text", ["", "1001-", "-5", "1001-1080-2", "1e3", "1001–1080", "٣-٤"])
def test_parse_refuses_other_forms_and_shows_the_right_one(text):
    with pytest.raises(FrameRangeError, match="expected first-last, for instance 1001-1080"):
        FrameRange.parse(text)


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (10, 9, r"frame range: last: got 9, expected at least first \(10\)"),
        (-1, 9, "frame range: first: got -1, expected at least 0"),
        (1.0, 9, "frame range: first: got 1.0, expected a whole number"),
        (1, True, "frame range: last: got True, expected a whole number"),
    ],
)
def test_impossible_ranges_say_what_is_wrong(first, last, sentence):
    with pytest.raises(FrameRangeError, match=f"^{sentence}$") as caught:
        FrameRange(first, last)
    assert isinstance(caught.value, ReageError)
    assert isinstance(caught.value, ValueError)


def test_chunks_of_nothing_are_refused():
    with pytest.raises(FrameRangeError, match="chunk size: got 0, expected at least 1"):
        FrameRange(1, 2).chunks(0)


def test_ranges_overlap_when_they_have_a_frame_in_common():
    middle = FrameRange(1005, 1008)
    assert middle.overlaps(FrameRange(1008, 1009))
    assert middle.overlaps(FrameRange(1001, 1005))
    assert middle.overlaps(FrameRange(1001, 1020))
    assert not middle.overlaps(FrameRange(1009, 1010))
    assert not middle.overlaps(FrameRange(1001, 1004))
