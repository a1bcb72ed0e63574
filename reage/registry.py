"""Where priors are found by name: the one that comes with Reage, and those a studio has registered.

A prior is a folder with `config.json`, `weights.safetensors` and `MODEL_CARD.md`. A registered one
is a copy that is never changed: its files are checked against the digests taken at registration.
Knows nothing of networks; what the weights mean is the business of whoever loads them.
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reage.errors import RegistryError
from reage.naming import check_name
from reage.storage import file_digest
from reage.storage.local import local_errors

DEFAULT_PRIOR = "compact"

_EMBEDDED = Path(__file__).resolve().parents[1] / "models" / "priors"
_CONFIG, _WEIGHTS, _CARD = _FILES = ("config.json", "weights.safetensors", "MODEL_CARD.md")
_RECEIPT = "registered.json"
_SCHEMA = "reage.prior/1"


@dataclass(frozen=True, kw_only=True)
class PriorRecord:
    """A prior on disk.

    Attributes:
        name: As manifests name it.
        folder: Where its three files lie.
        weights: The safetensors file.
        digest: SHA-256 of the weights file, in hex.
        card: The model card.
        licence: As its config states it.
    """

    name: str
    folder: Path
    weights: Path
    digest: str
    card: Path
    licence: str


def registry_root() -> Path:
    """Returns where a studio's own weights lie: `$REAGE_HOME/registry`, else in `~/.reage`."""
    home = os.environ.get("REAGE_HOME")
    return (Path(home) if home else Path.home() / ".reage") / "registry"


def registry_folder() -> Path:
    """Returns the studio's own priors: `priors` in the registry."""
    return registry_root() / "priors"


def list_priors() -> list[str]:
    """Returns the names of all priors that can be found, sorted; raises StorageError."""
    return sorted({*_names_in(_EMBEDDED), *_names_in(registry_folder())})


def find_prior(name: str = DEFAULT_PRIOR) -> PriorRecord:
    """Returns the prior of this name, its files present and, if registered, unchanged.

    Raises:
        NamingError: `name` is no name.
        RegistryError: There is no such prior, or it is incomplete or was changed.
        StorageError: Its files cannot be read.
    """
    check_name(name, what="prior")
    for root in (_EMBEDDED, registry_folder()):
        if (root / name / _CONFIG).is_file():
            return _read_prior(root / name, name)
    known = ", ".join(list_priors()) or "none"
    raise RegistryError(
        f"prior {name}: name: got {name}, expected one of: {known}; correct the manifest's prior, "
        "or register the prior"
    )


def register_prior(folder: Path, name: str) -> PriorRecord:
    """Copies a prior into the studio's registry, where it stays as it is.

    Args:
        folder: Holds the prior's three files.
        name: What manifests shall call it. Registering the same files again changes nothing.

    Raises:
        NamingError: `name` is no name.
        RegistryError: The folder is no prior, or the name belongs to other weights.
        StorageError: A file cannot be read or the registry cannot be written.
    """
    check_name(name, what="prior")
    candidate = _read_prior(Path(folder), name)
    files = {file: file_digest(candidate.folder / file) for file in _FILES}
    if name in list_priors():
        return _same_or_refused(name, files)
    target = registry_folder() / name
    receipt = {
        "schema": _SCHEMA,
        "name": name,
        "registered": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": files,
    }
    with local_errors(str(target), "write"):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
        try:
            for file in _FILES:
                shutil.copyfile(candidate.folder / file, partial / file)
            (partial / _RECEIPT).write_text(json.dumps(receipt, indent=1), encoding="utf-8")
            partial.chmod(0o755)
            # A folder that is not empty cannot be replaced: of two racing writers one fails here.
            os.rename(partial, target)
        except OSError:
            if not target.exists():
                raise
            return _same_or_refused(name, files)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return find_prior(name)


def _same_or_refused(name: str, files: dict[str, str]) -> PriorRecord:
    known = find_prior(name)
    if all(file_digest(known.folder / file) == digest for file, digest in files.items()):
        return known
    raise RegistryError(
        f"prior {name}: weights: got {files[_WEIGHTS][:12]}…, expected {known.digest[:12]}… or a "
        "new name; registered priors never change: register these under another name"
    )


def _read_prior(folder: Path, name: str) -> PriorRecord:
    missing = [file for file in _FILES if not (folder / file).is_file()]
    if missing:
        raise RegistryError(
            f"prior {name}: {folder}: got no {', '.join(missing)}, expected {', '.join(_FILES)}"
        )
    described = _read_json(folder / _CONFIG, name)
    config = described.get("config")
    licence = config.get("licence") if isinstance(config, dict) else None
    if not isinstance(licence, str) or not licence:
        raise RegistryError(
            f"prior {name}: {folder / _CONFIG}: licence: got {licence!r}, expected its name; "
            "a prior without a licence cannot be delivered with"
        )
    digest = file_digest(folder / _WEIGHTS)
    if described.get("digest") != digest:
        raise RegistryError(
            f"prior {name}: {folder / _WEIGHTS}: got sha256 {digest[:12]}…, expected "
            f"{str(described.get('digest'))[:12]}… as {_CONFIG} says; restore the prior's files"
        )
    if (folder / _RECEIPT).is_file():
        _check_unchanged(folder, name)
    return PriorRecord(
        name=name,
        folder=folder,
        weights=folder / _WEIGHTS,
        digest=digest,
        card=folder / _CARD,
        licence=licence,
    )


def _check_unchanged(folder: Path, name: str) -> None:
    receipt = _read_json(folder / _RECEIPT, name)
    for file in _FILES:
        expected = str(receipt.get("sha256", {}).get(file))
        actual = file_digest(folder / file)
        if actual != expected:
            raise RegistryError(
                f"prior {name}: {folder / file}: got sha256 {actual[:12]}…, expected "
                f"{expected[:12]}… as registered; restore the file, or register it under a new name"
            )


def _read_json(path: Path, name: str) -> dict[str, Any]:
    with local_errors(str(path), "read"):
        data = path.read_bytes()
    try:
        value = json.loads(data)
    except ValueError as error:
        raise RegistryError(f"prior {name}: {path}: got {error}, expected JSON") from error
    if not isinstance(value, dict):
        raise RegistryError(
            f"prior {name}: {path}: got {type(value).__name__}, expected a JSON object"
        )
    return value


def _names_in(root: Path) -> list[str]:
    with local_errors(str(root), "read"):
        if not root.is_dir():
            return []
        return [p.name for p in root.iterdir() if (p / _CONFIG).is_file() and p.name[0] != "."]
