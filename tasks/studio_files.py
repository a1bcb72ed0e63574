"""What a shot depends on beside plate, prior and manifests: mattes and photographs, by content."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from reage.manifest import ShotManifest
from reage.storage import file_digest
from reage.workspace import Workspace
from tasks.crops import plate_info
from tasks.fetching import local_path
from tasks.own_mattes import find_matte, matte_digest
from tasks.refs import FrameSetRef
from tasks.retries import may_pass


@task(
    name="read studio files",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def studio_files(
    shot: ShotManifest,
    references: Mapping[str, Sequence[str]],
    frame_set: FrameSetRef,
    *,
    workspace: Workspace,
) -> dict[str, str]:
    """Returns the digest of every file by what it is for; empty where the shot names none.

    A matte that was painted over in place, or a photograph that was replaced, makes other work.

    Args:
        shot: Names the mattes.
        references: Places of each actor's reference photographs.
        frame_set: The plate that mattes lie over.
        workspace: Where copies are kept.

    Raises:
        PhotographError, PlateError, StorageError: A file cannot be read, or does not fit the plate.
    """
    plate, digests = plate_info(frame_set), {}
    for actor in shot.actors:
        for use, place in (("matte", actor.matte), ("occlusion matte", actor.occlusion_matte)):
            own = None if place is None else shot.resolve(place)
            digest = matte_digest(find_matte(own, plate, shot.frames, workspace), shot.frames)
            if digest is not None:
                digests[f"{actor.actor}: {use}"] = digest
    for name, places in references.items():
        for number, place in enumerate(places):
            photograph = Path(local_path(place, workspace))
            digests[f"{name}: reference {number}"] = file_digest(photograph)
    return digests
