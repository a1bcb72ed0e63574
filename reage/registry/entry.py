"""Entries of the registry: a folder of weights, their description and their card, never changed.

An entry appears whole or not at all. One that was registered carries a receipt with the digests of
its files, against which they are checked whenever the entry is read. Knows nothing of networks.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reage.errors import RegistryError
from reage.naming import safe_name
from reage.storage import file_digest
from reage.storage.local import local_errors, sync

CONFIG, WEIGHTS, CARD = FILES = ("config.json", "weights.safetensors", "MODEL_CARD.md")
RECEIPT = "registered.json"

_STALE_AFTER_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What was found in a folder, its files unchanged.

    Attributes:
        folder: Where the files lie.
        kind: Of the weights, as the description states it; empty where it does not.
        digest: SHA-256 of the weights file, in hex.
        licence: As the config states it.
        config: What the description says of sizes and terms.
        receipt: What was recorded at registration; empty for what comes with Reage.
    """

    folder: Path
    kind: str
    digest: str
    licence: str
    config: Mapping[str, Any]
    receipt: Mapping[str, Any]


def registry_root() -> Path:
    """Returns the studio's own registry: `$REAGE_HOME/registry`, else in `~/.reage`."""
    home = os.environ.get("REAGE_HOME")
    return (Path(home) if home else Path.home() / ".reage") / "registry"


def names_in(folder: Path) -> list[str]:
    """Returns the names of the entries in a folder, sorted; raises StorageError."""
    with local_errors(str(folder), "read"):
        if not folder.is_dir():
            return []
        found = [p.name for p in folder.iterdir() if (p / CONFIG).is_file() and p.name[0] != "."]
    return sorted(found)


def actors_in(folder: Path) -> list[str]:
    """Returns whose entries a folder of actors' folders holds, sorted; raises StorageError."""
    with local_errors(str(folder), "read"):
        if not folder.is_dir():
            return []
        return sorted(p.name for p in folder.iterdir() if safe_name(p.name) == p.name)


def read_entry(folder: Path, *, place: str) -> Entry:
    """Reads an entry and checks its files.

    Args:
        folder: Of the entry.
        place: Whose it is, for messages, as `prior compact`.

    Raises:
        RegistryError: It is incomplete, without a licence, or was changed.
        StorageError: A file cannot be read.
    """
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise RegistryError(
            f"{place}: {folder}: got no {', '.join(missing)}, expected {', '.join(FILES)}"
        )
    described = read_object(folder / CONFIG, place=place)
    config = described.get("config")
    licence = config.get("licence") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(licence, str) or not licence:
        raise RegistryError(
            f"{place}: {folder / CONFIG}: licence: got {licence!r}, expected its name; "
            "weights without a licence cannot be delivered with"
        )
    digest = file_digest(folder / WEIGHTS)
    if described.get("digest") != digest:
        raise RegistryError(
            f"{place}: {folder / WEIGHTS}: got sha256 {digest[:12]}…, expected "
            f"{str(described.get('digest'))[:12]}… as {CONFIG} says; restore its files"
        )
    receipt = {}
    if (folder / RECEIPT).is_file():
        receipt = read_object(folder / RECEIPT, place=place)
        check_unchanged(folder, receipt, FILES, known={WEIGHTS: digest}, place=place)
    return Entry(
        folder=folder,
        kind=str(described.get("kind", "")),
        digest=digest,
        licence=licence,
        config=config,
        receipt=receipt,
    )


