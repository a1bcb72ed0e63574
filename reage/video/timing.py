"""Constant frame rates out of time stamps, and timecode arithmetic.

Container headers lie about variable frame rates, so a rate is believed only when every time stamp
agrees with it. Source: SMPTE ST 12-1 (drop-frame counting).
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from reage.errors import PlateError

STANDARD_RATES = tuple(
    Fraction(rate)
    for rate in (
        "24000/1001", "24", "25", "30000/1001", "30", "48000/1001", "48", "50",
        "60000/1001", "60", "100", "120000/1001", "120", "12", "15",
    )
)  # fmt: skip
_SAME_RATE = Fraction(1, 100_000)
_TIMECODE = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})")


@dataclass(frozen=True, slots=True)
class Timeline:
    """Which time stamp belongs to which frame of a movie.

    Attributes:
        frame_rate: Frames a second.
        time_base: Seconds a tick.
        start_ticks: Time stamp of the first frame.
    """

    frame_rate: Fraction
    time_base: Fraction
    start_ticks: int

    @property
    def ticks_per_frame(self) -> Fraction:
        """Ticks from one frame to the next; need not be whole."""
        return 1 / (self.frame_rate * self.time_base)

    def ticks_of(self, index: int) -> int:
        """Returns the nearest whole time stamp of a frame, index from 0."""
        return self.start_ticks + round(index * self.ticks_per_frame)

    def index_at(self, ticks: int) -> int:
        """Returns the index of the frame whose time stamp is nearest."""
        return round((ticks - self.start_ticks) / self.ticks_per_frame)


def find_timeline(
    place: str, stamps: list[int], *, time_base: Fraction, claimed: list[Fraction]
) -> Timeline:
    """Finds the one frame rate that every time stamp agrees with.

    Args:
        place: For errors.
        stamps: Presentation time stamps in rising order, ticks; at least one.
        time_base: Seconds a tick.
        claimed: Rates that the container names, tried before the standard ones.

    Raises:
        PlateError: The frame rate is variable, or single frames are missing from it.
    """
    count = len(stamps) - 1
    if count and stamps[-1] > stamps[0]:
        claimed = [*claimed, Fraction(count) / ((stamps[-1] - stamps[0]) * time_base)]
    for rate in _candidates(claimed):
        timeline = Timeline(rate, time_base, stamps[0])
        if _agrees(timeline, stamps):
            return timeline
    raise _uneven(place, stamps, time_base)


def _candidates(claimed: list[Fraction]) -> list[Fraction]:
    """Puts rates in the order of belief.

    Containers that store a frame's duration in ns claim 19001/317 for 60000/1001, so a standard
    rate that near a claim goes first; then the claims; then the other standard ones, nearest first.
    """
    meant = [s for rate in claimed for s in STANDARD_RATES if abs(s / rate - 1) < _SAME_RATE]
    last = claimed[-1] if claimed else STANDARD_RATES[0]
    return [*meant, *claimed[:-1], *sorted(STANDARD_RATES, key=lambda s: abs(s - last)), last]


def _agrees(timeline: Timeline, stamps: list[int]) -> bool:
    """Whether every stamp is within one tick (two roundings) of its place.

    Where a tick is coarse against a frame, one tick would let anything through: none is allowed.
    """
    step = timeline.ticks_per_frame
    tolerance = 1.01 if step >= 4 else 0.01
    ideal, first = float(step), stamps[0]
    return all(abs(stamp - first - i * ideal) <= tolerance for i, stamp in enumerate(stamps))


def _uneven(place: str, stamps: list[int], time_base: Fraction) -> PlateError:
    steps = [after - before for before, after in pairwise(stamps)]
    usual = sorted(steps)[len(steps) // 2]
    tick = 1 if usual >= 4 else 0
    gaps = [i for i, step in enumerate(steps) if usual and round(step / usual) > 1]
    if gaps and all(abs(s - usual * max(1, round(s / usual))) <= tick for s in steps):
        index = gaps[0]
        return PlateError(
            f"{place}: frames are missing after the first {index + 1}: got a gap of "
            f"{float(steps[index] * time_base):.4f} s, expected {float(usual * time_base):.4f} s; "
            "conform the plate to a constant frame rate"
        )
    shortest, longest = (float(step * time_base) for step in (min(steps), max(steps)))
    return PlateError(
        f"{place}: variable frame rate: got frames {shortest:.4f} to {longest:.4f} s apart, "
        "expected a constant frame rate; conform the plate first"
    )


def advance_timecode(timecode: str, frames: int, *, frame_rate: Fraction) -> str:
    """Counts on from a timecode, drop-frame where it is written with `;`.

    Args:
        timecode: HH:MM:SS:FF or HH:MM:SS;FF.
        frames: To count on; may be negative.
        frame_rate: 24000/1001 counts as 24, and so on.

    Raises:
        PlateError: The text is not a timecode.
    """
    per_second = round(frame_rate)
    dropped = _dropped(_matched(timecode), per_second)
    per_ten_minutes = per_second * 600 - 9 * dropped
    count = frames_from_midnight(timecode, frame_rate=frame_rate) + frames
    count %= per_ten_minutes * 144
    if dropped:
        count = _relabelled(count, per_second, dropped, per_ten_minutes)
    whole, label = divmod(count, per_second)
    digits = 3 if per_second > 100 else 2
    separator = ";" if dropped else ":"
    return (
        f"{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        f"{separator}{label:0{digits}d}"
    )


def frames_from_midnight(timecode: str, *, frame_rate: Fraction) -> int:
    """Counts the frames from 00:00:00:00 to a timecode; `advance_timecode` is the inverse.

    Args:
        timecode: HH:MM:SS:FF or HH:MM:SS;FF, drop-frame where `advance_timecode` takes it so.
        frame_rate: 24000/1001 counts as 24, and so on.

    Raises:
        PlateError: The text is not a timecode.
    """
    match = _matched(timecode)
    hours, minutes, seconds, last = int(match[1]), int(match[2]), int(match[3]), int(match[5])
    per_second = round(frame_rate)
    total_minutes = hours * 60 + minutes
    skipped = _dropped(match, per_second) * (total_minutes - total_minutes // 10)
    return (total_minutes * 60 + seconds) * per_second + last - skipped


def _matched(timecode: str) -> re.Match[str]:
    match = _TIMECODE.fullmatch(timecode)
    if match is None:
        raise PlateError(f"timecode: got {timecode!r}, expected HH:MM:SS:FF")
    return match


def _dropped(match: re.Match[str], per_second: int) -> int:
    """Returns how many labels nine minutes of ten skip: 0 where a timecode is not drop-frame."""
    return per_second // 15 if match[4] in ";." and per_second % 30 == 0 else 0


def _relabelled(count: int, per_second: int, dropped: int, per_ten_minutes: int) -> int:
    """Adds the labels that drop-frame skips before a frame count."""
    tens, rest = divmod(count, per_ten_minutes)
    skipped = 9 * dropped * tens
    if rest >= dropped:
        skipped += dropped * ((rest - dropped) // (per_second * 60 - dropped))
    return count + skipped
