"""Where 3D priors are found: one that comes with Reage, a studio's own, or an imported EG3D.

A folder of a prior holds the three files of an entry, and perhaps `directions.safetensors`, what in
latent space has a meaning. Knows nothing of networks.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from reage.errors import RegistryError
from reage.naming import check_name
from reage.registry.entry import (
    CONFIG,
    FILES,
    WEIGHTS,
    names_in,
    publish_entry,
    read_entry,
    registry_root,
)
from reage.registry.weights import DEFAULT_NAMES, weights_folder
from reage.storage import file_digest

DIRECTIONS = "directions.safetensors"

_BESIDE = (DIRECTIONS, "recipe.json", "curve.png")
_SCHEMA = "reage.prior3d/1"
_EMBEDDED = Path(__file__).resolve().parents[2] / "models" / "priors3d"


@dataclass(frozen=True, kw_only=True)
class TriplanePriorRecord:
    """A 3D prior on disk.

    Attributes:
        name: As commands name it.
        kind: Of the weights: "eg3d" for a generator alone, "face3d" with encoder and ageing path.
        folder: Where its files lie.
        digest: SHA-256 of the weights file, in hex.
        directions_digest: SHA-256 of the directions, in hex; empty where there are none.
        licence: As its config states it.
    """

    name: str
    kind: str
    folder: Path
    digest: str
    directions_digest: str
    licence: str

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS

    @property
    def directions(self) -> Path | None:
        """The file of directions in latent space; None where there is none."""
        return self.folder / DIRECTIONS if self.directions_digest else None


def triplane_priors() -> list[str]:
    """Returns the names of all 3D priors that can be found, the default first."""
    return list(dict.fromkeys(name for root in _roots() for name in names_in(root)))


def find_triplane_prior(name: str | None = None) -> TriplanePriorRecord:
    """Returns a 3D prior, its files present and, if registered, unchanged.

    Args:
        name: Of a prior, or the path of a prior's folder; the first there is if not given: Reage's
            own, the studio's, an imported EG3D.

    Raises:
        RegistryError: There is no such prior, or it is incomplete or was changed.
        StorageError: Its files cannot be read.
    """
    known = triplane_priors()
    wanted = known[0] if name is None and known else name
    for root in _roots():
        if wanted is not None and wanted in names_in(root):
            return _read(root / wanted, wanted)
    if wanted is not None and (Path(wanted) / CONFIG).is_file():
        return _read(Path(wanted).resolve(), Path(wanted).resolve().name)
    raise RegistryError(
        f"3D prior {wanted or 'none'}: name: got no such prior, expected one of: "
        f"{', '.join(known) or 'none'}, or a prior's folder; train one: reage train-prior FACES/ "
        "--kind face3d, or bring one: reage weights import ffhqrebalanced512-128.pkl --as eg3d "
        f"(it is then {DEFAULT_NAMES['eg3d']})"
    )


def register_triplane_prior(folder: Path, name: str) -> TriplanePriorRecord:
    """Copies a 3D prior into the studio's registry, where it stays as it is.

    Args:
        folder: Holds the prior's three files and perhaps what is beside them.
        name: To find it under. Registering the same weights again changes nothing.

    Raises:
        NamingError: `name` is no name.
        RegistryError: The folder is no prior, or the name belongs to other weights.
        StorageError: A file cannot be read or the registry cannot be written.
    """
    check_name(name, what="3D prior")
    candidate = _read(folder, name)

    def write(partial: Path) -> None:
        for file in (*FILES, *_BESIDE):
            if (folder / file).is_file():
                shutil.copyfile(folder / file, partial / file)

    if name not in triplane_priors():
        publish_entry(triplane_priors_folder() / name, write, {"schema": _SCHEMA, "name": name})
    known = find_triplane_prior(name)
    if known.digest != candidate.digest:
        raise RegistryError(
            f"3D prior {name}: weights: got {candidate.digest[:12]}…, expected "
            f"{known.digest[:12]}… or a new name; registered priors never change"
        )
    return known


def triplane_priors_folder() -> Path:
    """Returns where the studio's own 3D priors lie."""
    return registry_root() / "priors3d"


def _roots() -> list[Path]:
    return [_EMBEDDED, triplane_priors_folder(), weights_folder("eg3d")]


def _read(folder: Path, name: str) -> TriplanePriorRecord:
    entry = read_entry(folder, place=f"3D prior {name}")
    directions = folder / DIRECTIONS
    return TriplanePriorRecord(
        name=name,
        kind=entry.kind,
        folder=folder,
        digest=entry.digest,
        directions_digest=file_digest(directions) if directions.is_file() else "",
        licence=entry.licence,
    )
