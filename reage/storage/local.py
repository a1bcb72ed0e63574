"""Files on this machine: written whole or not at all, digested, their faults in one sentence."""

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reage.errors import StorageError

CHUNK_BYTES = 1 << 20
PARTIAL_PREFIX = ".reage-partial-"


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a local file in hex, streaming; raises StorageError."""
    with local_errors(str(path), "read"), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_file(path: Path, *, place: str) -> Iterator[Path]:
    """Yields a path beside `path` that replaces it at the end, or vanishes on an error."""
    path = Path(path)
    partial = partial_beside(path)
    with local_errors(place, "write"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            sync(partial)
            os.replace(partial, path)
            sync(path.parent)
        finally:
            partial.unlink(missing_ok=True)


def partial_beside(path: Path) -> Path:
    """Returns a fresh temporary name in the folder of `path`, which no listing shows."""
    return path.parent / f"{PARTIAL_PREFIX}{uuid.uuid4().hex}"


def sync(path: Path) -> None:
    """Makes a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_CURES = {
    errno.ENOSPC: "free some space or choose another place",
    errno.EDQUOT: "free some space or ask for a larger quota",
    errno.EFBIG: "raise the file-size limit",
    errno.EACCES: "give this user permission or choose another place",
    errno.EPERM: "give this user permission or choose another place",
    errno.EROFS: "choose a place that can be written",
    errno.ENOENT: "check the path",
}


@contextmanager
def local_errors(place: str, verb: str) -> Iterator[None]:
    """Turns what the operating system says about files into one StorageError sentence."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        cure = _CURES.get(error.errno or 0)
        raise StorageError(
            f"{place}: {verb}: got {error.strerror or error}, expected a "
            f"{'readable file' if verb == 'read' else 'writable folder with free space'}"
            + (f"; {cure}" if cure else "")
        ) from error
