"""Bringing a file, an image sequence or a folder from a bucket to this machine, once.

Holds no task: it is what tasks share that read plates, mattes and photographs.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reage.errors import StorageError
from reage.storage import Storage, StorageSettings, StoredObject, open_storage
from reage.video.sequence import SequencePattern, is_pattern
from reage.workspace import Workspace

_PARALLEL_FETCHES = 8


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


def fetched_folder(
    uri: str,
    workspace: Workspace,
    *,
    is_wanted: Callable[[str], bool],
    report: Callable[[str, int, int], None],
) -> dict[str, Path | None]:
    """Fetches what lies under an S3 prefix; what has not changed since is not fetched again.

    Args:
        uri: `s3://bucket/prefix`.
        workspace: Where copies are kept, each entered in the ledger with its SHA-256.
        is_wanted: Whether to fetch an object, by its name below the prefix.
        report: Told of progress.

    Returns:
        Local path of every object by its name, None for those left where they are.

    Raises:
        StorageError: The bucket cannot be read, or nothing lies under the prefix.
    """
    storage = open_storage(uri, settings=StorageSettings())
    objects = storage.list_objects()
    if not objects:
        raise StorageError(
            f"{uri}: list: got no object, expected files; correct the URI in the manifest"
        )
    wanted = [item for item in objects if is_wanted(item.key)]
    files: dict[str, Path | None] = {item.key: None for item in objects}
    with ThreadPoolExecutor(_PARALLEL_FETCHES, thread_name_prefix="fetch") as pool:
        copies = pool.map(lambda item: _fetched_object(storage, item, workspace), wanted)
        for number, (item, copy) in enumerate(zip(wanted, copies, strict=True), start=1):
            files[item.key] = copy
            report("fetched", number, len(wanted))
    return files


def _fetched_object(storage: Storage, item: StoredObject, workspace: Workspace) -> Path:
    name = item.key.rpartition("/")[2]

    def produce(folder: Path) -> dict[str, str]:
        return {"sha256": storage.get_file(item.key, folder / name)}

    place = {"uri": storage.uri(item.key), "num_bytes": item.num_bytes, "stamp": item.stamp}
    return workspace.step("fetched", produce, **place).folder / name


def _fetched(uri: str, workspace: Workspace) -> str:
    """Fetches a movie, or every file that matches an image-sequence pattern, once.

    Objects can change under a fixed key: their stamps are part of the step, and are listed again
    after fetching.
    """
    parent, _, name = uri.rpartition("/")
    storage = open_storage(parent, settings=StorageSettings())
    there = _listed(storage, name)
    if not there:
        raise StorageError(
            f"{uri}: list: got no object, expected files; correct the URI in the manifest"
        )

    def produce(folder: Path) -> dict[str, int]:
        for item in there:
            storage.get_file(item.key, folder / item.key)
        if _listed(storage, name) != there:
            raise StorageError(
                f"{uri}: read: got objects that changed while they were fetched, expected those "
                "listed; try again once the upload is over"
            )
        return {"num_files": len(there)}

    objects = {item.key: (item.num_bytes, item.stamp) for item in there}
    return str(workspace.step("fetched", produce, uri=uri, objects=objects).folder / name)


def _listed(storage: Storage, name: str) -> list[StoredObject]:
    """Lists a file, or the frames that a pattern matches, and nothing beside them."""
    if not is_pattern(name):
        return [item for item in storage.list_objects(name) if item.key == name]
    pattern = SequencePattern.parse(name)
    frame = re.compile(re.escape(pattern.head) + r"\d+" + re.escape(pattern.tail))
    return [item for item in storage.list_objects(pattern.head) if frame.fullmatch(item.key)]
