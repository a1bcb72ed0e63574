"""Drawing what is in front of a cast actor's face into the plate's frames, in their order.

Holds no task. What was found is drawn with the plate's own edges, what an artist gave as it is.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reage.framerange import FrameRange
from reage.geometry import Roi, WarpedPatch
from reage.image import Image
from reage.occlusion.holdout import Holdout
from reage.tracks import Track, load_track
from reage.workspace import Workspace
from tasks.crops import plate_info
from tasks.own_mattes import coverage, find_matte
from tasks.refs import ActorLayerRef, CastRef, FrameSetRef, OcclusionRef

Drawn = Callable[[int, Image], WarpedPatch | None]


def open_holdout(occlusion: OcclusionRef, cast: CastRef) -> Holdout:
    """Opens what `find_occlusion` stored for a cast actor."""
    return Holdout.open(Path(occlusion.folder), load_track(Path(cast.track_path)))


def uncovered_track(cast: CastRef, occlusion: OcclusionRef | None) -> Track:
    """Returns a cast actor's track, each frame shown as far as nothing is in front of the face."""
    track = load_track(Path(cast.track_path))
    if occlusion is None:
        return track
    return replace(track, fade=track.fade * (1.0 - open_holdout(occlusion, cast).held_back))


def drawn_holdout(
    ref: ActorLayerRef, frame_set: FrameSetRef, frames: FrameRange, workspace: Workspace
) -> Drawn:
    """Returns what draws a frame's holdout, given its number and plate; called for all in order.

    Raises:
        PlateError: The artist's matte cannot be read.
    """
    occlusion = ref.plan.occlusion
    if occlusion is None:
        return lambda frame, plate: None
    own = find_matte(occlusion.own, plate_info(frame_set), frames, workspace)
    if own is None:
        return open_holdout(occlusion, ref.cast).on_plate
    mattes = coverage(own, frames)

    def as_given(_: int, plate: Image) -> WarpedPatch:
        return WarpedPatch(Roi(0, 0, plate.width, plate.height), next(mattes))

    return as_given