def recorded_entry(folder: Path, *, place: str) -> Entry:
    """Returns a registered entry as its receipt has it, the weights neither read nor checked.

    Arguments and errors as of `read_entry`.
    """
    missing = [file for file in (*FILES, RECEIPT) if not (folder / file).is_file()]
    if missing:
        raise RegistryError(f"{place}: {folder}: got no {', '.join(missing)}, expected them")
    receipt = read_object(folder / RECEIPT, place=place)
    described = read_object(folder / CONFIG, place=place)
    config = described.get("config")
    if not isinstance(config, dict):
        raise RegistryError(
            f"{place}: {folder / CONFIG}: config: got {type(config).__name__}, expected an object"
        )
    return Entry(
        folder=folder,
        kind=str(described.get("kind", "")),
        digest=str(receipt.get("sha256", {}).get(WEIGHTS)),
        licence=str(config.get("licence")),
        config=config,
        receipt=receipt,
    )


def publish_entry(
    target: Path,
    write: Callable[[Path], None],
    facts: Mapping[str, Any],
    *,
    files: Sequence[str] = FILES,
) -> bool:
    """Makes a new entry: written beside its place, given a receipt, synced, renamed into it.

    Args:
        target: Folder of the entry, whose parent is made if need be.
        write: Writes the entry's files into the folder that it is given.
        facts: To be recorded in the receipt.
        files: Those whose digests the receipt holds.

    Returns:
        Whether it was made; False where another writer was first.

    Raises:
        StorageError: The registry cannot be written, say because the disk is full.
    """
    with local_errors(str(target), "write"):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            write(partial)
            _write_receipt(partial, facts, files)
            partial.chmod(0o755)
            _sync_all(partial)
            # A folder that is not empty cannot be replaced: of two racing writers one fails here.
            os.rename(partial, target)
        except OSError:
            if not target.exists():
                raise
            return False
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        sync(target.parent)
    return True


def remove_entry(folder: Path) -> None:
    """Removes an entry, at once for every reader that comes later; raises StorageError."""
    with local_errors(str(folder), "write"):
        gone = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        os.rename(folder, gone / folder.name)
        shutil.rmtree(gone)


def check_unchanged(
    folder: Path,
    receipt: Mapping[str, Any],
    files: Sequence[str],
    *,
    known: Mapping[str, str] | None = None,
    place: str,
) -> None:
    """Checks the files of an entry against its receipt.

    Args:
        folder: Of the entry.
        receipt: As `publish_entry` wrote it.
        files: Which.
        known: Digests (hex) that are known already, by file.
        place: Whose it is, for messages.

    Raises:
        RegistryError: A file was changed.
        StorageError: A file cannot be read.
    """
    digests = known or {}
    for file in files:
        expected = str(receipt.get("sha256", {}).get(file))
        actual = digests.get(file) or file_digest(folder / file)
        if actual != expected:
            raise RegistryError(
                f"{place}: {folder / file}: got sha256 {actual[:12]}…, expected "
                f"{expected[:12]}… as registered; restore the file, or register it under a new name"
            )


def read_object(path: Path, *, place: str) -> dict[str, Any]:
    """Reads a JSON object; raises RegistryError and StorageError."""
    with local_errors(str(path), "read"):
        data = path.read_bytes()
    try:
        value = json.loads(data)
    except ValueError as error:
        raise RegistryError(f"{place}: {path}: got {error}, expected JSON") from error
    if not isinstance(value, dict):
        raise RegistryError(f"{place}: {path}: got {type(value).__name__}, expected a JSON object")
    return value


def _write_receipt(folder: Path, facts: Mapping[str, Any], files: Sequence[str]) -> None:
    receipt = {
        **facts,
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": {file: file_digest(folder / file) for file in files},
    }
    (folder / RECEIPT).write_text(json.dumps(receipt, indent=1), encoding="utf-8")


def _sync_all(folder: Path) -> None:
    """Makes a folder and all in it survive a power cut, what lies deepest first."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def _sweep(target: Path) -> None:
    """Removes what killed writers of this entry left, once no living one can own it."""
    for left in target.parent.glob(f".{target.name}-*"):
        with suppress(FileNotFoundError):  # a living writer has just finished with it
            if time.time() - left.stat().st_mtime > _STALE_AFTER_S:
                shutil.rmtree(left, ignore_errors=True)
