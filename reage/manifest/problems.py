"""What is wrong with a manifest, in the house form, one line each.

`Finding` is a mistake at a key; `Problem` is a finding in a file, at a line. Validators of the
models raise findings through `refuse`; what pydantic itself finds is put into the same words.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

KeyPath = tuple[str | int, ...]

TAG_MARK = "as:"
_HOUSE = "house"
_SHOWN_CHARACTERS = 80

_KINDS = {
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "dict_type": "keys and values",
    "tuple_type": "a list, each item on its own line after a dash",
    "list_type": "a list, each item on its own line after a dash",
    "string_type": "text; put it in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "date_type": "a date as in 2026-01-31",
    "date_parsing": "a date as in 2026-01-31",
    "date_from_datetime_parsing": "a date as in 2026-01-31",
    "date_from_datetime_inexact": "a date as in 2026-01-31",
}
_CREDENTIAL = re.compile(r"secret|password|token|access_?key", re.IGNORECASE)
_BOUNDS = {
    "greater_than_equal": ("ge", "at least {}"),
    "greater_than": ("gt", "more than {}"),
    "less_than_equal": ("le", "at most {}"),
    "less_than": ("lt", "less than {}"),
}


@dataclass(frozen=True)
class Finding:
    """A mistake at a key, relative to where it was found: what was got, what was expected."""

    key: KeyPath
    got: str
    expected: str
    cure: str | None = None

    def under(self, prefix: KeyPath) -> "Finding":
        """Returns the same finding seen from further out."""
        return replace(self, key=prefix + self.key)

    def __str__(self) -> str:
        place = f"{dotted(self.key)}: " if self.key else ""
        return f"{place}got {self.got}, expected {self.expected}" + (
            f"; {self.cure}" if self.cure else ""
        )


@dataclass(frozen=True)
class Problem:
    """A finding in a file; `line` counts from 1 and is None where no line is to blame."""

    file: str
    line: int | None
    finding: Finding

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.finding}"


def dotted(key: KeyPath) -> str:
    """Spells a key path as people write it: `actors[0].target_age`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{_spelled(part)}"
    return text.removeprefix(".")


def _spelled(part: str) -> str:
    return part if part.isprintable() and len(part) <= _SHOWN_CHARACTERS else shown(part)


def shown(value: object) -> str:
    """Shows a value as YAML would, on one line, cut to a readable length."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"keys and values ({len(value)})"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def refuse(
    expected: str, *, got: object = None, cure: str | None = None, key: KeyPath = ()
) -> PydanticCustomError:
    """Makes the error that a validator raises for one finding.

    Args:
        expected: What would have been accepted.
        got: The offending value; left out, the value that the validator was given is shown.
        cure: What to do about it, when that is known.
        key: Where it is, relative to the model or field that validates.
    """
    finding = Finding(key, "" if got is None else shown(got), expected, cure)
    return refuse_all([finding])


def refuse_all(findings: Iterable[Finding]) -> PydanticCustomError:
    """Makes the error that a validator raises for several findings at once."""
    found = list(findings)
    text = "; ".join(str(finding) for finding in found).replace("{", "(").replace("}", ")")
    return PydanticCustomError(_HOUSE, text, {"findings": found})


def closest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that `name` was probably meant to be, if any is near."""
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return near[0] if near else None


def findings_of(error: ValidationError, keys: Mapping[KeyPath, list[str]]) -> list[Finding]:
    """Puts what pydantic found into findings.

    Args:
        error: Raised by a manifest model.
        keys: The keys allowed at each place, by key path without list positions.
    """
    found: list[Finding] = []
    items = error.errors(include_url=False)
    for item in items:
        key = _key_path(item["loc"])
        if item["type"] == "too_short" and any(
            _is_inside(other["loc"], item["loc"]) for other in items
        ):
            continue  # pydantic does not count the items that it has already refused
        if item["type"] == _HOUSE:
            for finding in item["ctx"]["findings"]:
                whole = finding if finding.got else replace(finding, got=shown(item["input"]))
                found.append(whole.under(key))
        else:
            found.append(_house_form(key, item, keys))
    return found


def known_keys(model: type[BaseModel], place: KeyPath = ()) -> dict[KeyPath, list[str]]:
    """Returns the keys that `model` allows at each place, by key path without list positions."""
    known: dict[KeyPath, list[str]] = {place: list(model.model_fields)}
    for name, field in model.model_fields.items():
        for part in _models_in(field.annotation):
            known.update(known_keys(part, (*place, name)))
    return known


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _is_inside(inner: KeyPath, outer: KeyPath) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _key_path(location: tuple[str | int, ...]) -> KeyPath:
    """Drops what pydantic adds for itself: the chosen member of a union, the mark of a key."""
    return tuple(
        part
        for part in location
        if not (isinstance(part, str) and (part.startswith(TAG_MARK) or part == "[key]"))
    )


def _house_form(
    key: KeyPath, item: Mapping[str, Any], keys: Mapping[KeyPath, list[str]]
) -> Finding:
    kind, context, got = item["type"], item.get("ctx", {}), shown(item["input"])
    cure = None
    if kind == "extra_forbidden":
        return _unknown_key(key, keys)
    if kind == "missing":
        got, expected = "nothing", "a value; this key is required"
    elif kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        expected = words.format(context[name])
    elif kind == "literal_error":
        expected, cure = str(context["expected"]).replace("'", ""), _near_choice(item)
    elif kind == "too_short":
        expected = f"at least {context['min_length']} in it"
    elif kind in _KINDS:
        expected = _KINDS[kind]
    else:
        raise AssertionError(f"{dotted(key)}: no words yet for what pydantic calls {kind}")
    return Finding(key, got, expected, cure)


def _near_choice(item: Mapping[str, Any]) -> str | None:
    choices = str(item["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
    near = closest(item["input"], choices) if isinstance(item["input"], str) else None
    return f"did you mean {near}" if near else None


def _unknown_key(key: KeyPath, keys: Mapping[KeyPath, list[str]]) -> Finding:
    parent = tuple(part for part in key[:-1] if not isinstance(part, int))
    known = keys.get(parent, [])
    near = closest(str(key[-1]), known)
    expected = f"one of {', '.join(known)}" if known else "no such key"
    cure = f"did you mean {near}" if near else None
    if _CREDENTIAL.search(str(key[-1])):
        cure = "credentials come from the environment, never from a manifest"
    return Finding(key, "an unknown key", expected, cure)
