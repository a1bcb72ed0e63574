"""Returning the network's change to the plate, chunk by chunk, into exact patches."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task

from reage.anamorphic import matte_to_square_pixels
from reage.compositing import Layer, Regrain, composite
from reage.defocus import without_motion
from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.grain.model import Grain
from reage.patches import PatchWriter
from reage.takes import velocities
from reage.video import PlateInfo, plate_digest, probe, read_frames
from reage.workspace import Workspace
from tasks.crops import Cropper, plate_frames, plate_info
from tasks.fetching import local_path
from tasks.gpu import loaded_prior
from tasks.refs import ActorLayerRef, ChunkRef, FrameSetRef, GrainRef, PriorRef


@task(name="composite chunk")
def composite_chunk(
    frame_set: FrameSetRef,
    layers: Sequence[ActorLayerRef],
    prior: PriorRef,
    frames: FrameRange,
    *,
    shutter_angle: float = 180.0,
    defocus: float = 1.0,
    grain: GrainRef | None = None,
    regrain: float = 1.0,
    workspace: Workspace,
) -> ChunkRef:
    """Adds every actor's change to the plate's frames; what changed is kept exactly.

    Args:
        shutter_angle: Of the plate's camera, degrees: how much of a frame's motion blurs it.
        defocus: How far the change is blurred where the face is out of focus, 0-1.
        grain: The plate's; None leaves the change without.
        regrain: How much of the grain that the change took away is put back, 0-1.
    """
    info = plate_info(frame_set)
    limits = [
        None if ref.matte is None else _limit(local_path(ref.matte, workspace), info, frames)
        for ref in layers
    ]

    def produce(folder: Path) -> dict[str, Any]:
        plate = plate_frames(frame_set, frames)
        per_frame = _layers(layers, limits, prior, frames, shutter_angle / 360.0, defocus)
        with PatchWriter(folder) as patches:
            for (frame, image), per_actor in zip(plate, per_frame, strict=True):
                restored = None if grain is None else _regrain(grain, frame, regrain)
                patches.write(frame, *composite(image, per_actor, restored))
        return {"num_frames": len(frames)}

    step = workspace.step(
        "frames",
        produce,
        frame_set=frame_set.content,
        layers=[(ref.actor, ref.cast.digest, ref.change.digest) for ref in layers],
        limits=[None if limit is None else plate_digest(limit, frames) for limit in limits],
        shutter_angle=shutter_angle,
        defocus=defocus,
        grain=None if grain is None else (grain.digest, regrain),
        frames=frames,
    )
    return ChunkRef(folder=str(step.folder), digest=step.digest, frames=frames)


def _regrain(grain: GrainRef, frame: int, strength: float) -> Regrain:
    return Regrain(grain=Grain.load(grain.path_at(frame)), strength=strength, seed=frame)


def _layers(
    refs: Sequence[ActorLayerRef],
    limits: Sequence[PlateInfo | None],
    prior: PriorRef,
    frames: FrameRange,
    exposed: float,
    defocus: float,
) -> Iterator[list[Layer]]:
    """Yields the layers of each frame, of whose time a share is exposed."""
    actors = [
        _actor_layers(ref, limit, prior, frames, exposed, defocus)
        for ref, limit in zip(refs, limits, strict=True)
    ]
    for _ in frames:
        yield [next(layers) for layers in actors]


def _actor_layers(
    ref: ActorLayerRef,
    limit: PlateInfo | None,
    prior: PriorRef,
    frames: FrameRange,
    exposed: float,
    defocus: float,
) -> Iterator[Layer]:
    cropper = Cropper.of(ref.cast, loaded_prior(prior))
    track = cropper.track
    changes = np.load(ref.change.path, mmap_mode="r")
    with np.load(ref.plan.path) as plan:
        blurs, first = plan["defocus"], int(plan["first_frame"])
    places = track.landmarks.mean(axis=1)
    velocity = velocities(places, ref.cast.takes, track.frames)
    mattes = repeat(None) if limit is None else _coverage(limit, frames)
    for frame, matte in zip(frames, mattes, strict=False):
        index = track.frames.index_of(frame)
        motion = exposed * velocity[index]
        travelled = float(np.hypot(*motion)) * cropper.crop_from_plate(frame).scale / cropper.size
        yield Layer(
            change=np.asarray(changes[frame - ref.change.frames.first]),
            plate_from_crop=cropper.plate_from_synthesis(frame),
            landmarks=track.landmarks[index],
            opacity=float(track.fade[index]) * ref.actor.strength,
            feather=ref.actor.region.feather,
            expand=ref.actor.region.expand,
            limit=matte,
            detail=ref.actor.detail,
            defocus=defocus * without_motion(blurs[frame - first], travelled),
            motion=motion,
            regions=ref.actor.regions.model_dump(),
        )


def _limit(path: str, plate: PlateInfo, frames: FrameRange) -> PlateInfo:
    """Opens the artist's matte; a movie begins with the plate, a sequence has its own numbers.

    Raises:
        PlateError: It cannot be read, lacks frames, or is of another size than the plate.
    """
    info = probe(
        path, first_frame=plate.frames.first, frame_rate=plate.frame_rate, frames=frames
    ).laid_on(plate)
    info = replace(info, pixel_aspect=plate.pixel_aspect)
    if frames.first not in info.frames or frames.last not in info.frames:
        raise PlateError(
            f"{path}: frames: got {info.frames}, expected {frames} as in the shot; "
            "render the matte for the plate's whole frame range"
        )
    if (info.width, info.height) != (plate.width, plate.height):
        raise PlateError(
            f"{path}: size: got {info.width}x{info.height}, expected "
            f"{plate.width}x{plate.height} as the plate"
        )
    return info


def _coverage(limit: PlateInfo, frames: FrameRange) -> Iterator[NDArray[np.float32]]:
    """Yields the artist's matte of each frame: the mean of its channels."""
    for _, image in read_frames(limit, frames, colourspace="srgb"):
        matte = image.pixels.mean(axis=2).clip(0.0, 1.0)
        yield matte_to_square_pixels(matte, limit.pixel_aspect)
