"""Where priors are found by name: the one that comes with Reage, and those a studio has registered.

A prior is an entry of the registry (entry.py): trained by the studio and registered, or
published weights that were imported (weights.py) and are a prior as they are. Knows
nothing of networks; what the weights mean is the business of whoever loads them.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from reage.errors import RegistryError
from reage.naming import check_name
from reage.registry.entry import (
    CARD,
    CONFIG,
    FILES,
    WEIGHTS,
    names_in,
    publish_entry,
    read_entry,
    registry_root,
)
from reage.registry.weights import COMMANDS, DEFAULT_NAMES, find_of_kind, weights_folder
from reage.storage import file_digest

DEFAULT_PRIOR = "compact"

_EMBEDDED = Path(__file__).resolve().parents[2] / "models" / "priors"
_SCHEMA = "reage.prior/1"
# What a model card speaks of and is registered with it where it is there.
_BESIDE_CARD = ("recipe.json", "curve.png")
# Kinds of published weights that are priors, and what tells age and likeness for them.
_PUBLISHED_PRIORS = ("sam",)
_JUDGES = {"age": "dex", "likeness": "irse50"}


@dataclass(frozen=True, kw_only=True)
class JudgeRecord:
    """A network that tells age or likeness for a prior that has none of its own.

    Attributes:
        role: `age` or `likeness`.
        kind: `dex`, `irse50` or, standing in for one that is not registered, `compact`.
        folder: Where its files lie.
        digest: SHA-256 of its weights, in hex.
    """

    role: str
    kind: str
    folder: Path
    digest: str


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
        judges: What tells age and likeness for it; empty where it does so itself.
    """

    name: str
    folder: Path
    weights: Path
    digest: str
    card: Path
    licence: str
    judges: tuple[JudgeRecord, ...] = ()


def registry_folder() -> Path:
    """Returns the studio's own priors: `$REAGE_HOME/registry/priors`, else in `~/.reage`."""
    return registry_root() / "priors"


def list_priors() -> list[str]:
    """Returns the names of all priors that can be found, sorted; raises StorageError."""
    return sorted({name for root in _roots() for name in names_in(root)})


def find_prior(name: str = DEFAULT_PRIOR) -> PriorRecord:
    """Returns the prior of this name, its files present and, if registered, unchanged.

    Raises:
        NamingError: `name` is no name.
        RegistryError: There is no such prior, or it is incomplete or was changed.
        StorageError: Its files cannot be read.
    """
    check_name(name, what="prior")
    for root in _roots():
        if (root / name / CONFIG).is_file():
            return _read_prior(root / name, name)
    raise RegistryError(f"prior {name}: name: got {name}, expected {_expected(name)}")


def register_prior(folder: Path, name: str) -> PriorRecord:
    """Copies a prior into the studio's registry, where it stays as it is.

    Args:
        folder: Holds the prior's three files and perhaps the recipe and the curve's picture, which
            are taken along.
        name: What manifests shall call it. Registering the same files again changes nothing.

    Raises:
        NamingError: `name` is no name.
        RegistryError: The folder is no prior, or the name belongs to other weights.
        StorageError: A file cannot be read or the registry cannot be written.
    """
    check_name(name, what="prior")
    candidate = _read_prior(Path(folder), name)
    files = {file: file_digest(candidate.folder / file) for file in FILES}
    if name in list_priors():
        return _same_or_refused(name, files)

    def write(partial: Path) -> None:
        for file in (*FILES, *_BESIDE_CARD):
            if (candidate.folder / file).is_file():
                shutil.copyfile(candidate.folder / file, partial / file)

    facts = {"schema": _SCHEMA, "name": name}
    if not publish_entry(registry_folder() / name, write, facts):
        return _same_or_refused(name, files)
    return find_prior(name)


def is_embedded(name: str) -> bool:
    """Returns whether a prior comes with Reage."""
    return (_EMBEDDED / name / CONFIG).is_file()


def _roots() -> list[Path]:
    published = [weights_folder(kind) for kind in _PUBLISHED_PRIORS]
    return [_EMBEDDED, registry_folder(), *published]


def _expected(name: str) -> str:
    """What could be meant or done, for the message about a prior that is not there."""
    known = ", ".join(list_priors()) or "none"
    for kind in _PUBLISHED_PRIORS:
        if name == DEFAULT_NAMES[kind]:
            commands = ", ".join(COMMANDS[k] for k in (kind, *_JUDGES.values()))
            return (
                f"its weights in the registry, which has the priors {known}; bring the published "
                f"files: {commands} (the last two judge age and likeness and may be left out)"
            )
    return (
        f"one of: {known}; correct the manifest's prior, register the prior, or import published "
        "weights (reage weights import --help)"
    )


def _same_or_refused(name: str, files: dict[str, str]) -> PriorRecord:
    known = find_prior(name)
    if all(file_digest(known.folder / file) == digest for file, digest in files.items()):
        return known
    raise RegistryError(
        f"prior {name}: weights: got {files[WEIGHTS][:12]}…, expected {known.digest[:12]}… or a "
        "new name; registered priors never change: register these under another name"
    )


def _read_prior(folder: Path, name: str) -> PriorRecord:
    entry = read_entry(folder, place=f"prior {name}")
    is_published = entry.receipt.get("kind") in _PUBLISHED_PRIORS
    return PriorRecord(
        name=name,
        folder=folder,
        weights=folder / WEIGHTS,
        digest=entry.digest,
        card=folder / CARD,
        licence=entry.licence,
        judges=_judges() if is_published else (),
    )


def _judges() -> tuple[JudgeRecord, ...]:
    """The registered judge of every role, else the embedded prior's own networks."""
    found = []
    for role, kind in _JUDGES.items():
        record = find_of_kind(kind)
        used = record or find_prior(DEFAULT_PRIOR)
        named = DEFAULT_PRIOR if record is None else kind
        found.append(JudgeRecord(role=role, kind=named, folder=used.folder, digest=used.digest))
    return tuple(found)
