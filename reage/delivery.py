"""Publishing a shot's files as an immutable version: all of it, or nothing that anyone can see.

    <show>/<sequence>/<shot>/<version>/.claim.json    who may fill this version; written first
    <show>/<sequence>/<shot>/<version>/...            the files
    <show>/<sequence>/<shot>/<version>/index.json     what was delivered; written last

A version exists when its index does. Every one of these writes is conditional, so that no file
under a version ever changes: the claim decides which of several publishers fills a version, and
whatever else they do, an index can only describe bytes that stay. After a crash, whoever publishes
the same files again, or holds the same claim, completes the version.
"""

import hashlib
import json
import logging
import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reage.errors import StorageError, VersionExistsError
from reage.manifest import ShotManifest
from reage.naming import (
    ShotId,
    check_name,
    frame_name,
    movie_name,
    version_name,
)
from reage.storage import Storage, StorageSettings, file_digest, open_storage
from reage.storage.local import local_errors
from reage.versions import (
    CLAIM_NAME,
    INDEX_NAME,
    NEXT,
    as_json,
    is_published,
    list_versions,
    read_json,
    reserve_version,
    version_key,
)

logger = logging.getLogger(__name__)

SCHEMA = "reage.delivery/1"

Files = str | Path | Sequence[str | Path]

