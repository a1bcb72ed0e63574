"""Which versions of a shot are published, begun or free, and who may fill a begun one.

    <show>/<sequence>/<shot>/<version>/.claim.json    who may fill this version; written first
    <show>/<sequence>/<shot>/<version>/index.json     what was delivered; written last

A version exists when its index does. The claim is written conditionally, so that one of several
publishers gets a version; a killed one leaves a version without an index, which the holder of its
claim may complete and everyone else passes over. Knows nothing of the files in between.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from reage.errors import NamingError, StorageError, VersionExistsError
from reage.naming import ShotId, next_version, parse_version
from reage.storage import Storage

NEXT = "next"
INDEX_NAME = "index.json"
CLAIM_NAME = ".claim.json"

_SCHEMA = "reage.claim/1"
_MAX_RACES = 100


def version_key(shot_id: ShotId, version: str, name: str = "") -> str:
    """Returns the key of a file in a version, or of the version's folder; raises NamingError."""
    parse_version(version)
    return f"{shot_id.prefix}/{version}" + (f"/{name}" if name else "")


def list_versions(storage: Storage, shot_id: ShotId) -> list[str]:
    """Returns the published versions of a shot, oldest first; raises StorageError."""
    return [v for v in begun_versions(storage, shot_id) if is_published(storage, shot_id, v)]


def begun_versions(storage: Storage, shot_id: ShotId) -> list[str]:
    """Returns every version that has any file, published or not, oldest first."""
    return sorted(filter(_is_version, storage.list_folders(shot_id.prefix)), key=parse_version)


def is_published(storage: Storage, shot_id: ShotId, version: str) -> bool:
    """Says whether the version has an index; raises StorageError."""
    return storage.exists(version_key(shot_id, version, INDEX_NAME))


def reserve_version(
    storage: Storage,
    shot_id: ShotId,
    version: str,
    *,
    holder: str,
    rejoin: bool = True,
    passed: Collection[str] = (),
) -> str:
    """Claims a version; also before its files exist, so that a slate can show its name.

    Args:
        storage: The destination.
        shot_id: Whose version it is.
        version: `next`, or a version name.
        holder: Stands for the piece of work. The same holder gets the same version again, until
            another version has been published after it.
        rejoin: Whether a version that this holder has published already counts as his, too.
        passed: Versions not to come back to.

    Returns:
        The name of a version that the holder may fill, or (with `rejoin`) has published.

    Raises:
        VersionExistsError: `version` is published, or claimed by another holder.
        StorageError: The destination cannot be read or written.
    """
    if version != NEXT:
        _reserve_named(storage, shot_id, version, holder, rejoin=rejoin)
        return version
    for _ in range(_MAX_RACES):
        begun = begun_versions(storage, shot_id)
        for candidate in reversed(begun):
            published = is_published(storage, shot_id, candidate)
            usable = candidate not in passed and (rejoin or not published)
            if usable and _is_held_by(storage, shot_id, candidate, holder):
                return candidate
            if published:
                break  # to complete an older one would bring it in behind a published version
        candidate = next_version(begun)
        if _claim(storage, shot_id, candidate, holder):
            return candidate
    raise StorageError(
        f"{storage.uri(shot_id.prefix)}: reserve: got {_MAX_RACES} versions taken by others, "
        "expected a free one; try again"
    )


def as_json(value: Mapping[str, Any]) -> bytes:
    """Returns the bytes that Reage writes for a claim or an index; raises ValueError, TypeError."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def read_json(storage: Storage, key: str) -> dict[str, Any]:
    """Returns a claim or an index; raises StorageError when it is missing or damaged."""
    data = storage.read_bytes(key)
    try:
        value = json.loads(data)
    except ValueError as error:
        raise StorageError(
            f"{storage.uri(key)}: read: got {len(data)} bytes that are no JSON ({error}), expected "
            "what Reage wrote there"
        ) from error
    if not isinstance(value, dict):
        raise StorageError(f"{storage.uri(key)}: read: got {type(value).__name__}, expected object")
    return value


def _reserve_named(
    storage: Storage, shot_id: ShotId, version: str, holder: str, *, rejoin: bool
) -> None:
    place = storage.uri(version_key(shot_id, version))
    if is_published(storage, shot_id, version):
        if not (rejoin and _is_held_by(storage, shot_id, version, holder)):
            raise VersionExistsError(
                f"{place}: version: got {version}, which is published, expected a free one; "
                "publish as next"
            )
    elif not _claim(storage, shot_id, version, holder):
        raise VersionExistsError(
            f"{place}: version: got {version}, which is begun with other files, expected a free "
            "one; publish as next"
        )


def _claim(storage: Storage, shot_id: ShotId, version: str, holder: str) -> bool:
    """Says whether the version is the holder's to fill, now or from an earlier attempt."""
    claim = as_json({"schema": _SCHEMA, "holder": holder})
    try:
        storage.put_bytes(version_key(shot_id, version, CLAIM_NAME), claim, if_absent=True)
    except VersionExistsError:
        # Also when a first attempt of ours was written but its answer lost.
        return _is_held_by(storage, shot_id, version, holder)
    return True


def _is_held_by(storage: Storage, shot_id: ShotId, version: str, holder: str) -> bool:
    key = version_key(shot_id, version, CLAIM_NAME)
    return storage.exists(key) and read_json(storage, key).get("holder") == holder


def _is_version(name: str) -> bool:
    try:
        parse_version(name)
    except NamingError:
        return False
    return True
