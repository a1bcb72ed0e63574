"""Sending a shot's finished files to where its manifest says, as one immutable version."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import task

from reage.delivery import (
    DeliveryRef,
    Files,
    delivery_ref,
    destination_settings,
    publish,
    read_index,
)
from reage.manifest import ShotManifest
from reage.naming import ShotId
from reage.storage import StorageSettings, open_storage
from reage.versions import is_published, reserve_version
from reage.workspace import Workspace
from tasks.package_refs import PackageRef
from tasks.retries import may_pass


def deliver(
    destination: str,
    settings: Mapping[str, Any],
    shot: ShotId,
    version_policy: str,
    files: Mapping[str, Files],
    facts: Mapping[str, Any],
    *,
    holder: str | None = None,
) -> DeliveryRef:
    """Publishes the files of a shot and returns the version they are in.

    Args:
        destination: `s3://bucket/prefix`, `file:///folder` or a path.
        settings: Fields of `StorageSettings`; None means as the environment says.
        shot: Whose version it is.
        version_policy: `next`, or a version name.
        files: Local paths by role: a file, a folder of frames, or a list of frames.
        facts: What else the index shall tell; plain JSON.
        holder: Content key of the work. Whoever gives the same again, say after a crash, gets the
            version that it has.

    Raises:
        VersionExistsError: The version is published, or begun with other files.
        StorageError: A file or the destination cannot be read or written.
    """
    storage = open_storage(destination, settings=StorageSettings.from_mapping(settings))
    index = publish(storage, shot, version_policy, files, facts, holder=holder)
    return delivery_ref(storage, shot, index)


@task(name="reserve version")
def reserve(
    shot: ShotManifest,
    holder: str,
    *,
    destination: str | None = None,
    passed: Collection[str] = (),
) -> tuple[str, DeliveryRef | None]:
    """Claims the version that a piece of work will have, before anything is rendered.

    Not retried: a destination that does not answer is best known before hours of rendering.

    Args:
        shot: Names the destination, the version policy and the S3 service.
        holder: Content key of the work.
        destination: URI instead of the manifest's.
        passed: Versions that this work turned out to be unable to fill.

    Returns:
        The version's name, and where it lies if this very work is published already.

    Raises:
        VersionExistsError: The version asked for is published or begun with other files.
        StorageError: The destination cannot be read or written.
    """
    settings = StorageSettings.from_mapping(destination_settings(shot))
    place = destination or shot.resolve(shot.delivery.destination)
    storage = open_storage(place, settings=settings)
    version = reserve_version(
        storage, shot.shot_id, shot.delivery.version, holder=holder, passed=passed
    )
    if not is_published(storage, shot.shot_id, version):
        return version, None
    index = read_index(storage, shot.shot_id, version)
    return version, delivery_ref(storage, shot.shot_id, index)


@task(
    name="deliver",
    retries=3,
    retry_delay_seconds=[5, 30, 120],
    retry_condition_fn=may_pass,
)
def deliver_package(
    shot: ShotManifest,
    package: PackageRef,
    *,
    workspace: Workspace,
    destination: str | None = None,
) -> DeliveryRef:
    """Delivers a shot's package, once: the same package again is the version that it has.

    Args:
        shot: Names the destination, the version policy and the S3 service.
        package: The files by role.
        workspace: The shot's work folder, which keeps a note of the delivery.
        destination: URI to deliver to instead of the manifest's.

    Raises:
        VersionExistsError: The version that the manifest asks for exists with other files.
        StorageError: A file or the destination cannot be read or written.
    """
    ref = deliver(
        destination or shot.resolve(shot.delivery.destination),
        destination_settings(shot),
        shot.shot_id,
        package.job.version,
        _by_role(package),
        {
            "verdict": package.verdict,
            "reasons": list(package.reasons),
            "manifest_sha256": package.manifest_digest,
        },
        holder=package.job.holder,
    )
    workspace.remember("delivery", {"uri": ref.uri, "index_sha256": ref.index_sha256})
    return ref


def _by_role(package: PackageRef) -> dict[str, Files]:
    """Returns the package's files by role; a role that several files have is an image sequence."""
    paths: dict[str, list[Path]] = {}
    for role, name in package.files:
        paths.setdefault(role, []).append(Path(package.folder) / name)
    return {role: _single_or_all(found) for role, found in paths.items()}


def _single_or_all(paths: Sequence[Path]) -> Files:
    return paths[0] if len(paths) == 1 else paths
