"""Finding a shot's plate: fetched if it lies in a bucket, probed, its frame range checked."""

import re
from fractions import Fraction
from pathlib import Path

from prefect import task

from reage.errors import PlateError, StorageError
from reage.framerange import FrameRange
from reage.storage import Storage, StorageSettings, open_storage
from reage.video import plate_digest, probe
from reage.video.sequence import SequencePattern, is_pattern
from reage.workspace import Workspace
from tasks.refs import FrameSetRef
from tasks.retries import may_pass


@task(
    name="locate plate",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_pass,
)
def locate_plate(
    uri: str,
    *,
    frames: FrameRange,
    first_frame: int,
    colourspace: str,
    frame_rate: Fraction | None,
    workspace: Workspace,
) -> FrameSetRef:
    """Returns the plate as a ref whose frames exist, fetching it from S3 when it lies there.

    Args:
        uri: `s3://bucket/key`, `file:///path`, a path, or an image-sequence pattern.
        frames: Frames to work on, handles included.
        first_frame: Studio number of a movie's first frame.
        colourspace: As the manifest states it.
        frame_rate: Needed for image sequences, checked against a movie's own.
        workspace: Where fetched plates are kept.

    Raises:
        PlateError: The plate cannot be read, or lacks frames that the shot asks for.
        StorageError: The bucket cannot be read.
    """
    path = _fetch(uri, workspace) if uri.startswith("s3://") else uri.removeprefix("file://")
    info = probe(path, first_frame=first_frame, frame_rate=frame_rate)
    missing = [f for f in (frames.first, frames.last) if f not in info.frames]
    if missing:
        raise PlateError(
            f"{uri}: frames: got {info.frames}, expected {frames} (cut and handles); "
            "correct plate.first_frame, cut_in, cut_out or handles"
        )
    return FrameSetRef(
        path=str(path),
        digest=plate_digest(info, frames),
        first_frame=first_frame,
        frames=frames,
        colourspace=colourspace,
        frame_rate=frame_rate,
    )


def _fetch(uri: str, workspace: Workspace) -> str:
    """Fetches a movie, or every file that matches an image-sequence pattern, once."""
    parent, _, name = uri.rpartition("/")
    storage = open_storage(parent, settings=StorageSettings())
    keys = _frame_keys(storage, name) if is_pattern(name) else [name]
    if not keys:
        raise StorageError(f"{uri}: list: got no object, expected the plate; correct plate.uri")

    def produce(folder: Path) -> dict[str, int]:
        for key in keys:
            storage.get_file(key, folder / key)
        return {"num_files": len(keys)}

    # Objects can change under a fixed key, so the key holds their digests as the bucket has them.
    digests = {key: storage.digest(key) for key in keys}
    return str(workspace.step("plate", produce, uri=uri, digests=digests).folder / name)


def _frame_keys(storage: Storage, name: str) -> list[str]:
    """Lists the objects that an image-sequence pattern matches, and nothing beside them."""
    pattern = SequencePattern.parse(name)
    frame = re.compile(re.escape(pattern.head) + r"\d+" + re.escape(pattern.tail))
    return [key for key in storage.list_keys(pattern.head) if frame.fullmatch(key)]
