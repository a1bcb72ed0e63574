"""Bringing a file or an image sequence from a bucket to this machine, once.

Holds no task: it is what tasks share that read plates, mattes and photographs.
"""

import re
from pathlib import Path

from reage.errors import StorageError
from reage.storage import Storage, StorageSettings, open_storage
from reage.video.sequence import SequencePattern, is_pattern
from reage.workspace import Workspace


def local_path(place: str, workspace: Workspace) -> str:
    """Returns a path on this machine: of what lies here, or of a copy of what lies on S3.

    Args:
        place: `s3://bucket/key`, `file:///path` or a path; the last part may be an image-sequence
            pattern.
        workspace: Where copies are kept.

    Raises:
        StorageError: The bucket cannot be read, or nothing matches.
    """
    return (
        _fetched(place, workspace) if place.startswith("s3://") else place.removeprefix("file://")
    )


def _fetched(uri: str, workspace: Workspace) -> str:
    """Fetches a movie, or every file that matches an image-sequence pattern, once."""
    parent, _, name = uri.rpartition("/")
    storage = open_storage(parent, settings=StorageSettings())
    keys = _frame_keys(storage, name) if is_pattern(name) else [name]
    if not keys:
        raise StorageError(
            f"{uri}: list: got no object, expected files; correct the URI in the manifest"
        )

    def produce(folder: Path) -> dict[str, int]:
        for key in keys:
            storage.get_file(key, folder / key)
        return {"num_files": len(keys)}

    # Objects can change under a fixed key, so the key holds their digests as the bucket has them.
    digests = {key: storage.digest(key) for key in keys}
    return str(workspace.step("fetched", produce, uri=uri, digests=digests).folder / name)


def _frame_keys(storage: Storage, name: str) -> list[str]:
    """Lists the objects that an image-sequence pattern matches, and nothing beside them."""
    pattern = SequencePattern.parse(name)
    frame = re.compile(re.escape(pattern.head) + r"\d+" + re.escape(pattern.tail))
    return [key for key in storage.list_keys(pattern.head) if frame.fullmatch(key)]
