"""Replay buffers of adapter versions: what is rehearsed and examined, and where it came from.

A buffer is an entry `buffers/<actor>/<version>` that goes with the adapter of the same version: the
adapter's facts name the digest of the buffer's description, which names the digest of its arrays.
A night stages the buffer first, then publishes the adapter, and only then commits the buffer: one
rename. Whatever kills it between, the adapter says which staged buffer is its own, and the next
night commits it. Knows nothing of what the arrays hold.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reage.errors import RegistryError
from reage.naming import check_name, is_version, parse_version
from reage.registry.adapter_facts import UpdatedFacts
from reage.registry.adapters import list_adapters
from reage.registry.entry import (
    RECEIPT,
    check_unchanged,
    publish_entry,
    read_object,
    registry_root,
    remove_entry,
)
from reage.storage import file_digest
from reage.storage.local import local_errors, sync

ARRAYS, DESCRIPTION = "buffer.npz", "buffer.json"

BUFFER_FILES = (ARRAYS, DESCRIPTION)
_SCHEMA = "reage.buffer/1"
_STAGED = ".staged"
_ABANDONED_AFTER_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class BufferRecord:
    """A committed buffer, its files as they were written.

    Attributes:
        actor: Whose photographs it holds.
        version: Of the adapter that it goes with.
        folder: Where its files lie.
        digest: SHA-256 of its description, in hex.
        described: The description.
    """

    actor: str
    version: str
    folder: Path
    digest: str
    described: Mapping[str, Any]

    @property
    def arrays(self) -> Path:
        """The .npz file."""
        return self.folder / ARRAYS


def buffers_folder(actor: str) -> Path:
    """Returns where an actor's buffers lie; raises NamingError."""
    return registry_root() / "buffers" / check_name(actor, what="actor")


def buffer_versions(actor: str) -> list[str]:
    """Returns the versions whose buffers are kept, oldest first; raises StorageError."""
    folder = buffers_folder(actor)
    with local_errors(str(folder), "read"):
        if not folder.is_dir():
            return []
        found = [p.name for p in folder.iterdir() if is_version(p.name)]
    return sorted(found, key=parse_version)


def find_buffer(actor: str, version: str) -> BufferRecord | None:
    """Returns the buffer of a version, None where none is kept.

    Raises:
        RegistryError: Its files were changed.
        StorageError: They cannot be read.
    """
    if version not in buffer_versions(actor):
        return None
    folder, place = buffers_folder(actor) / version, f"buffer {actor} {version}"
    check_unchanged(folder, read_object(folder / RECEIPT, place=place), BUFFER_FILES, place=place)
    return BufferRecord(
        actor=actor,
        version=version,
        folder=folder,
        digest=file_digest(folder / DESCRIPTION),
        described=read_object(folder / DESCRIPTION, place=place),
    )


def stage_buffer(actor: str, arrays: bytes, described: Mapping[str, Any]) -> str:
    """Writes a buffer where it waits for its adapter, and returns its digest.

    Raises:
        StorageError: The registry cannot be written.
    """
    root = buffers_folder(actor) / _STAGED
    arrays_file = root / f".{ARRAYS}-{os.getpid()}"
    with local_errors(str(root), "write"):
        root.mkdir(parents=True, exist_ok=True)
        arrays_file.write_bytes(arrays)
    try:
        whole = {"schema": _SCHEMA, **described, "arrays": file_digest(arrays_file)}
        text = (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode()
        digest = hashlib.sha256(text).hexdigest()

        def write(folder: Path) -> None:
            os.replace(arrays_file, folder / ARRAYS)
            (folder / DESCRIPTION).write_bytes(text)

        publish_entry(root / digest, write, {"schema": _SCHEMA, "actor": actor}, files=BUFFER_FILES)
    finally:
        arrays_file.unlink(missing_ok=True)
    return digest


def is_staged(actor: str, digest: str) -> bool:
    """Says whether a buffer waits for its adapter."""
    return (buffers_folder(actor) / _STAGED / digest / RECEIPT).is_file()


def commit_buffer(actor: str, version: str, digest: str) -> BufferRecord:
    """Gives a staged buffer to the version that names it; done again, it changes nothing.

    Raises:
        RegistryError: Neither staged nor committed, or the version has another buffer.
        StorageError: The registry cannot be written.
    """
    folder = buffers_folder(actor)
    if is_staged(actor, digest):
        with local_errors(str(folder / version), "write"):
            try:
                os.rename(folder / _STAGED / digest, folder / version)
                sync(folder)
            except OSError:
                if not (folder / version).exists():
                    raise
    found = find_buffer(actor, version)
    if found is None or found.digest != digest:
        got = "none" if found is None else f"{found.digest[:12]}…"
        raise RegistryError(
            f"buffer {actor} {version}: got {got}, expected {digest[:12]}… as the adapter names "
            "it; restore it from a backup, or roll back to the version before"
        )
    return found


def retire_buffers(actor: str, *, keep: int) -> list[str]:
    """Removes all but the newest buffers, and staged ones that no adapter names.

    Returns:
        The versions whose buffers were removed.

    Raises:
        StorageError: The registry cannot be written.
    """
    retired = buffer_versions(actor)[:-keep]
    for version in retired:
        remove_entry(buffers_folder(actor) / version)
    _sweep(actor)
    return retired


def _sweep(actor: str) -> None:
    """Removes what nights staged that were killed or refused, once no one can want it."""
    with local_errors(str(buffers_folder(actor)), "remove"):
        left = [
            folder
            for folder in (buffers_folder(actor) / _STAGED).glob("*")
            if time.time() - folder.stat().st_mtime > _ABANDONED_AFTER_S
        ]
    if not left:
        return
    named = {
        record.facts.buffer_digest
        for record in list_adapters(actor)
        if isinstance(record.facts, UpdatedFacts)
    }
    for folder in left:
        if folder.name not in named:
            shutil.rmtree(folder, ignore_errors=True)
