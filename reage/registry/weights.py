"""Published weights that a studio has imported: what there is, on which terms, from which file.

Every entry lies under `weights/<kind>/<name>` of the registry, with the digest of the file that it
came from in its receipt. Knows nothing of networks: the entry's files are written by whoever does.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reage.errors import RegistryError
from reage.naming import check_name
from reage.registry.entry import (
    CARD,
    WEIGHTS,
    Entry,
    names_in,
    publish_entry,
    read_entry,
    recorded_entry,
    registry_root,
)
from reage.storage.local import local_errors

KINDS = ("sam", "psp", "stylegan2", "irse50", "dex", "mytm", "lpips", "eg3d")
DEFAULT_NAMES = {
    "sam": "sam-ffhq1024",
    "psp": "psp-ffhq1024",
    "stylegan2": "stylegan2-ffhq1024",
    "irse50": "irse50",
    "dex": "dex",
    "lpips": "lpips-alex",
    "eg3d": "eg3d-ffhq512",
}
COMMANDS = {
    "sam": "reage weights import sam_ffhq_aging.pt --as sam",
    "dex": "reage weights import dex_age_classifier.pth --as dex",
    "irse50": "reage weights import model_ir_se50.pth --as irse50",
}
RIGHTS = "Reage does not know what rights you hold; these terms are what is known of the weights."
_FFHQ = "trained on FFHQ: non-commercial, CC BY-NC-SA 4.0"
KNOWN_TERMS = {
    "sam": f"code MIT; weights {_FFHQ}",
    "psp": f"code MIT; weights {_FFHQ}",
    "stylegan2": f"weights by NVIDIA: Nvidia Source Code License-NC, non-commercial; {_FFHQ}",
    "irse50": "code MIT; weights trained on MS-Celeb-1M: non-commercial research only",
    "dex": "weights trained on IMDB-WIKI: academic research only",
    "mytm": f"weights derived from SAM, {_FFHQ}; and the person's own consent",
    "lpips": "BSD 2-Clause",
    "eg3d": f"weights by NVIDIA: proprietary licence, non-commercial; {_FFHQ}",
}
_SCHEMA = "reage.weights/1"


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """Imported weights on disk.

    Attributes:
        kind: One of KINDS.
        name: Under which they are registered.
        folder: Where the files lie.
        weights: The safetensors file.
        num_bytes: Size of the weights file.
        digest: SHA-256 of the weights file, in hex, as recorded.
        card: The model card.
        licence: As recorded at import.
        source: Name of the file they came from.
        source_digest: SHA-256 of that file, in hex.
        base_digest: Digest of the weights they build on; empty where they stand alone.
        registered: When, ISO 8601.
    """

    kind: str
    name: str
    folder: Path
    weights: Path
    num_bytes: int
    digest: str
    card: Path
    licence: str
    source: str
    source_digest: str
    base_digest: str
    registered: str


def weights_folder(kind: str) -> Path:
    """Returns where the entries of a kind lie."""
    return registry_root() / "weights" / kind


def list_weights() -> list[WeightsRecord]:
    """Returns all imported weights by kind and name; their files are not read through.

    Raises:
        RegistryError: A receipt is damaged.
        StorageError: A file cannot be read.
    """
    return [_recorded(kind, name) for kind in KINDS for name in names_in(weights_folder(kind))]


def find_weights(name: str) -> WeightsRecord:
    """Returns the weights of this name, their files unchanged.

    Raises:
        NamingError: `name` is no name.
        RegistryError: There are none, or they were changed.
        StorageError: Their files cannot be read.
    """
    check_name(name, what="weights")
    for kind in KINDS:
        if name in names_in(weights_folder(kind)):
            entry = read_entry(weights_folder(kind) / name, place=f"weights {name}")
            return _record(kind, name, entry.folder, entry)
    known = ", ".join(record.name for record in list_weights()) or "none"
    raise RegistryError(
        f"weights {name}: name: got {name}, expected one of: {known}; import the file "
        "(reage weights import --help)"
    )


def locate_weights(name: str) -> Path | None:
    """Returns the folder of weights of this name, however damaged; None if there are none."""
    folders = (weights_folder(kind) / name for kind in KINDS)
    return next((folder for folder in folders if folder.is_dir()), None)


def built_on(name: str) -> list[str]:
    """Returns the names of weights that build on those of this name."""
    found: dict[str, WeightsRecord] = {}
    for kind in KINDS:
        for other in names_in(weights_folder(kind)):
            with suppress(RegistryError):  # damaged ones build on nothing
                found[other] = _recorded(kind, other)
    digest = found[name].digest if name in found else None
    return [other for other, record in found.items() if digest and record.base_digest == digest]


def find_of_kind(kind: str) -> WeightsRecord | None:
    """Returns the weights of a kind: those of its default name, else the first by name."""
    names = names_in(weights_folder(kind))
    if not names:
        return None
    default = DEFAULT_NAMES.get(kind)
    return find_weights(default if default in names else names[0])


def register_weights(
    kind: str,
    name: str,
    write: Callable[[Path], None],
    *,
    source: Path,
    source_digest: str,
    base_digest: str = "",
) -> WeightsRecord:
    """Makes a new entry of imported weights, whole or not at all.

    Args:
        kind: One of KINDS.
        name: A name that is free; see `already_imported`.
        write: Writes config, weights and card into the folder that it is given.
        source: The file that was imported.
        source_digest: Its SHA-256, in hex.
        base_digest: Of the weights that these build on.

    Raises:
        RegistryError: Another writer took the name meanwhile.
        StorageError: The registry cannot be written, say because the disk is full.
    """
    facts = {
        "schema": _SCHEMA,
        "kind": kind,
        "name": name,
        "source": {"file": source.name, "sha256": source_digest},
        "base": base_digest,
    }
    if not publish_entry(weights_folder(kind) / name, write, facts):
        known = already_imported(kind, name, source_digest)
        assert known is not None
        return known
    return _recorded(kind, name)


def already_imported(kind: str, name: str, source_digest: str) -> WeightsRecord | None:
    """Returns the entry of this name if it came from this very file, None if the name is free.

    Raises:
        NamingError: `name` is no name.
        RegistryError: The name belongs to other weights.
        StorageError: A file cannot be read.
    """
    check_name(name, what="weights")
    known = next((record for record in list_weights() if record.name == name), None)
    if known is None:
        return None
    if (known.kind, known.source_digest) == (kind, source_digest):
        return find_weights(name)
    raise RegistryError(
        f"weights {name}: file: got {kind} {source_digest[:12]}…, expected {known.kind} "
        f"{known.source_digest[:12]}… or a new name; imported weights never change: give "
        "these another --name"
    )


def _recorded(kind: str, name: str) -> WeightsRecord:
    folder = weights_folder(kind) / name
    return _record(kind, name, folder, recorded_entry(folder, place=f"weights {name}"))


def _record(kind: str, name: str, folder: Path, entry: Entry) -> WeightsRecord:
    with local_errors(str(folder / WEIGHTS), "read"):
        num_bytes = (folder / WEIGHTS).stat().st_size
    source: dict[str, Any] = entry.receipt.get("source", {})
    return WeightsRecord(
        kind=kind,
        name=name,
        folder=folder,
        weights=folder / WEIGHTS,
        num_bytes=num_bytes,
        digest=entry.digest,
        card=folder / CARD,
        licence=entry.licence,
        source=str(source.get("file", "")),
        source_digest=str(source.get("sha256", "")),
        base_digest=str(entry.receipt.get("base", "")),
        registered=str(entry.receipt.get("registered", "")),
    )
