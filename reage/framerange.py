"""Frame ranges in studio frame numbers: an inclusive pair, often starting at 1001.

A *frame number* is the studio's; an *index* is the 0-based position in memory.
`FrameRange.index_of` is the one place where the first becomes the second. Knows nothing of frame
rates or files.
"""

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import SupportsIndex

from reage.errors import FrameRangeError

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


@dataclass(frozen=True, order=True)
class FrameRange:
    """An inclusive range of frame numbers, never empty; ordered by first frame, then last.

    Attributes:
        first: Frame number of the first frame, at least 0.
        last: Frame number of the last frame, at least `first`.

    Raises:
        FrameRangeError: The range is reversed or starts below 0.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            object.__setattr__(self, name, _whole(getattr(self, name), name))
        if self.first < 0:
            raise FrameRangeError(f"frame range: first: got {self.first}, expected at least 0")
        if self.last < self.first:
            raise FrameRangeError(
                f"frame range: last: got {self.last}, expected at least first ({self.first})"
            )

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1))

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, SupportsIndex) and self.first <= int(frame) <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def index_of(self, frame: int) -> int:
        """Returns the 0-based position of a frame number in this range.

        Raises:
            FrameRangeError: `frame` is outside the range.
        """
        if not self.first <= frame <= self.last:
            raise FrameRangeError(f"frame range {self}: frame: got {frame}, expected one inside it")
        return frame - self.first

    def chunks(self, size: int) -> list["FrameRange"]:
        """Cuts the range into consecutive ranges of `size` frames; the last may be shorter."""
        if size < 1:
            raise FrameRangeError(
                f"frame range {self}: chunk size: got {size}, expected at least 1"
            )
        starts = range(self.first, self.last + 1, size)
        return [FrameRange(start, min(start + size - 1, self.last)) for start in starts]

    def with_handles(self, handles: int) -> "FrameRange":
        """Returns the range grown by `handles` frames on each side.

        Raises:
            FrameRangeError: `handles` is negative, or the range would start below frame 0.
        """
        if handles < 0:
            raise FrameRangeError(
                f"frame range {self}: handles: got {handles}, expected at least 0"
            )
        if handles > self.first:
            raise FrameRangeError(
                f"frame range {self}: handles: got {handles}, expected at most {self.first}, "
                "so that no frame number falls below 0"
            )
        return FrameRange(self.first - handles, self.last + handles)

    def overlaps(self, other: "FrameRange") -> bool:
        """Whether both ranges have a frame in common."""
        return self.first <= other.last and other.first <= self.last

    def intersection(self, other: "FrameRange") -> "FrameRange":
        """Returns the frames common to both ranges.

        Raises:
            FrameRangeError: They have no frame in common.
        """
        first, last = max(self.first, other.first), min(self.last, other.last)
        if last < first:
            raise FrameRangeError(
                f"frame range {self}: intersection: got {other}, expected a range that overlaps"
            )
        return FrameRange(first, last)

    @classmethod
    def parse(cls, text: str) -> "FrameRange":
        """Reads "1001-1080", or "1001" for one frame.

        Raises:
            FrameRangeError: The text has another form, or the range is reversed.
        """
        match = _RANGE.fullmatch(text.strip())
        if match is None:
            raise FrameRangeError(
                f"frame range: got {text!r}, expected first-last, for instance 1001-1080"
            )
        return cls(int(match[1]), int(match[2] or match[1]))


def _whole(value: object, name: str) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise FrameRangeError(
            f"frame range: {name}: got {value!r}, expected a whole number"
        ) from None
