"""Image sequences: `plate.%04d.exr` or `plate.####.exr`, one file a frame, numbered by its name.

Knows nothing of what is inside the files.
"""

import logging
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from reage.errors import PlateError
from reage.framerange import FrameRange

_log = logging.getLogger(__name__)

DEFAULT_RATE = Fraction(24)
_NUMBER_FIELD = re.compile(r"%(?:0(\d+))?d|#+")
EXTENSIONS = frozenset({"png", "tif", "tiff", "dpx", "exr"})


@dataclass(frozen=True, slots=True)
class SequencePattern:
    """Where the frames of an image sequence lie.

    Attributes:
        folder: Their folder.
        head: File name before the number.
        padding: Fewest digits of the number; 0 for none.
        tail: File name after the number.
    """

    folder: Path
    head: str
    padding: int
    tail: str

    @classmethod
    def parse(cls, path: str | Path) -> "SequencePattern":
        """Reads a pattern.

        Raises:
            PlateError: Not exactly one number field in the file name.
        """
        path = Path(path)
        fields = list(_NUMBER_FIELD.finditer(path.name))
        if len(fields) != 1:
            raise PlateError(
                f"{path}: number field: got {len(fields)} in the file name, "
                "expected one, for instance %04d or ####"
            )
        field = fields[0]
        padding = len(field[0]) if field[0].startswith("#") else int(field[1] or 0)
        return cls(path.parent, path.name[: field.start()], padding, path.name[field.end() :])

    @property
    def extension(self) -> str:
        """File name extension, lower case, without the dot."""
        return self.tail.rpartition(".")[2].lower()

    def path_of(self, frame: int) -> Path:
        """Returns the file of a frame number."""
        return self.folder / f"{self.head}{frame:0{max(self.padding, 1)}d}{self.tail}"

    def find_frames(self) -> list[int]:
        """Lists the frame numbers on disk, in order.

        Raises:
            PlateError: The folder does not exist, or holds no such file.
        """
        try:
            names = [entry.name for entry in self.folder.iterdir()]
        except OSError as error:
            raise PlateError(
                f"{self.folder}: folder of an image sequence: got {error.strerror}, "
                "expected one that can be listed"
            ) from error
        number = re.compile(re.escape(self.head) + r"(\d+)" + re.escape(self.tail))
        found = {int(match[1]) for name in names if (match := number.fullmatch(name))}
        frames = sorted(frame for frame in found if self.path_of(frame).name in names)
        if not frames:
            raise PlateError(
                f"{self.folder}: image sequence {self}: got no file, expected at least one"
            )
        return frames

    def __str__(self) -> str:
        """Returns the file name with `#` for digits."""
        return f"{self.head}{'#' * max(self.padding, 1)}{self.tail}"


def is_pattern(path: str | Path) -> bool:
    """Whether a path names an image sequence rather than one file."""
    return _NUMBER_FIELD.search(Path(path).name) is not None


def assumed_rate(path: Path) -> Fraction:
    """Returns the rate of a sequence that has none, with a warning."""
    _log.warning("image sequence without frame rate, %s assumed path=%s", DEFAULT_RATE, path)
    return DEFAULT_RATE


def find_missing(frames: list[int]) -> tuple[int, ...]:
    """Lists the numbers absent between the first and the last of a sorted list."""
    present = set(frames)
    return tuple(n for n in range(frames[0], frames[-1] + 1) if n not in present)


def suggest_pattern(folder: Path) -> str | None:
    """Finds a numbered picture in a folder and writes the pattern it belongs to."""
    for entry in sorted(folder.iterdir()):
        match = re.fullmatch(r"(.*?)(\d+)(\.[A-Za-z]+)", entry.name)
        if match and match[3][1:].lower() in EXTENSIONS:
            return str(folder / f"{match[1]}{'#' * len(match[2])}{match[3]}")
    return None


def check_no_frame_missing(place: str, frames: FrameRange, *, missing: tuple[int, ...]) -> None:
    """Checks that a range of an image sequence is complete.

    Raises:
        PlateError: A frame of the range is missing; names the first and counts the rest.
    """
    absent = [frame for frame in missing if frame in frames]
    if not absent:
        return
    others = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
    raise PlateError(
        f"{place}: frame {absent[0]} is missing{others}: got {len(frames) - len(absent)} of "
        f"{len(frames)} frames, expected all of {frames}; render or copy them again"
    )