_FRAME = re.compile(r"(?:.*[._])?(\d{1,9})\.[A-Za-z0-9]{1,8}")
_ELEMENTS = {"master": "reage"}  # what file names call a role, where it differs
_MAX_RACES = 100
_PARALLEL_FILES = 4
_MEDIA_TYPES = {".exr": "image/x-exr", ".dpx": "image/x-dpx", ".mov": "video/quicktime",
                ".otio": "application/json"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DeliveryRef:
    """A published version: its URI, its name, and the SHA-256 of its index."""

    uri: str
    version: str
    index_sha256: str


@dataclass(frozen=True)
class _Parcel:
    """One file to send: what it is, where it lies, what its name ends in, and its digest."""

    role: str
    path: Path
    frame: int | None
    sha256: str

    def name(self, shot_id: ShotId, version: str) -> str:
        extension = self.path.suffix.removeprefix(".").lower()
        return delivered_name(self.role, shot_id, version, extension, frame=self.frame)


def delivered_name(
    role: str, shot_id: ShotId, version: str, extension: str, *, frame: int | None = None
) -> str:
    """Returns what a file is called within its version, with `/` between folder and file.

    Args:
        role: As `publish` is given it.
        shot_id: Whose version it is.
        version: A version name.
        extension: Lower-case, without the dot.
        frame: Frame number of one of several files.
    """
    element = _ELEMENTS.get(role, role)
    if frame is None:
        return movie_name(shot_id, element, version, extension)
    return f"{element}/{frame_name(shot_id, element, version, frame, extension)}"


def open_destination(shot: ShotManifest, destination: str | None = None) -> Storage:
    """Opens where a shot's manifest says it goes, or another place; raises StorageError."""
    return open_storage(
        destination or shot.resolve(shot.delivery.destination),
        settings=StorageSettings.from_mapping(destination_settings(shot)),
    )


def destination_settings(shot: ShotManifest) -> dict[str, Any]:
    """Returns what a shot's manifest says of the S3 service, as fields of `StorageSettings`."""
    names = ("endpoint_url", "region", "addressing_style", "checksum_mode")
    return {name: getattr(shot.delivery, name) for name in names}


def publish(
    storage: Storage,
    shot_id: ShotId,
    version: str,
    files: Mapping[str, Files],
    facts: Mapping[str, Any],
    *,
    holder: str | None = None,
) -> dict[str, Any]:
    """Publishes files as one version of a shot, each read back and compared.

    Args:
        storage: The destination.
        shot_id: Whose version it is.
        version: `next`, or a version name such as `v003`.
        files: By role (`master`, `wipe`, `qc`): a file, or a folder or list of frames whose names
            end in `<frame>.<extension>`. The delivery names them after shot, role and version.
        facts: What else the index tells; plain JSON.
        holder: Stands for this piece of work, say its content key, as `reserve_version` was given
            it. Publishing again with the same holder and files, after a crash at whatever moment,
            gives the same version; without a holder, what is published is never joined.

    Returns:
        The index as written.

    Raises:
        VersionExistsError: `version` is published, or begun with other files.
        StorageError: A file or the destination cannot be read or written.
        ValueError: `facts` are not plain JSON.
    """
    facts = _plain(facts, place=f"delivery of {shot_id.code}")
    parcels = _pack(shot_id, files)
    content = _content_of(parcels)
    claim = holder or content
    passed: set[str] = set()
    for _ in range(_MAX_RACES):
        taken = reserve_version(
            storage, shot_id, version, holder=claim, rejoin=holder is not None, passed=passed
        )
        try:
            return _fill(storage, shot_id, taken, parcels, facts, claim=claim, content=content)
        except VersionExistsError:
            published = _published_as(storage, shot_id, taken, claim, content)
            if holder is not None and published is not None:
                return published
            if version != NEXT:
                raise
            passed.add(taken)
    raise StorageError(
        f"{storage.uri(shot_id.prefix)}: publish: got {_MAX_RACES} versions taken by others, "
        "expected a free one; try again"
    )


def read_index(storage: Storage, shot_id: ShotId, version: str) -> dict[str, Any]:
    """Returns the index of a published version.

    Raises:
        StorageError: There is no such version, or its index is damaged.
    """
    key = version_key(shot_id, version, INDEX_NAME)
    if not is_published(storage, shot_id, version):
        raise StorageError(
            f"{storage.uri(key)}: read: got no index, expected a published version; "
            f"published are: {', '.join(list_versions(storage, shot_id)) or 'none'}"
        )
    index = read_json(storage, key)
    if index.get("schema") != SCHEMA or index.get("version") != version:
        raise StorageError(
            f"{storage.uri(key)}: schema and version: got {index.get('schema')} "
            f"{index.get('version')}, expected {SCHEMA} {version}"
        )
    return index


def verify_delivery(storage: Storage, shot_id: ShotId, version: str) -> dict[str, Any]:
    """Reads every file of a published version again and returns its index if all are as it says.

    Raises:
        StorageError: Files are missing, changed or not in the index; the message names each.
    """
    index = read_index(storage, shot_id, version)
    present = set(_list_files(storage, shot_id, version))
    faults = [f"{name} is not in the index" for name in present - _names(index)]
    for entry in index["files"]:
        name = entry["name"]
        if name not in present:
            faults.append(f"{name} is missing")
        elif storage.digest(version_key(shot_id, version, name)) != entry["sha256"]:
            faults.append(f"{name} has other bytes")
    if faults:
        place = storage.uri(version_key(shot_id, version))
        raise StorageError(
            f"{place}: files: got {'; '.join(sorted(faults))}, "
            f"expected the {len(index['files'])} files of the index"
        )
    return index


def delivery_ref(storage: Storage, shot_id: ShotId, index: Mapping[str, Any]) -> DeliveryRef:
    """Returns the pointer to the version that an index describes."""
    version = index["version"]
    return DeliveryRef(
        uri=storage.uri(version_key(shot_id, version)),
        version=version,
        index_sha256=hashlib.sha256(as_json(index)).hexdigest(),
    )


def _pack(shot_id: ShotId, files: Mapping[str, Files]) -> list[_Parcel]:
    place = f"delivery of {shot_id.code}"
    if not files:
        raise StorageError(f"{place}: files: got none, expected at least one")
    parcels = [parcel for role in sorted(files) for parcel in _parcels_of(role, files[role])]
    by_name: dict[str, Path] = {}
    for parcel in parcels:
        name = parcel.name(shot_id, version_name(1))
        if name in by_name:
            raise StorageError(
                f"{place}: files: got {parcel.path} and {by_name[name]}, expected one file named "
                f"{name}; clear the folder of other frames"
            )
        by_name[name] = parcel.path
    return parcels


def _parcels_of(role: str, files: Files) -> Iterator[_Parcel]:
    check_name(role, what="role")
    if isinstance(files, str | Path):
        path = Path(files)
        if not path.is_dir():
            yield _Parcel(role, path, None, file_digest(path))
            return
        with local_errors(str(path), "read"):
            files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        if not files:
            raise StorageError(f"{path}: files: got an empty folder, expected frames")
    for frame in map(Path, files):
        match = _FRAME.fullmatch(frame.name)
        if match is None:
            raise StorageError(
                f"{frame}: name: got {frame.name!r}, expected one ending in <frame>.<extension>"
            )
        yield _Parcel(role, frame, int(match.group(1)), file_digest(frame))


def _content_of(parcels: list[_Parcel]) -> str:
    """Returns a digest of what is delivered, whatever version it is named after."""
    lines = sorted(f"{p.role} {p.frame} {p.path.suffix.lower()} {p.sha256}" for p in parcels)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _fill(
    storage: Storage,
    shot_id: ShotId,
    version: str,
    parcels: list[_Parcel],
    facts: Mapping[str, Any],
    *,
    claim: str,
    content: str,
) -> dict[str, Any]:
    """Sends the files, then the index; raises VersionExistsError when the version is spoilt."""

    def send(parcel: _Parcel) -> dict[str, Any]:
        name = parcel.name(shot_id, version)
        _send_once(storage, parcel, version_key(shot_id, version, name))
        return {
            "name": name,
            "role": parcel.role,
            "bytes": parcel.path.stat().st_size,
            "sha256": parcel.sha256,
            "media_type": _media_type(name),
        }

    with ThreadPoolExecutor(_PARALLEL_FILES, thread_name_prefix="delivery") as pool:
        entries = list(pool.map(send, parcels))
    index = {
        "schema": SCHEMA,
        "show": shot_id.show,
        "sequence": shot_id.sequence,
        "shot": shot_id.code,
        "version": version,
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "claim": claim,
        "content": content,
        "files": sorted(entries, key=lambda entry: str(entry["name"])),
        "facts": dict(facts),
    }
    strangers = set(_list_files(storage, shot_id, version)) - _names(index) - {INDEX_NAME}
    if strangers:
        place = storage.uri(version_key(shot_id, version))
        raise VersionExistsError(
            f"{place}: files: got {', '.join(sorted(strangers))} of another attempt, expected only "
            "those of this delivery; publish as next"
        )
    _write_index(storage, version_key(shot_id, version, INDEX_NAME), index)
    logger.info("published shot=%s version=%s files=%d", shot_id.code, version, len(index["files"]))
    return index


def _send_once(storage: Storage, parcel: _Parcel, key: str) -> None:
    try:
        sent = storage.put_file(parcel.path, key, if_absent=True)
    except VersionExistsError:
        sent = storage.digest(key)  # of an attempt that was killed, or of a twin of ours
        if sent != parcel.sha256:
            raise
    if sent != parcel.sha256:
        raise StorageError(
            f"{parcel.path}: bytes: got sha256 {sent[:12]}…, expected {parcel.sha256[:12]}…; "
            "the file changed while it was delivered"
        )


def _write_index(storage: Storage, key: str, index: dict[str, Any]) -> None:
    data = as_json(index)
    try:
        storage.put_bytes(key, data, if_absent=True)
    except VersionExistsError:
        # Ours, if the answer to a first attempt was lost: `created` tells two publishers apart.
        if storage.read_bytes(key) != data:
            raise


def _published_as(
    storage: Storage, shot_id: ShotId, version: str, claim: str, content: str
) -> dict[str, Any] | None:
    """Returns the index under which this very work is published as `version` already, else None."""
    if not is_published(storage, shot_id, version):
        return None
    index = read_index(storage, shot_id, version)
    return index if (index.get("claim"), index.get("content")) == (claim, content) else None


def _list_files(storage: Storage, shot_id: ShotId, version: str) -> list[str]:
    folder = f"{version_key(shot_id, version)}/"
    names = [key.removeprefix(folder) for key in storage.list_keys(folder)]
    return [name for name in names if name not in (CLAIM_NAME, INDEX_NAME)]


def _plain(facts: Mapping[str, Any], *, place: str) -> dict[str, Any]:
    """Returns the facts as they will be when read from the index again."""
    try:
        plain: dict[str, Any] = json.loads(as_json(facts))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: facts: got {error}, expected plain JSON") from error
    return plain


def _names(index: Mapping[str, Any]) -> set[str]:
    return {entry["name"] for entry in index["files"]}


def _media_type(name: str) -> str:
    known = _MEDIA_TYPES.get(Path(name).suffix)
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"
