"""The kinds of value that manifests hold: names, dates, ages, rates, places.

Each kind checks itself and carries its own JSON Schema for editors. Values are strict: text is not
taken for a number nor a number for text, because what is nearly right here is wrong on the farm.
"""

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from reage.errors import NamingError
from reage.manifest.problems import closest, refuse
from reage.naming import NAME_PATTERN, VERSION_PATTERN, check_name, is_version, safe_name

YOUNGEST, OLDEST = 18, 100
HIGHEST_FRAME = 999_999_999
SCREEN_COLOURSPACES = ("rec709", "srgb")
OWN_COLOURSPACES = (*SCREEN_COLOURSPACES, "linear_rec709", "linear_srgb", "acescg")
NO_ADAPTER = "none"

_DOCUMENT_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._/-]{0,126}[A-Za-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
FRAME_PATTERN = re.compile(r"%0?\d?d|#+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FRACTION = re.compile(r"([0-9]{1,6})(?:/([0-9]{1,6}))?")
_NTSC = {round(n * 1000 / 1001, digits): n for n in (24, 30, 48, 60, 120) for digits in (2, 3)}


class ManifestModel(BaseModel):
    """A part of a manifest: frozen, strict, and without keys that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )


def _name(value: str) -> str:
    try:
        return check_name(value, what="name")
    except NamingError:
        near = safe_name(value)
        raise refuse(
            "lower-case letters, digits, _ and - (at most 64, starting with a letter or digit)",
            cure=f"{near} would do" if near else None,
        ) from None


def _version_policy(value: str) -> str:
    if value != "next" and not is_version(value):
        raise refuse("next, or a version as v003", cure=_meant(value, ["next"]))
    return value


def _adapter(value: str) -> str:
    if value not in {NO_ADAPTER, "latest"} and not is_version(value):
        cure = _meant(value, [NO_ADAPTER, "latest"])
        raise refuse("none, latest, or a version as v003", cure=cure)
    return value


def _meant(value: str, words: list[str]) -> str | None:
    near = closest(value, words)
    return f"did you mean {near}" if near else None


def _document_id(value: str) -> str:
    if not _DOCUMENT_ID.fullmatch(value):
        raise refuse("letters, digits, spaces and ._/- (at most 128), as in NBD-2026-014")
    return value


def _schema_version(value: Any) -> Any:
    if isinstance(value, bool) or value != 1:
        cure = "this manifest was written for another Reage" if isinstance(value, int) else None
        raise refuse("1", cure=cure)
    return value


def _line_of_text(value: str) -> str:
    if not value.strip() or len(value) > 200 or _CONTROL.search(value):
        raise refuse("one line of text, 1 to 200 characters")
    return value


def _date(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if len(value) == 10 else value
        except ValueError:
            return value
    return value


def _age_bounds(value: float) -> float:
    if value < YOUNGEST:
        raise refuse(f"at least {YOUNGEST} years", cure="Reage re-ages adults, and to adults, only")
    if value > OLDEST:
        raise refuse(f"at most {OLDEST} years")
    return value


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise refuse("0 to 1")
    return value


def _frame_rate(value: Any) -> Fraction:
    if isinstance(value, Fraction):
        rate = value
    elif isinstance(value, float):
        nominal = _NTSC.get(round(value, 3)) or _NTSC.get(round(value, 2))
        exact = f'"{nominal * 1000}/1001"' if nominal else f"{value:.0f}"
        cure = f"write {exact}" if nominal or value.is_integer() else "write it as a fraction"
        raise refuse('a whole number or a fraction in quotes, as in "24000/1001"', cure=cure)
    elif isinstance(value, int) and not isinstance(value, bool):
        rate = Fraction(value)
    else:
        match = _FRACTION.fullmatch(value) if isinstance(value, str) else None
        if match is None or int(match[2] or 1) == 0:
            raise refuse('a whole number or a fraction in quotes, as in 24 or "24000/1001"')
        rate = Fraction(int(match[1]), int(match[2] or 1))
    if not 1 <= rate <= 1000:
        raise refuse("1 to 1000 frames a second")
    return rate


def _place(value: str) -> str:
    """Checks a local path, a `file://` URI or an `s3://bucket/key` URI."""
    if not value.strip() or len(value) > 1024 or _CONTROL.search(value):
        raise refuse("a path, file:///path or s3://bucket/prefix, 1 to 1024 characters")
    if "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    if scheme == "file":
        if not rest.startswith("/"):
            raise refuse("file:// and an absolute path", cure=f"write file:///{rest}")
    elif scheme == "s3":
        bucket, _, key = rest.partition("/")
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise refuse("s3://bucket/prefix with a bucket name of 3 to 63 of a-z 0-9 . -")
        if any(part in {"", ".", ".."} for part in key.rstrip("/").split("/") if key):
            raise refuse("an s3 prefix without empty, . or .. parts")
    else:
        raise refuse("a path, file:///path or s3://bucket/prefix")
    return value


def _config_place(value: str) -> str:
    if value.startswith("ocio://"):
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", value.removeprefix("ocio://")):
            raise refuse("ocio:// and the name of a built-in configuration")
        return value
    if value.startswith("s3://"):
        raise refuse("a file on this machine or ocio:// and the name of a built-in configuration")
    return _place(value)


def _pixel_aspect(value: Any) -> Fraction:
    if isinstance(value, Fraction):
        aspect = value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        aspect = Fraction(str(value))
    else:
        match = _FRACTION.fullmatch(value) if isinstance(value, str) else None
        if match is None or int(match[2] or 1) == 0:
            raise refuse('a number or a fraction in quotes, as in 2, 1.8 or "4/3"')
        aspect = Fraction(int(match[1]), int(match[2] or 1))
    if not Fraction(1, 4) <= aspect <= 4:
        raise refuse("a quarter to 4, width over height of a pixel")
    return aspect


def _plate_place(value: str) -> str:
    patterns = [m[0] for m in FRAME_PATTERN.finditer(_place(value))]
    name = value.rpartition("/")[2]
    if len(patterns) > 1 or (patterns and patterns[0] not in name):
        raise refuse("at most one frame number pattern (%04d or ####), in the file name")
    return value


def has_frame_pattern(place: str) -> bool:
    """Tells whether a place names an image sequence, as `plate.%04d.exr` or `plate.####.exr`."""
    return FRAME_PATTERN.search(place.rpartition("/")[2]) is not None


def _endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:  # brackets that close nothing
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refuse("an address, as in https://s3.example.com")
    if parts.username or parts.password:
        raise refuse(
            "an address without a user or password",
            got="an address with credentials",
            cure="credentials come from the environment",
        )
    return value


def _schema(kind: str, **schema: Any) -> WithJsonSchema:
    """JSON Schema of a kind of value; `x-kind` is what docs/manifest.md calls it."""
    return WithJsonSchema({"x-kind": kind, **schema})


_PLACE_SCHEMA = _schema("place", type="string", minLength=1, maxLength=1024)

Name = Annotated[
    str, AfterValidator(_name), _schema("name", type="string", pattern=f"^{NAME_PATTERN}$")
]
VersionPolicy = Annotated[
    str,
    AfterValidator(_version_policy),
    _schema("`next` or version", type="string", pattern=f"^(?:next|{VERSION_PATTERN})$"),
]
Adapter = Annotated[
    str,
    AfterValidator(_adapter),
    _schema(
        "`none`, `latest` or version", type="string", pattern=f"^(?:none|latest|{VERSION_PATTERN})$"
    ),
]
SchemaVersion = Annotated[Literal[1], BeforeValidator(_schema_version)]
DocumentId = Annotated[
    str,
    AfterValidator(_document_id),
    _schema("document id", type="string", pattern=f"^{_DOCUMENT_ID.pattern}$"),
]
LineOfText = Annotated[
    str, AfterValidator(_line_of_text), _schema("text", type="string", minLength=1, maxLength=200)
]
Colourspace = Annotated[
    str,
    AfterValidator(_line_of_text),
    _schema(
        " or ".join((", ".join(f"`{name}`" for name in OWN_COLOURSPACES), "one of OpenColorIO")),
        anyOf=[
            {"enum": list(OWN_COLOURSPACES)},
            {"type": "string", "minLength": 1, "maxLength": 200},
        ],
    ),
]
Date = Annotated[date, BeforeValidator(_date), _schema("date", type="string", format="date")]
Age = Annotated[
    float,
    AfterValidator(_age_bounds),
    _schema("years", type="number", minimum=YOUNGEST, maximum=OLDEST),
]
Share = Annotated[
    float, AfterValidator(_share), _schema("0 to 1", type="number", minimum=0, maximum=1)
]
FrameNumber = Annotated[
    int,
    Field(ge=0, le=HIGHEST_FRAME),
    _schema("frame number", type="integer", minimum=0, maximum=HIGHEST_FRAME),
]
FrameRate = Annotated[
    Fraction,
    BeforeValidator(_frame_rate),
    PlainSerializer(str, return_type=str),
    _schema(
        "frame rate",
        anyOf=[
            {"type": "integer", "minimum": 1, "maximum": 1000},
            {"type": "string", "pattern": f"^{_FRACTION.pattern}$"},
        ],
    ),
]
PixelAspect = Annotated[
    Fraction,
    BeforeValidator(_pixel_aspect),
    PlainSerializer(str, return_type=str),
    _schema(
        "number or fraction",
        anyOf=[
            {"type": "number", "minimum": 0.25, "maximum": 4},
            {"type": "string", "pattern": f"^{_FRACTION.pattern}$"},
        ],
    ),
]
Place = Annotated[str, AfterValidator(_place), _PLACE_SCHEMA]
ConfigPlace = Annotated[
    str,
    AfterValidator(_config_place),
    _schema("file, or `ocio://` and a name", type="string", minLength=1, maxLength=1024),
]
PlatePlace = Annotated[str, AfterValidator(_plate_place), _PLACE_SCHEMA]
Endpoint = Annotated[
    str, AfterValidator(_endpoint), _schema("address", type="string", pattern="^https?://[^@]+$")
]
