"""Going back to an earlier version of an actor's adapter, and forgetting an actor altogether."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reage.errors import RegistryError
from reage.registry.adapters import adapter_versions, adapters_folder
from reage.registry.buffers import buffer_versions, buffers_folder, find_buffer
from reage.registry.entry import remove_entry
from reage.registry.faces3d import face3d_versions, faces3d_folder
from reage.registry.standing import Standing, decide, deciding, standing_of
from reage.rehearsal.night_archive import pages_showing, take_out
from reage.rehearsal.replay_buffer import load_buffer
from reage.storage.local import local_errors
from reage.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """What a rollback changed.

    Attributes:
        before: Version that was the latest.
        after: Version that is the latest now.
        set_aside: Versions that `latest` passes over now.
        num_left_alone: Photographs that nights leave alone from now on.
        has_buffer: Whether the buffer of `after` is kept, so that nights go on from it.
    """

    before: str
    after: str
    set_aside: tuple[str, ...]
    num_left_alone: int
    has_buffer: bool


def roll_back(actor: str, version: str, *, relearn: bool = False) -> Rollback:
    """Makes `latest` an earlier version, or a later one again; no version is changed or removed.

    Later versions are set aside: they can still be named, and their numbers are not used again.
    What the next night publishes is learnt on from `version`.

    Args:
        actor: As the actor's manifest names them.
        version: As `v003`.
        relearn: Whether nights may learn anew from the photographs that the versions set aside had
            learnt from; they are left alone otherwise, as they may be why one goes back.

    Raises:
        RegistryError: There is no such version, or its buffer, which says what it had learnt from,
            is not kept and `relearn` is not given.
        StorageError: The registry cannot be read or written.
    """
    with deciding(actor):
        versions = adapter_versions(actor)
        if version not in versions:
            raise RegistryError(
                f"adapter of {actor}: version: got {version}, expected one of: "
                f"{', '.join(versions) or 'none registered'}"
            )
        standing = standing_of(actor)
        before = standing.latest_of(versions) or ""
        said = f"rolled back to {version} on {datetime.now(UTC).date()}"
        photographs = () if relearn else _to_leave_alone(actor, version)
        after = standing.rolled_back(version, versions, why=said, photographs=photographs)
        decide(actor, after)
    return Rollback(
        before=before,
        after=version,
        set_aside=tuple(sorted(after.set_aside)),
        num_left_alone=len(photographs),
        has_buffer=version in buffer_versions(actor),
    )


def _to_leave_alone(actor: str, version: str) -> tuple[str, ...]:
    """Photographs left alone already, and those that only buffers of other versions have seen."""
    own, others = find_buffer(actor, version), buffer_versions(actor)
    if own is None:
        if not others:
            return ()
        raise RegistryError(
            f"buffer {actor} {version}: got none, expected one kept; --relearn lets the next night "
            "begin anew with the whole collection, or name the version in the shot"
        )
    found = set(standing_of(actor).photographs)
    for other in others:
        record = find_buffer(actor, other)
        assert record is not None
        found |= set(load_buffer(record.arrays).seen)
    return tuple(sorted(found - set(load_buffer(own.arrays).seen)))


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """What there is of an actor.

    Attributes:
        adapters: Versions of the adapter.
        buffers: Versions whose buffers are kept.
        faces3d: Versions of the face in three dimensions.
        folders: Where all of it lies, the work folder included; those that exist.
        pages: Pages of nights that show the actor, others beside them or not.
        num_files: Files in the folders.
        num_bytes: Size of these.
    """

    adapters: tuple[str, ...]
    buffers: tuple[str, ...]
    faces3d: tuple[str, ...]
    folders: tuple[Path, ...]
    pages: tuple[Path, ...]
    num_files: int
    num_bytes: int


def holdings_of(actor: str, work: Path) -> Holdings:
    """Returns what there is of an actor.

    Args:
        actor: As the actor's manifest names them.
        work: Root of the work folders.

    Raises:
        NamingError: `actor` is no name.
        StorageError: A folder or a page cannot be read.
    """
    folders = [
        adapters_folder() / actor,
        buffers_folder(actor),
        faces3d_folder() / actor,
        Workspace.of_actor(work, actor).folder,
    ]
    there = [folder for folder in folders if folder.is_dir()]
    with local_errors(actor, "read"):
        files = [path for folder in there for path in folder.rglob("*") if path.is_file()]
        sizes = [path.stat().st_size for path in files]
    return Holdings(
        adapters=tuple(adapter_versions(actor)),
        buffers=tuple(buffer_versions(actor)),
        faces3d=tuple(face3d_versions(actor)),
        folders=tuple(there),
        pages=tuple(pages_showing(actor, work)),
        num_files=len(files),
        num_bytes=sum(sizes),
    )


def purge(actor: str, work: Path) -> Holdings:
    """Removes all there is of an actor; done again after a crash, it removes what is left.

    The names of the versions are never used again. Pages of nights that show the actor lose that
    part, or go where they show no one else.

    Args:
        actor: As the actor's manifest names them.
        work: Root of the work folders.

    Returns:
        What was removed, which is what there was once nothing more could be published.

    Raises:
        NamingError: `actor` is no name.
        StorageError: Something cannot be removed.
    """
    with deciding(actor):
        holdings = holdings_of(actor, work)
        standing = standing_of(actor)
        versions = (standing.purged, *holdings.adapters, *holdings.faces3d)
        highest = max(versions, key=lambda v: int(v[1:] or 0))
        # Before anything goes, so that a killed purge leaves no name free.
        decide(actor, Standing(purged=highest))
        for folder in holdings.folders:
            for entry in (p for p in folder.iterdir() if p.is_dir()):
                remove_entry(entry)
            with local_errors(str(folder), "remove"):
                shutil.rmtree(folder)
        for page in holdings.pages:
            take_out(actor, page)
    return holdings
