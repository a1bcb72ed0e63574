"""Where 3D priors are found by name: the one that comes with Reage, and those of the studio."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from reage.errors import RegistryError
from reage.naming import check_name
from reage.registry.entry import (
    CONFIG,
    FILES,
    names_in,
    publish_entry,
    read_entry,
    registry_root,
)

DEFAULT_FACE3D_PRIOR = "compact"

_EMBEDDED = Path(__file__).resolve().parents[2] / "models" / "priors3d"
_SCHEMA = "reage.prior3d/1"
_BESIDE_CARD = ("recipe.json", "curve.png")


@dataclass(frozen=True, kw_only=True)
class Face3DPriorRecord:
    """A 3D prior on disk: its name, folder, the SHA-256 of its weights, and its licence."""

    name: str
    folder: Path
    digest: str
    licence: str


def list_face3d_priors() -> list[str]:
    """Returns the names of all 3D priors that can be found, sorted; raises StorageError."""
    return sorted({name for root in _roots() for name in names_in(root)})


def find_face3d_prior(name: str = DEFAULT_FACE3D_PRIOR) -> Face3DPriorRecord:
    """Returns the 3D prior of this name, its files present and, if registered, unchanged.

    Raises:
        NamingError: `name` is no name.
        RegistryError: There is no such prior, or it is incomplete or was changed.
        StorageError: Its files cannot be read.
    """
    check_name(name, what="3D prior")
    for root in _roots():
        if (root / name / CONFIG).is_file():
            return _read(root / name, name)
    known = ", ".join(list_face3d_priors()) or "none"
    raise RegistryError(
        f"3D prior {name}: name: got {name}, expected one of: {known}; train one: "
        "reage train-prior FACES/ --kind face3d"
    )


def register_face3d_prior(folder: Path, name: str) -> Face3DPriorRecord:
    """Copies a 3D prior into the studio's registry, where it stays as it is.

    Args:
        folder: Holds the prior's three files and perhaps the recipe and the curve's picture.
        name: To find it under. Registering the same weights again changes nothing.

    Raises:
        NamingError: `name` is no name.
        RegistryError: The folder is no prior, or the name belongs to other weights.
        StorageError: A file cannot be read or the registry cannot be written.
    """
    check_name(name, what="3D prior")
    candidate = _read(Path(folder), name)

    def write(partial: Path) -> None:
        for file in (*FILES, *_BESIDE_CARD):
            if (candidate.folder / file).is_file():
                shutil.copyfile(candidate.folder / file, partial / file)

    if name not in list_face3d_priors():
        publish_entry(_studios() / name, write, {"schema": _SCHEMA, "name": name})
    known = find_face3d_prior(name)
    if known.digest != candidate.digest:
        raise RegistryError(
            f"3D prior {name}: weights: got {candidate.digest[:12]}…, expected "
            f"{known.digest[:12]}… or a new name; registered priors never change"
        )
    return known


def _studios() -> Path:
    return registry_root() / "priors3d"


def _roots() -> list[Path]:
    return [_EMBEDDED, _studios()]


def _read(folder: Path, name: str) -> Face3DPriorRecord:
    entry = read_entry(folder, place=f"3D prior {name}")
    return Face3DPriorRecord(name=name, folder=folder, digest=entry.digest, licence=entry.licence)
