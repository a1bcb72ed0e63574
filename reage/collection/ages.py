"""An actor's collection: which files of a folder are photographs, and how old the actor is in each.

The age of a photograph comes, in this order, from

1. `csv`: `collection.csv` in the folder, columns `file`, `age` and, if wanted, `ignore`;
2. `name`: the number that the file's name begins with, `{age}_{n}.jpg` (as MyTimeMachine has it);
3. `exif`: the actor's birth date and the day the camera says;
4. `estimated`: what a network reads from the face, for lack of anything better.

Statements that contradict one another are warned about. Adults only: the table's word is final, but
without it a photograph is refused as soon as its name or its date makes the actor a minor.
"""

import csv
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Literal

from reage.errors import CollectionError, PhotographError, StorageError
from reage.photograph import SUFFIXES, date_taken, read_file
from reage.storage.local import local_errors

AgeSource = Literal["csv", "name", "exif", "estimated"]

TABLE_NAME = "collection.csv"
ADULT_AGE, OLDEST = 18.0, 100.0
# An estimate this close to adulthood is no proof of it.
MIN_ESTIMATED_AGE = 23.0
_MAX_CONTRADICTION = 2.0  # years between two statements
_MAX_ESTIMATE_ERROR = 20.0  # years between a statement and the estimate
_SERIAL_ERROR = 18.0  # mean over the names of a folder: these numbers are no ages

_LEADING_AGE = re.compile(r"(0?\d{1,2}|100)[_. ]")  # 0412_… and IMG_… begin with no age
_BESIDE_PHOTOGRAPHS = frozenset(
    {".csv", ".txt", ".md", ".xmp", ".json", ".yaml", ".yml", ".pdf", ".aae", ".ini", ".db"}
)  # fmt: skip
_YES = frozenset({"1", "yes", "y", "true", "x"})
_NO = frozenset({"", "0", "no", "n", "false"})


@dataclass(frozen=True)
class Photo:
    """A photograph of a collection: its name within it (`/` between folders) and its local file."""

    name: str
    path: Path


@dataclass(frozen=True)
class AgeStatement:
    """How old the actor is in a photograph, years, according to one source."""

    age: float
    source: AgeSource


@dataclass(frozen=True)
class DatedPhoto:
    """A photograph that may be looked at.

    Attributes:
        photo: Where it is.
        digest: SHA-256 of its file.
        statements: Of the actor's age in it, the most trusted first; without estimates.
    """

    photo: Photo
    digest: str
    statements: tuple[AgeStatement, ...]


@dataclass(frozen=True)
class Refusal:
    """Why a file of the collection is not trained on.

    Attributes:
        name: Within the collection.
        reason: In a word or two, as the table groups it.
        detail: What was found, and what was expected.
    """

    name: str
    reason: str
    detail: str


@dataclass(frozen=True)
class CollectionTable:
    """What `collection.csv` says, by the file's name."""

    ages: Mapping[str, float]
    ignored: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """Every file that it speaks of."""
        return frozenset(self.ages) | self.ignored


def files_under(folder: Path) -> dict[str, Path]:
    """Returns the files of a local folder and the folders in it, by name; hidden ones left out.

    Raises:
        StorageError: There is no such folder.
    """
    if not folder.is_dir():
        raise StorageError(
            f"{folder}: got no such folder, expected one of photographs; correct collection in "
            "the actor's manifest"
        )
    with local_errors(str(folder), "read"):
        paths = [path for path in folder.rglob("*") if path.is_file()]
    named = {path.relative_to(folder).as_posix(): path for path in sorted(paths)}
    return {name: path for name, path in named.items() if not is_hidden(name)}


