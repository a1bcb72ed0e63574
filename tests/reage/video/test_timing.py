from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reage.errors import PlateError
from reage.video.timing import (
    STANDARD_RATES,
    Timeline,
    advance_timecode,
    find_timeline,
    frames_from_midnight,
)

MILLISECOND = Fraction(1, 1000)


def stamps_of(rate, count, *, time_base=MILLISECOND, start=0):
    timeline = Timeline(rate, time_base, start)
    return [timeline.ticks_of(i) for i in range(count)]


@pytest.mark.parametrize("rate", STANDARD_RATES)
def test_find_timeline_sees_the_rate_through_millisecond_rounding(rate):
    found = find_timeline("p", stamps_of(rate, 200, start=83), time_base=MILLISECOND, claimed=[])
    assert found == Timeline(rate, MILLISECOND, 83)


def test_find_timeline_keeps_an_unusual_rate_exactly():
    stamps = [7 + 360 * i for i in range(50)]
    found = find_timeline("p", stamps, time_base=Fraction(1, 6000), claimed=[])
    assert found.frame_rate == Fraction(50, 3)


def test_find_timeline_takes_a_rounded_claim_for_the_standard_rate():
    stamps = stamps_of(Fraction(60000, 1001), 12)
    found = find_timeline("p", stamps, time_base=MILLISECOND, claimed=[Fraction(19001, 317)])
    assert found.frame_rate == Fraction(60000, 1001)


def test_find_timeline_does_not_believe_a_false_claim():
    stamps = stamps_of(Fraction(25), 40)
    found = find_timeline("p", stamps, time_base=MILLISECOND, claimed=[Fraction(120)])
    assert found.frame_rate == 25


def test_find_timeline_names_variable_rate():
    with pytest.raises(PlateError, match=r"p: variable frame rate: got frames 0\.0200 to 0\.0670"):
        find_timeline("p", [0, 40, 60, 127, 160], time_base=MILLISECOND, claimed=[Fraction(25)])


def test_find_timeline_tells_missing_frames_from_variable_rate():
    stamps = stamps_of(Fraction(24), 20)
    del stamps[5]
    with pytest.raises(PlateError, match="p: frames are missing after the first 5"):
        find_timeline("p", stamps, time_base=MILLISECOND, claimed=[])


def test_find_timeline_sees_jitter_through_a_coarse_clock():
    with pytest.raises(PlateError, match="variable frame rate"):
        find_timeline("p", [0, 1, 3, 4, 6], time_base=Fraction(1, 30), claimed=[Fraction(20)])


@given(st.sampled_from(STANDARD_RATES), st.integers(0, 100_000), st.integers(-5000, 5000))
def test_timeline_index_inverts_ticks(rate, index, start):
    timeline = Timeline(rate, MILLISECOND, start)
    assert timeline.index_at(timeline.ticks_of(index)) == index


@pytest.mark.parametrize(
    "timecode,frames,rate,expected",
    [
        ("01:00:00:00", 24, "24000/1001", "01:00:01:00"),
        ("23:59:59:23", 1, "24", "00:00:00:00"),
        ("00:00:00:00", -1, "25", "23:59:59:24"),
        ("00:00:59;29", 1, "30000/1001", "00:01:00;02"),  # drop-frame skips labels 0 and 1
        ("00:09:59;29", 1, "30000/1001", "00:10:00;00"),  # but not every tenth minute
        ("00:00:59:29", 1, "30000/1001", "00:01:00:00"),
        ("00:00:59;59", 1, "60000/1001", "00:01:00;04"),
    ],
)
def test_advance_timecode_counts_on(timecode, frames, rate, expected):
    assert advance_timecode(timecode, frames, frame_rate=Fraction(rate)) == expected


@given(st.integers(-50_000, 3_000_000), st.integers(-50_000, 50_000))
def test_advance_timecode_adds_up_in_drop_frame(first, second):
    rate = Fraction(30000, 1001)
    there = advance_timecode("00:00:00;00", first, frame_rate=rate)
    assert advance_timecode(there, second, frame_rate=rate) == advance_timecode(
        "00:00:00;00", first + second, frame_rate=rate
    )


def test_timecode_functions_refuse_other_text():
    sentence = "timecode: got '1h', expected HH:MM:SS:FF"
    with pytest.raises(PlateError, match=sentence):
        advance_timecode("1h", 0, frame_rate=Fraction(24))
    with pytest.raises(PlateError, match=sentence):
        frames_from_midnight("1h", frame_rate=Fraction(24))


@given(
    st.sampled_from([*STANDARD_RATES, Fraction(50, 3)]),
    st.sampled_from(":;."),
    st.integers(0, 12 * 86_400 - 1),  # a day at the lowest of the rates
)
def test_frames_from_midnight_inverts_counting_on(rate, separator, count):
    label = advance_timecode(f"00:00:00{separator}00", count, frame_rate=rate)
    assert frames_from_midnight(label, frame_rate=rate) == count


@pytest.mark.parametrize("separator", [":", ";"])
@pytest.mark.parametrize("rate", STANDARD_RATES)
def test_frames_from_midnight_ends_where_the_day_does(rate, separator):
    midnight = advance_timecode(f"00:00:00{separator}00", 0, frame_rate=rate)
    last = advance_timecode(midnight, -1, frame_rate=rate)
    day = frames_from_midnight(last, frame_rate=rate) + 1
    assert last.startswith("23:59:59")
    assert advance_timecode(midnight, day, frame_rate=rate) == midnight


@pytest.mark.parametrize(
    "timecode,rate,expected",
    [
        ("01:00:00:00", "24000/1001", 86_400),
        ("01:00:00;00", "25", 90_000),  # nothing is dropped at rates that need it not
        ("01:00:00;00", "30000/1001", 107_892),
        ("01:00:00:00", "30000/1001", 108_000),
        ("00:01:00;08", "120000/1001", 7200),
        ("00:00:01:119", "120", 239),
        ("00:00:01:14", "15", 29),
    ],
)
def test_frames_from_midnight_counts_what_a_timecode_says(timecode, rate, expected):
    assert frames_from_midnight(timecode, frame_rate=Fraction(rate)) == expected
