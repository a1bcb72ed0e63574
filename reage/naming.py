"""Names that are safe in every path and S3 key, and the file names built from them.

A name that passes `check_name` holds no separator, no dot and no space, so that nothing joined from
such names can leave its folder or prefix. Knows nothing of storage or manifests.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reage.errors import NamingError

NAME_PATTERN = "[a-z0-9][a-z0-9_-]{0,63}"
VERSION_PATTERN = "v(?:[0-9]{2}[1-9]|[0-9][1-9]0|[1-9]00|[1-9][0-9]{3,5})"

_NAME = re.compile(NAME_PATTERN)
_VERSION = re.compile(VERSION_PATTERN)
_EXTENSION = re.compile("[a-z0-9]{1,8}")
_HIGHEST_VERSION = 999_999


def check_name(value: str, *, what: str) -> str:
    """Returns `value` if it is a safe name, for instance `sh0040`.

    Args:
        value: The name to check: lower-case letters, digits, `_` and `-`, at most 64 characters.
        what: What the name is of, for the error.

    Raises:
        NamingError: The name could be misread by a file system or an object store.
    """
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    message = (
        f"{what}: got {_shortened(value)}, expected lower-case letters, digits, _ and - "
        "(at most 64, starting with a letter or digit)"
    )
    cure = safe_name(value) if isinstance(value, str) else None
    raise NamingError(message + (f"; {cure} would do" if cure else ""))


def safe_name(text: str) -> str | None:
    """Returns the nearest safe name to `text`, or None when nothing of it is usable."""
    candidate = re.sub("[^a-z0-9_-]+", "_", text.strip().lower()).strip("_-")[:64]
    return candidate if _NAME.fullmatch(candidate) else None


@dataclass(frozen=True, order=True)
class ShotId:
    """Where a shot stands in the editorial hierarchy; every part is a safe name.

    Raises:
        NamingError: A part is not a safe name.
    """

    show: str
    sequence: str
    shot: str

    def __post_init__(self) -> None:
        for what in ("show", "sequence", "shot"):
            check_name(getattr(self, what), what=what)

    def __str__(self) -> str:
        return f"{self.show}/{self.code}"

    @property
    def code(self) -> str:
        """The shot code, as in `sq010_sh0040`."""
        return f"{self.sequence}_{self.shot}"

    @property
    def prefix(self) -> str:
        """The folder or key prefix of the shot, as in `show/sq010/sh0040`."""
        return f"{self.show}/{self.sequence}/{self.shot}"


@dataclass(frozen=True)
class ActorFolder:
    """Where an actor's work stands, apart from any shot's; raises NamingError as `ShotId` does."""

    actor: str

    def __post_init__(self) -> None:
        check_name(self.actor, what="actor")

    @property
    def prefix(self) -> str:
        """The folder of the actor, as in `actors/ada`."""
        return f"actors/{self.actor}"


def version_name(number: int) -> str:
    """Returns the name of a version number: 3 gives `v003`.

    Raises:
        NamingError: The number is not in 1-999999.
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise NamingError(f"version: got {number!r}, expected a whole number")
    if not 1 <= number <= _HIGHEST_VERSION:
        raise NamingError(f"version: got {number}, expected 1 to {_HIGHEST_VERSION}")
    return f"v{number:03d}"


def parse_version(name: str) -> int:
    """Returns the number of a version name: `v003` gives 3. Inverse of `version_name`.

    Raises:
        NamingError: The name is not spelled as `version_name` spells it.
    """
    if not isinstance(name, str) or not is_version(name):
        raise NamingError(
            f"version: got {_shortened(name)}, expected v and three digits or more, as in v003"
        )
    return int(name[1:])


def is_version(name: str) -> bool:
    """Tells whether `name` is a version name, as `version_name` spells it."""
    return _VERSION.fullmatch(name) is not None


def next_version(existing: Iterable[str]) -> str:
    """Returns the version after the highest of `existing`; `v001` when there is none.

    Names that are no versions (a `latest` link, a stray file) do not count.
    """
    numbers = [parse_version(name) for name in existing if is_version(name)]
    return version_name(max(numbers, default=0) + 1)


def frame_name(
    shot_id: ShotId, element: str, version: str, frame: int, extension: str, padding: int = 4
) -> str:
    """Returns the file name of one frame, as in `sq010_sh0040_reage_v003.1001.png`.

    Args:
        shot_id: The shot that the frame belongs to.
        element: What the frame shows: `reage`, `matte`, ...
        version: A version name.
        frame: Frame number, at least 0; one with more digits than `padding` keeps them all.
        extension: Lower-case, without the dot.
        padding: Digits of the frame number, 1-9.

    Raises:
        NamingError: A part is unfit for a file name.
    """
    if frame < 0:
        raise NamingError(f"{shot_id.code}: frame: got {frame}, expected at least 0")
    if not 1 <= padding <= 9:
        raise NamingError(f"{shot_id.code}: padding: got {padding}, expected 1 to 9")
    stem = _stem(shot_id, element, version)
    return f"{stem}.{frame:0{padding}d}.{_check_extension(extension)}"


def movie_name(shot_id: ShotId, element: str, version: str, extension: str) -> str:
    """Returns the file name of a whole movie or page, as in `sq010_sh0040_wipe_v003.mp4`.

    Raises:
        NamingError: A part is unfit for a file name.
    """
    return f"{_stem(shot_id, element, version)}.{_check_extension(extension)}"


def _stem(shot_id: ShotId, element: str, version: str) -> str:
    parse_version(version)
    return f"{shot_id.code}_{check_name(element, what='element')}_{version}"


def _check_extension(extension: str) -> str:
    if not _EXTENSION.fullmatch(extension):
        raise NamingError(
            f"extension: got {_shortened(extension)}, expected 1 to 8 lower-case letters or "
            "digits, without the dot"
        )
    return extension


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:76] + "…" + text[-1]
