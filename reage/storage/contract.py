"""What every store offers, whatever lies beneath it.

A subclass writes one object whole, reads one in chunks, and lists; everything else follows here.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from reage.errors import StorageError
from reage.storage.local import PARTIAL_PREFIX, atomic_file, file_digest

_KEY_BYTES = 1024
_SEGMENT_BYTES = 255
_READ_LIMIT_BYTES = 64 << 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class StoreUnavailableError(StorageError, ConnectionError):
    """A store did not answer, or said it was busy: trying again later may help."""


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing shows it.

    Attributes:
        key: Relative to the store.
        num_bytes: Its size.
        stamp: Changes whenever the object is written with other bytes; means nothing else.
    """

    key: str
    num_bytes: int
    stamp: str


class Storage(ABC):
    """A flat set of objects under keys such as `demo/sq010/sh0040/v003/index.json`."""

    @abstractmethod
    def uri(self, key: str = "") -> str:
        """Returns the full URI of a key, or of the store itself."""

    @abstractmethod
    def exists(self, key: str) -> bool:
        """Says whether there is an object under exactly this key."""

    def list_keys(self, prefix: str = "") -> list[str]:
        """Returns every key that begins with `prefix`, sorted; an unfinished upload is no key."""
        return [item.key for item in self.list_objects(prefix)]

    @abstractmethod
    def list_objects(self, prefix: str = "") -> list[StoredObject]:
        """Returns what `list_keys` does, with size and stamp, without reading any object."""

    @abstractmethod
    def list_folders(self, prefix: str = "") -> list[str]:
        """Returns the names of the folders directly under the folder `prefix`, sorted."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Removes an object; one that is not there is no error. Raises StorageError."""

    @abstractmethod
    def abort_stale_uploads(self, *, older_than: timedelta = timedelta(days=1)) -> list[str]:
        """Removes what killed uploads left behind, and returns the names of what it removed.

        Args:
            older_than: Uploads begun less than this ago are taken to be alive and are left alone.
        """

    @abstractmethod
    def _write(self, source: Path | bytes, key: str, *, if_absent: bool) -> None:
        """Makes `source` appear whole under `key`; raises VersionExistsError, or StorageError."""

    @abstractmethod
    def _chunks(self, key: str) -> Iterator[bytes]:
        """Yields the object's bytes in pieces of bounded size; raises StorageError."""

    def put_file(self, path: Path, key: str, *, if_absent: bool = False) -> str:
        """Copies a local file into the store, reads it back and returns its SHA-256 in hex.

        Args:
            path: File of any size; it is streamed.
            key: Where it goes; relative, `/` between segments.
            if_absent: Refuse to replace an object.

        Raises:
            VersionExistsError: `if_absent`, and there is an object under `key`.
            StorageError: The file cannot be read, the store cannot be written, or what came back
                differs from what was sent.
        """
        check_key(key, place=self.uri())
        expected = file_digest(path)
        self._write(path, key, if_absent=if_absent)
        return self._read_back(key, expected)

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> str:
        """Writes a small object, reads it back and returns its SHA-256; raises as `put_file`."""
        check_key(key, place=self.uri())
        self._write(data, key, if_absent=if_absent)
        return self._read_back(key, hashlib.sha256(data).hexdigest())

    def get_file(self, key: str, path: Path) -> str:
        """Copies an object to a local file, which appears whole or not at all.

        Returns:
            SHA-256 of the bytes received, in hex.

        Raises:
            StorageError: There is no such object, or one side cannot be read or written.
        """
        check_key(key, place=self.uri())
        sha256 = hashlib.sha256()
        with atomic_file(path, place=str(path)) as partial, partial.open("wb") as file:
            for chunk in self._chunks(key):
                sha256.update(chunk)
                file.write(chunk)
        return sha256.hexdigest()

    def read_bytes(self, key: str, *, limit: int = _READ_LIMIT_BYTES) -> bytes:
        """Returns a small object whole.

        Raises:
            StorageError: There is no such object, or it is larger than `limit` bytes.
        """
        check_key(key, place=self.uri())
        data = bytearray()
        for chunk in self._chunks(key):
            data += chunk
            if len(data) > limit:
                raise StorageError(
                    f"{self.uri(key)}: read: got more than {limit} bytes, expected at most {limit}"
                )
        return bytes(data)

    def digest(self, key: str) -> str:
        """Reads an object through and returns its SHA-256 in hex; raises StorageError."""
        check_key(key, place=self.uri())
        sha256 = hashlib.sha256()
        for chunk in self._chunks(key):
            sha256.update(chunk)
        return sha256.hexdigest()

    def _read_back(self, key: str, expected: str) -> str:
        actual = self.digest(key)
        if actual != expected:
            raise StorageError(
                f"{self.uri(key)}: read back: got sha256 {actual[:12]}…, expected "
                f"{expected[:12]}…; another writer or a failing disk: put it again"
            )
        return actual


def check_key(key: str, *, place: str) -> str:
    """Returns `key` if it can lead nowhere but below the store's own root.

    Raises:
        StorageError: The key is empty, absolute, too long, or has an unfit segment.
    """
    fault = _fault_of_key(key)
    if fault is not None:
        raise StorageError(f"{place}: key: got {key[:120]!r} ({fault}), expected a relative key")
    return key


def _fault_of_key(key: str) -> str | None:
    if not key or len(key.encode("utf-8", "replace")) > _KEY_BYTES:
        return f"empty, or over {_KEY_BYTES} bytes"
    if "\\" in key or _CONTROL.search(key):
        return "backslash or control character"
    for segment in key.split("/"):
        if segment in ("", ".", ".."):
            return f"segment {segment!r}"
        if len(segment.encode("utf-8", "replace")) > _SEGMENT_BYTES:
            return f"segment over {_SEGMENT_BYTES} bytes"
        if segment.startswith(PARTIAL_PREFIX):
            return f"{PARTIAL_PREFIX} is kept for unfinished files"
    return None


def check_prefix(prefix: str, *, place: str) -> str:
    """Returns a prefix to list by, empty or ending amid a segment; raises StorageError."""
    if prefix:
        check_key(prefix.removesuffix("/"), place=place)
    return prefix