def is_hidden(name: str) -> bool:
    """Whether a file or a folder on its way begins with a dot, or is what archivers leave."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def is_wanted(name: str) -> bool:
    """Whether a file of a collection needs fetching: a photograph, or the table of ages."""
    return name == TABLE_NAME or PurePosixPath(name).suffix.lower() in SUFFIXES


def photos_among(files: Mapping[str, Path]) -> list[Photo]:
    """Returns the photographs among files, sorted by name."""
    wanted = (name for name in files if name != TABLE_NAME and is_wanted(name))
    return [Photo(name, files[name]) for name in sorted(wanted)]


def strangers_among(names: Iterable[str]) -> list[Refusal]:
    """Returns a refusal for each file that is neither a photograph nor a note beside one."""
    return [
        Refusal(
            name, "no photograph", f"got {suffix or 'no suffix'}, expected jpg, png, tiff, heic…"
        )
        for name in sorted(names)
        if (suffix := PurePosixPath(name).suffix.lower()) not in SUFFIXES | _BESIDE_PHOTOGRAPHS
    ]


def read_table(path: Path) -> CollectionTable:
    """Reads `collection.csv`: commas or semicolons, a header, UTF-8.

    Raises:
        CollectionError: A line does not say what it should.
        StorageError: The file cannot be read.
    """
    with local_errors(str(path), "read"):
        data = path.read_bytes()
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise CollectionError(
            f"{path}: got text that is not UTF-8 ({error.reason}), expected UTF-8; save it as such"
        ) from error
    delimiter = ";" if lines and ";" in lines[0] and "," not in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    if not {"file", "age"} <= set(columns):
        got = ", ".join(columns) or "none"
        raise CollectionError(
            f"{path}: line 1: got columns {got}, expected file, age and perhaps ignore"
        )
    reader.fieldnames = columns
    ages: dict[str, float] = {}
    ignored: set[str] = set()
    for row in reader:
        place = f"{path}: line {reader.line_num}"
        name, age, is_ignored = _table_row(row, place)
        if name in ages or name in ignored:
            raise CollectionError(f"{place}: file: got {name} a second time, expected it once")
        if age is not None:
            ages[name] = age
        if is_ignored:
            ignored.add(name)
    return CollectionTable(ages, frozenset(ignored))


def _table_row(row: dict[str, str | None], place: str) -> tuple[str, float | None, bool]:
    name, written, ignore = ((row.get(key) or "").strip() for key in ("file", "age", "ignore"))
    if not name:
        raise CollectionError(f"{place}: file: got nothing, expected a file's name")
    if ignore.lower() not in _YES | _NO:
        raise CollectionError(f"{place}: ignore: got {ignore!r}, expected yes or nothing")
    try:
        age = float(written) if written else None
    except ValueError:
        age = -1.0
    if age is not None and not 0 <= age <= OLDEST:
        raise CollectionError(f"{place}: age: got {written!r}, expected years, 0 to {OLDEST:g}")
    return normalised(name), age, ignore.lower() in _YES


def normalised(name: str) -> str:
    """Returns a name as tables and folders can agree on it: composed accents, `/`, no `./`."""
    text = unicodedata.normalize("NFC", name).replace("\\", "/")
    return text.removeprefix("./")


def table_key(name: str, table: CollectionTable) -> str | None:
    """Returns how the table calls a file, by its path in the collection or its bare name."""
    whole = normalised(name)
    return next((k for k in (whole, whole.rpartition("/")[2]) if k in table.names), None)


def dated_photo(
    photo: Photo, *, table: CollectionTable, birth_date: date | None
) -> DatedPhoto | Refusal:
    """Reads a photograph's file, though not its picture, and collects what is said of the age.

    Returns:
        A refusal when the table says to ignore it, it cannot be read, or the actor is a minor.

    Raises:
        StorageError: The file is not there, or may not be read.
    """
    if table_key(photo.name, table) in table.ignored:
        return Refusal(photo.name, "ignored", f"as {TABLE_NAME} says")
    try:
        data = read_file(photo.path)
        taken = date_taken(data, place=photo.name)
    except PhotographError as error:
        return unreadable(photo, error)
    statements = age_statements(photo.name, table=table, birth_date=birth_date, taken=taken)
    minor = minor_refusal(photo.name, statements)
    return minor or DatedPhoto(photo, hashlib.sha256(data).hexdigest(), tuple(statements))


def unreadable(photo: Photo, error: PhotographError) -> Refusal:
    """Returns the refusal of a photograph that cannot be read."""
    detail = str(error).removeprefix(f"{photo.path}: ").removeprefix(f"{photo.name}: ")
    return Refusal(photo.name, "unreadable", detail)


def age_of_name(name: str) -> float | None:
    """Returns the age that a file's name begins with, years, None when there is none.

    It is the whole number of up to two digits (or 100) before the first `_`, `.` or space.
    """
    found = _LEADING_AGE.match(PurePosixPath(name).name)
    return None if found is None else float(found[1])


def age_on(day: date, *, birth_date: date) -> float:
    """Returns the age on a day, years, negative before the birth."""
    return (day - birth_date).days / 365.2425


def age_statements(
    name: str, *, table: CollectionTable, birth_date: date | None, taken: date | None
) -> list[AgeStatement]:
    """Returns what is said of a photograph's age, the most trusted first; estimates not included.

    A date that would make the actor unborn or older than 100 is a camera's clock, and is left out.
    """
    statements = []
    key = table_key(name, table)
    if key is not None and key in table.ages:
        statements.append(AgeStatement(table.ages[key], "csv"))
    if (age := age_of_name(name)) is not None:
        statements.append(AgeStatement(age, "name"))
    if birth_date is not None and taken is not None:
        age = age_on(taken, birth_date=birth_date)
        if 0 <= age <= OLDEST:
            statements.append(AgeStatement(age, "exif"))
    return statements


def minor_refusal(name: str, statements: Sequence[AgeStatement]) -> Refusal | None:
    """Refuses a photograph in which the actor is, or may be, a minor."""
    asked = statements[:1] if statements and statements[0].source == "csv" else statements
    for statement in asked:
        if statement.age < ADULT_AGE:
            return Refusal(
                name,
                "under 18",
                f"got {statement.age:.4g} years by {statement.source}, expected at least "
                f"{ADULT_AGE:g}; if that is wrong, state the age in {TABLE_NAME}",
            )
        if statement.source == "estimated" and statement.age < MIN_ESTIMATED_AGE:
            return Refusal(
                name,
                "age unsure",
                f"got an estimate of {statement.age:.0f} years, expected at least "
                f"{MIN_ESTIMATED_AGE:g} where nothing states the age; state it in {TABLE_NAME}",
            )
    return None


def contradictions(
    name: str, statements: Sequence[AgeStatement], *, estimate: float | None = None
) -> list[str]:
    """Returns a warning for each statement that does not go with the one that counts.

    Args:
        name: Of the photograph.
        statements: The one that counts first.
        estimate: What a network reads from the face, years; far less exact.
    """
    if not statements:
        return []
    counts, *others = statements
    said = f"{name}: age: got {counts.age:.4g} by {counts.source}"
    found = [
        f"{said}, but {other.age:.4g} by {other.source}; {counts.source} counts"
        for other in others
        if abs(other.age - counts.age) > _MAX_CONTRADICTION
    ]
    if estimate is not None and abs(estimate - counts.age) > _MAX_ESTIMATE_ERROR:
        found.append(f"{said}, but the face looks {estimate:.0f}; look at it")
    return found


def serial_number_warning(names: Sequence[tuple[float, float]]) -> str | None:
    """Returns a warning when the numbers that names begin with can hardly be ages.

    Args:
        names: Pairs of the age by name and the estimate, years, of the photographs so labelled.
    """
    if len(names) < 5:
        return None
    error = sum(abs(age - estimate) for age, estimate in names) / len(names)
    if error < _SERIAL_ERROR:
        return None
    return (
        f"names: age: got numbers {error:.0f} years off the faces on average, expected ages; if "
        f"they count photographs, rename these or state the ages in {TABLE_NAME}"
    )
