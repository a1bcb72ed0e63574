"""Returning the network's change to the plate, chunk by chunk, into exact patches."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task

from reage.compositing import Layer, Regrain, composite
from reage.defocus import without_motion
from reage.framerange import FrameRange
from reage.grain.model import Grain
from reage.patches import PatchWriter
from reage.takes import velocities
from reage.video import PlateInfo
from reage.workspace import Workspace
from tasks.crops import Cropper, plate_frames, plate_info
from tasks.gpu import loaded_prior
from tasks.holdouts import drawn_holdout
from tasks.own_mattes import coverage, find_matte, matte_digest
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
    limits = [find_matte(ref.matte, info, frames, workspace) for ref in layers]

    def produce(folder: Path) -> dict[str, Any]:
        plate = plate_frames(frame_set, frames)
        per_frame = _layers(layers, limits, prior, frames, shutter_angle / 360.0, defocus)
        holdouts = [drawn_holdout(ref, frame_set, frames, workspace) for ref in layers]
        with PatchWriter(folder) as patches:
            for (frame, image), per_actor in zip(plate, per_frame, strict=True):
                restored = None if grain is None else _regrain(grain, frame, regrain)
                held = [
                    replace(layer, holdout=drawn(frame, image))
                    for layer, drawn in zip(per_actor, holdouts, strict=True)
                ]
                patches.write(frame, *composite(image, held, restored))
        return {"num_frames": len(frames)}

    step = workspace.step(
        "frames",
        produce,
        frame_set=frame_set.content,
        layers=[(ref.actor, ref.cast.digest, ref.change.digest) for ref in layers],
        limits=[matte_digest(limit, frames) for limit in limits],
        occlusions=[ref.plan.occlusion and ref.plan.occlusion.digest for ref in layers],
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
    mattes = repeat(None) if limit is None else coverage(limit, frames)
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
