"""The one door to stored files: S3 by boto3, and a local folder with the same semantics.

What both promise: an object appears whole or not at all; a conditional put never replaces anything;
every write is read back and its SHA-256 compared, because no server is trusted to do so; files of
any size stream through constant memory. What goes wrong is a `StorageError` that names the object.
Knows nothing of shots, versions or manifests.

Sources: RFC 9110 section 13.1.2 (If-None-Match); Amazon S3 API reference, "Multipart upload".
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from reage.errors import StorageError, VersionExistsError
from reage.storage.contract import Storage, StoredObject, StoreUnavailableError
from reage.storage.folder import FolderStorage
from reage.storage.local import file_digest
from reage.storage.s3 import S3Storage
from reage.storage.settings import StorageSettings

__all__ = [
    "FolderStorage",
    "S3Storage",
    "Storage",
    "StorageError",
    "StorageSettings",
    "StoreUnavailableError",
    "StoredObject",
    "VersionExistsError",
    "file_digest",
    "open_storage",
]


def open_storage(uri: str | Path, *, settings: StorageSettings | None = None) -> Storage:
    """Opens the store that a URI names; nothing is contacted or created yet.

    Args:
        uri: `s3://bucket/prefix`, `file:///folder`, or a plain path (`~` allowed).
        settings: How to speak to S3; None takes everything from the environment. Folders need none.

    Raises:
        StorageError: The URI has another scheme, or no usable bucket or folder.
    """
    text = str(uri)
    scheme, separator, rest = text.partition("://")
    if not separator:
        if not text:
            raise StorageError("storage: uri: got nothing, expected s3://, file:/// or a path")
        return FolderStorage(Path(text).expanduser())
    if scheme == "s3":
        bucket, _, prefix = rest.partition("/")
        return S3Storage(bucket, prefix.strip("/"), settings=settings or StorageSettings())
    parts = urlsplit(text)
    if scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return FolderStorage(Path(unquote(parts.path)))
    raise StorageError(
        f"{text}: uri: got {scheme}://{parts.netloc}, expected s3://bucket/prefix, file:///folder "
        "or a path"
    )
