"""A replay buffer: photographs of earlier increments to rehearse, and others to examine by.

What is rehearsed was chosen in latent space by whoever knows how; what is held out was chosen by
the photographs' digests (held_out.py) and is never learnt from. Knows nothing of networks.

Shapes: N photographs, R crop size, D latent numbers, E embedding size, P photographs of the pool
that was chosen from.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from reage.errors import RegistryError


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """Photographs of one actor as a night knows them, one row each.

    Attributes:
        crops: uint8, (N, R, R, 3), sRGB, aligned for the prior.
        codes: The prior's latents of the crops, flattened, float32, (N, D).
        embeddings: Unit, float32, (N, E).
        hashes: Of the aligned faces, bool, (N, 16, 16).
        sharpness: float32, (N,).
        ages: Years, float32, (N,).
        age_sources: Where the ages come from, (N,).
        names: Within the collection, (N,).
        photographs: SHA-256 (hex) of the files, (N,).
        increments: In which they came, int64, (N,).
    """

    crops: NDArray[np.uint8]
    codes: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    hashes: NDArray[np.bool_]
    sharpness: NDArray[np.float32]
    ages: NDArray[np.float32]
    age_sources: NDArray[np.str_]
    names: NDArray[np.str_]
    photographs: NDArray[np.str_]
    increments: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.photographs)

    def rows(self, rows: Sequence[int] | NDArray[np.integer]) -> "Faces":
        """Returns some of them."""
        chosen = np.asarray(rows, np.int64)
        return Faces(**{name: array[chosen] for name, array in self.arrays().items()})

    def and_then(self, others: "Faces") -> "Faces":
        """Returns these followed by others, of the same prior."""
        pairs = zip(self.arrays().items(), others.arrays().values(), strict=True)
        return Faces(**{name: np.concatenate([own, other]) for (name, own), other in pairs})

    def arrays(self) -> dict[str, NDArray]:
        """Returns the columns by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def num_bytes(self) -> int:
        """Size of the columns in memory, and on disk but for a few headers."""
        return sum(array.nbytes for array in self.arrays().values())


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolMap:
    """What the rehearsed photographs were chosen from, on its two principal axes.

    Attributes:
        places: float32, (P, 2).
        increments: int64, (P,).
        kept: Rows that were chosen, int64; in the order of the buffer's rehearsed faces.
    """

    places: NDArray[np.float32]
    increments: NDArray[np.int64]
    kept: NDArray[np.int64]

    @classmethod
    def of(cls, pool: Faces, kept: NDArray[np.int64]) -> "PoolMap":
        """Projects a pool's codes onto their principal axes; signs are fixed by the first row."""
        centred = pool.codes.astype(np.float64) - pool.codes.mean(axis=0, dtype=np.float64)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        places = np.zeros((len(pool), 2))
        found = centred @ axes[:2].T
        places[:, : found.shape[1]] = found
        signs = np.where(places[0] < 0, -1.0, 1.0)
        return cls(
            places=(places * signs).astype(np.float32), increments=pool.increments, kept=kept
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplayBuffer:
    """All of it.

    Attributes:
        kept: To rehearse.
        held_out: To examine by.
        seen: SHA-256 (hex) of every photograph that was ever learnt from or held out.
        pool: What `kept` was chosen from.
    """

    kept: Faces
    held_out: Faces
    seen: tuple[str, ...]
    pool: PoolMap

    def to_bytes(self) -> bytes:
        """Returns the buffer as an .npz file, the same bytes for the same buffer."""
        arrays: dict[str, NDArray] = {
            **{f"kept_{name}": array for name, array in self.kept.arrays().items()},
            **{f"held_out_{name}": array for name, array in self.held_out.arrays().items()},
            "seen": _packed(self.seen),
            "pool_places": self.pool.places,
            "pool_increments": self.pool.increments,
            "pool_kept": self.pool.kept,
        }
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()


def load_buffer(path: Path) -> ReplayBuffer:
    """Reads what `ReplayBuffer.to_bytes` wrote.

    Raises:
        RegistryError: The file holds no buffer.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return ReplayBuffer(
                kept=_faces(arrays, "kept_"),
                held_out=_faces(arrays, "held_out_"),
                seen=tuple(row.tobytes().hex() for row in arrays["seen"]),
                pool=PoolMap(
                    places=arrays["pool_places"],
                    increments=arrays["pool_increments"],
                    kept=arrays["pool_kept"],
                ),
            )
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise RegistryError(
            f"{path}: got {error}, expected a replay buffer; restore the file"
        ) from error


def _faces(arrays: Mapping[str, NDArray], prefix: str) -> Faces:
    return Faces(**{field.name: arrays[f"{prefix}{field.name}"] for field in fields(Faces)})


def _packed(digests: Sequence[str]) -> NDArray[np.uint8]:
    """Returns digests (hex) as bytes, uint8, (N, 32)."""
    return np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, 32)
