"""The record of finished work: what makes a crash cheap.

A piece of work is known by its content key, a digest of everything that its result depends on.
Once done, its outputs and their digests are entered under that key; a rerun that finds the entry,
and the very same bytes on disk, need not do it again. Knows nothing of what the work is.
"""

import dataclasses
import hashlib
import importlib.util
import json
import logging
import math
import os
import re
from collections.abc import Mapping
from datetime import date
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from pydantic import BaseModel

from reage.errors import LedgerError
from reage.storage import file_digest
from reage.storage.local import atomic_file, local_errors

logger = logging.getLogger(__name__)

_SCHEMA = "reage.ledger/1"
_KEY = re.compile("[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Output:
    """One finished file: where it lies, its size in bytes and its SHA-256."""

    path: Path
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Record:
    """What the ledger knows of one finished piece of work."""

    key: str
    outputs: dict[str, Output]
    facts: dict[str, Any]


class Ledger:
    """A folder with one small JSON file per finished piece of work.

    Entries appear whole or not at all, so any number of processes may write the same ones. Paths
    are kept relative to the folder: a work folder may be moved as a whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).absolute()

    def find(self, key: str) -> Record | None:
        """Returns the record of finished work whose outputs are all still as they were, else None.

        A damaged record is set aside with a warning; a missing or changed output is logged. Either
        way the work is to be done again.

        Raises:
            LedgerError: `key` is no content key.
            StorageError: The ledger or an output cannot be read.
        """
        path = self._path(key)
        with local_errors(str(path), "read"):
            try:
                text = path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            record = self._parse(key, text)
        except (ValueError, KeyError, TypeError) as error:
            self._set_aside(path, error)
            return None
        for name, output in record.outputs.items():
            fault = _fault_of(output)
            if fault is not None:
                logger.warning("work to be redone key=%s output=%s fault=%s", key[:12], name, fault)
                return None
        return record

    def record(
        self, key: str, outputs: Mapping[str, Path], facts: Mapping[str, Any] | None = None
    ) -> Record:
        """Enters finished work, durably.

        Args:
            key: As `content_key` made it.
            outputs: Finished files by name.
            facts: Whatever else is worth knowing, as JSON has it.

        Raises:
            LedgerError: `key` is no content key, or the facts cannot be written as JSON.
            StorageError: An output is missing or the ledger cannot be written.
        """
        path = self._path(key)
        entry = {
            "schema": _SCHEMA,
            "key": key,
            "outputs": {name: self._describe(Path(output)) for name, output in outputs.items()},
            "facts": dict(facts or {}),
        }
        try:
            text = json.dumps(entry, indent=1, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise LedgerError(f"{path}: facts: got {error}, expected plain JSON values") from error
        with atomic_file(path, place=str(path)) as partial:
            partial.write_text(text, encoding="utf-8")
        return self._parse(key, text.encode())

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise LedgerError(f"{self.folder}: key: got {key[:80]!r}, expected 64 hex digits")
        return self.folder / f"{key}.json"

    def _describe(self, path: Path) -> dict[str, Any]:
        digest = file_digest(path)
        relative = os.path.relpath(path.absolute(), self.folder)
        return {"path": relative, "bytes": path.stat().st_size, "sha256": digest}

    def _parse(self, key: str, text: bytes) -> Record:
        entry = json.loads(text)
        if entry["schema"] != _SCHEMA or entry["key"] != key:
            raise ValueError(f"got {entry['schema']} {entry['key']}, expected {_SCHEMA} {key}")
        outputs = {
            str(name): Output(
                Path(os.path.normpath(self.folder / item["path"])),
                int(item["bytes"]),
                str(item["sha256"]),
            )
            for name, item in entry["outputs"].items()
        }
        return Record(key, outputs, dict(entry["facts"]))

    def _set_aside(self, path: Path, error: Exception) -> None:
        aside = path.with_suffix(".damaged")
        with local_errors(str(path), "set aside"):
            try:
                os.replace(path, aside)
            except FileNotFoundError:  # another process has just done so
                return
        logger.warning("damaged record set aside, work to be redone path=%s error=%s", aside, error)


def content_key(**parts: Any) -> str:
    """Returns the SHA-256, in hex, of everything that a result depends on.

    Equal values give equal keys in every process and on every machine. Types are told apart (1,
    1.0, "1" and Fraction(1) differ), as are dataclasses with the same fields; the order of mappings
    and sets is not.

    Args:
        parts: None, booleans, numbers, strings, bytes, paths, enums, fractions, arrays,
            dataclasses, pydantic models, and sequences, sets or mappings of them.

    Raises:
        LedgerError: A part is of another kind, or not a finite number.
    """
    canonical = {name: _canonical(value, name) for name, value in parts.items()}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def code_version(*packages: str) -> str:
    """Returns the SHA-256, in hex, of the Python sources of whole packages, without importing them.

    Args:
        packages: Importable top-level packages, such as `reage`.

    Raises:
        LedgerError: A package is not found.
    """
    sha256 = hashlib.sha256()
    for package in sorted(set(packages)):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise LedgerError(f"code version: got {package!r}, expected an importable package")
        for location in sorted(spec.submodule_search_locations):
            for source in sorted(Path(location).rglob("*.py")):
                name = f"{package}/{source.relative_to(location).as_posix()}"
                sha256.update(f"{name}\0{file_digest(source)}\n".encode())
    return sha256.hexdigest()


def _canonical(value: Any, place: str) -> Any:
    """Returns JSON of `value` in which no two different values look the same."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise LedgerError(f"content key: {place}: got {value}, expected a finite number")
        return {"float": repr(value)}
    if isinstance(value, list | tuple):
        return [_canonical(item, f"{place}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        pairs = [[_canonical(k, place), _canonical(v, f"{place}.{k}")] for k, v in value.items()]
        return {"mapping": sorted(pairs, key=json.dumps)}
    return _canonical_object(value, place)


def _canonical_object(value: Any, place: str) -> dict[str, Any]:
    kind = type(value).__qualname__
    content: Any
    match value:
        case Fraction():
            kind, content = "fraction", str(value)
        case PurePath():
            kind, content = "path", str(value)
        case date():  # a datetime is one, too
            content = value.isoformat()
        case bytes():
            kind, content = "bytes", value.hex()
        case Enum():
            kind, content = "enum", f"{kind}.{value.name}"
        case set() | frozenset():
            kind = "set"
            content = sorted((_canonical(item, place) for item in value), key=json.dumps)
        case np.ndarray() if value.dtype != object:
            digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            kind, content = "array", [value.dtype.str, list(value.shape), digest]
        case BaseModel():
            content = _canonical(dict(value), place)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            content = _canonical({name: getattr(value, name) for name in names}, place)
        case _:
            raise LedgerError(
                f"content key: {place}: got {kind}, expected plain values, paths, fractions, "
                "arrays, dataclasses or models"
            )
    return {kind: content}


def _fault_of(output: Output) -> str | None:
    with local_errors(str(output.path), "read"):
        try:
            size = output.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return "missing"
    if size != output.bytes:
        return f"{size} bytes instead of {output.bytes}"
    return None if file_digest(output.path) == output.sha256 else "changed bytes"
