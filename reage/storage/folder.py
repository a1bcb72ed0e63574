"""A local folder that behaves as a bucket does: whole objects, conditional puts, flat keys.

Every object is first a temporary file beside its place. A plain put renames it; a conditional put
hard-links it, which the file system refuses when the name is taken, whoever else is writing.
"""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from reage.errors import StorageError, VersionExistsError
from reage.storage.contract import Storage, StoredObject, check_key, check_prefix
from reage.storage.local import (
    CHUNK_BYTES,
    PARTIAL_PREFIX,
    atomic_file,
    local_errors,
    partial_beside,
    sync,
)

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class FolderStorage(Storage):
    """Objects as files under one root folder, which the first put creates."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def uri(self, key: str = "") -> str:
        """Returns the `file://` URI of a key, or of the root."""
        return (self.root / key).as_uri()

    def exists(self, key: str) -> bool:
        """Says whether there is a file under exactly this key; raises StorageError."""
        with local_errors(self.uri(key), "look up"):
            return self._path(key).is_file()

    def list_objects(self, prefix: str = "") -> list[StoredObject]:
        """Returns every object whose key begins with `prefix`, sorted; raises StorageError."""
        check_prefix(prefix, place=self.uri())
        top = self.root / prefix.rpartition("/")[0]
        found: list[StoredObject] = []
        for folder, _, names in os.walk(top, onerror=self._raise_unless_missing):
            for name in names:
                path = Path(folder) / name
                key = path.relative_to(self.root).as_posix()
                if name.startswith(PARTIAL_PREFIX) or not key.startswith(prefix):
                    continue
                with local_errors(self.uri(key), "look up"):
                    try:
                        facts = path.stat()
                    except FileNotFoundError:  # removed since, or a link to nowhere
                        continue
                # A put renames a new file into place: another inode, whatever the clock says.
                stamp = f"{facts.st_mtime_ns}-{facts.st_ino}"
                found.append(StoredObject(key, facts.st_size, stamp))
        return sorted(found, key=lambda item: item.key)

    def list_folders(self, prefix: str = "") -> list[str]:
        """Returns the names of non-empty folders directly under `prefix`; raises StorageError."""
        check_prefix(prefix, place=self.uri())
        base = f"{prefix.rstrip('/')}/" if prefix else ""
        # A bucket has no empty folders: a folder counts here when a key lies in it, too.
        keys = self.list_keys(base)
        below = [key[len(base) :].partition("/") for key in keys]
        return sorted({name for name, separator, _ in below if separator})

    def remove(self, key: str) -> None:
        """Removes an object; one that is not there is no error. Raises StorageError."""
        path = self._path(key)
        with local_errors(self.uri(key), "remove"):
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync(path.parent)

    def abort_stale_uploads(self, *, older_than: timedelta = timedelta(days=1)) -> list[str]:
        """Removes the temporary files of killed puts, and returns their names below the root."""
        removed = []
        for partial in sorted(self.root.rglob(f"{PARTIAL_PREFIX}*")):
            with local_errors(str(partial), "remove"):
                try:
                    if time.time() - partial.stat().st_mtime < older_than.total_seconds():
                        continue
                    partial.unlink()
                except FileNotFoundError:  # its writer has just finished
                    continue
            removed.append(partial.relative_to(self.root).as_posix())
        return removed

    def _path(self, key: str) -> Path:
        return self.root / check_key(key, place=self.uri())

    def _write(self, source: Path | bytes, key: str, *, if_absent: bool) -> None:
        path = self._path(key)
        if if_absent:
            self._write_once(source, path, key)
            return
        with atomic_file(path, place=self.uri(key)) as partial:
            _copy(source, partial)

    def _write_once(self, source: Path | bytes, path: Path, key: str) -> None:
        partial = partial_beside(path)
        with local_errors(self.uri(key), "put"):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _copy(source, partial)
                sync(partial)
                self._link(partial, path, key)
                sync(path.parent)
            finally:
                partial.unlink(missing_ok=True)

    def _link(self, partial: Path, path: Path, key: str) -> None:
        try:
            os.link(partial, path)
        except FileExistsError as error:
            raise VersionExistsError(
                f"{self.uri(key)}: put: got an object that exists, expected none; "
                "publish a new version"
            ) from error
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            raise StorageError(
                f"{self.uri(key)}: put: got {error.strerror}, expected a file system with hard "
                "links (conditional writes need them); choose another destination"
            ) from error

    def _chunks(self, key: str) -> Iterator[bytes]:
        with local_errors(self.uri(key), "read"), self._path(key).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def _raise_unless_missing(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            with local_errors(self.uri(), "list"):
                raise error


def _copy(source: Path | bytes, target: Path) -> None:
    with target.open("xb") as file:
        if isinstance(source, bytes):
            file.write(source)
            return
        with Path(source).open("rb") as original:
            shutil.copyfileobj(original, file, CHUNK_BYTES)
