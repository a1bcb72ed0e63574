"""Following every face through a shot."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task

from reage.colour import to_display
from reage.errors import FaceError
from reage.faces import FaceFinder
from reage.framerange import FrameRange
from reage.image import Image
from reage.tracks import save_track, steady, track_faces
from reage.workspace import Workspace
from tasks.crops import plate_frames
from tasks.refs import FrameSetRef, TracksRef

REDETECT_EVERY = 12


@task(name="track faces")
def track_shot(frame_set: FrameSetRef, *, workspace: Workspace) -> TracksRef:
    """Finds, follows and steadies every face of the frame set.

    Raises:
        FaceError: No frame has a face.
    """

    def produce(folder: Path) -> dict[str, Any]:
        with FaceFinder() as finder:
            tracks, takes = track_faces(
                _display_frames(frame_set), finder, redetect_every=REDETECT_EVERY
            )
        if not tracks:
            raise FaceError(
                f"{frame_set.path}: faces: got none in frames {frame_set.frames}, expected at "
                "least one; check the plate's colourspace and exposure, and that the actor is in "
                "the cut"
            )
        for track in tracks:
            save_track(steady(track), folder / f"track_{track.track_id}.npz")
        return {
            "track_ids": [track.track_id for track in tracks],
            "takes": [(take.first, take.last) for take in takes],
        }

    step = workspace.step(
        "tracks", produce, frame_set=frame_set.content, redetect_every=REDETECT_EVERY
    )
    return TracksRef(
        folder=str(step.folder),
        digest=step.digest,
        track_ids=tuple(step.facts["track_ids"]),
        takes=tuple(FrameRange(first, last) for first, last in step.facts["takes"]),
    )


def _display_frames(frame_set: FrameSetRef) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for frame, image in plate_frames(frame_set):
        yield frame, Image(to_display(image), "srgb", image.bit_depth).to_uint8()
