"""Pointers to 3D priors and posed photographs; see refs.py for what a pointer is."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from models.face3d.loading import LoadedFace3D, load_face3d
from models.published_file import CheckpointError
from reage.errors import RegistryError
from reage.registry.triplane_priors import TriplanePriorRecord
from tasks.gpu import device


@dataclass(frozen=True, kw_only=True)
class Face3DPriorRef:
    """A 3D prior.

    Attributes:
        name: As commands name it.
        kind: Of the weights.
        folder: Where its files lie.
        digest: SHA-256 of the weights.
        directions: Path of the directions; empty for none.
        directions_digest: SHA-256 of them; empty for none.
    """

    name: str
    kind: str
    folder: str
    digest: str
    directions: str
    directions_digest: str

    @classmethod
    def of(cls, record: TriplanePriorRecord) -> "Face3DPriorRef":
        """Points to a prior that was found."""
        return cls(
            name=record.name,
            kind=record.kind,
            folder=str(record.folder),
            digest=record.digest,
            directions="" if record.directions is None else str(record.directions),
            directions_digest=record.directions_digest,
        )


@dataclass(frozen=True, kw_only=True)
class PosedRef:
    """Photographs with their cameras, in one .npz file, in order of age.

    Its arrays: `crops` uint8 (N, R, R, 3), sRGB; `cameras` float32 (N, 25), labels; `angles`
    (N, 2), yaw and pitch, degrees; `ages` float32 (N,), years; `names` (N,).

    Attributes:
        path: Of the .npz file.
        digest: Content key.
        num_photos: N.
        num_refused: Photographs of the collection that show the face from too far aside.
    """

    path: str
    digest: str
    num_photos: int
    num_refused: int


@lru_cache(maxsize=2)
def loaded_face3d_prior(ref: Face3DPriorRef) -> LoadedFace3D:
    """Loads a 3D prior once per process, on the device of networks.

    Raises:
        RegistryError: The folder holds no such prior.
    """
    try:
        directions = Path(ref.directions) if ref.directions else None
        loaded = load_face3d(Path(ref.folder), ref.kind, directions)
    except CheckpointError as error:
        raise RegistryError(f"3D prior {ref.name}: {error}") from error
    return replace(loaded, generator=loaded.generator.to(device()))
