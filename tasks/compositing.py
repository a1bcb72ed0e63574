"""Returning the network's change to the plate, chunk by chunk, into lossless frames."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task

from reage.compositing import Layer, composite
from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video import PlateInfo, open_writer, plate_digest, probe, read_frames
from reage.workspace import Workspace
from tasks.crops import Cropper, plate_frames, plate_info, with_headroom
from tasks.fetching import local_path
from tasks.gpu import loaded_prior
from tasks.refs import ActorLayerRef, ChunkRef, FrameSetRef, PriorRef


@task(name="composite chunk")
def composite_chunk(
    frame_set: FrameSetRef,
    layers: Sequence[ActorLayerRef],
    prior: PriorRef,
    frames: FrameRange,
    *,
    workspace: Workspace,
) -> ChunkRef:
    """Adds every actor's change to the plate's frames.

    Integer plates become a lossless 16-bit movie, float plates an EXR sequence, so that nothing is
    lost between here and the master. The matte goes beside it, likewise lossless.
    """
    info = plate_info(frame_set)
    name = "frames.%04d.exr" if info.is_float else "frames.mkv"
    opened = partial(open_writer, width=info.width, height=info.height, frame_rate=info.frame_rate)
    limits = [
        None if ref.matte is None else _limit(local_path(ref.matte, workspace), info, frames)
        for ref in layers
    ]

    def produce(folder: Path) -> dict[str, Any]:
        result_format = "exr" if info.is_float else "ffv1"
        results = opened(folder / name, format=result_format, colourspace=frame_set.colourspace)
        mattes = opened(folder / "matte.mkv", format="ffv1")
        plate = plate_frames(frame_set, frames)
        with results, mattes:
            for (frame, image), per_actor in zip(
                plate, _layers(layers, limits, prior, frames), strict=True
            ):
                result, matte = composite(image, per_actor)
                results.write(frame, result if info.is_float else with_headroom(result))
                mattes.write(frame, _grey16(matte))
        return {"num_frames": len(frames)}

    step = workspace.step(
        "frames",
        produce,
        frame_set=frame_set.content,
        layers=[(ref.actor, ref.cast.digest, ref.change.digest) for ref in layers],
        limits=[None if limit is None else plate_digest(limit, frames) for limit in limits],
        frames=frames,
    )
    return ChunkRef(
        path=str(step.folder / name),
        matte_path=str(step.folder / "matte.mkv"),
        digest=step.digest,
        frames=frames,
    )


def _layers(
    refs: Sequence[ActorLayerRef],
    limits: Sequence[PlateInfo | None],
    prior: PriorRef,
    frames: FrameRange,
) -> Iterator[list[Layer]]:
    """Yields the layers of each frame."""
    actors = [
        _actor_layers(ref, limit, prior, frames) for ref, limit in zip(refs, limits, strict=True)
    ]
    for _ in frames:
        yield [next(layers) for layers in actors]


def _actor_layers(
    ref: ActorLayerRef, limit: PlateInfo | None, prior: PriorRef, frames: FrameRange
) -> Iterator[Layer]:
    cropper = Cropper.of(ref.cast, loaded_prior(prior))
    track = cropper.track
    changes = np.load(ref.change.path, mmap_mode="r")
    mattes = repeat(None) if limit is None else _coverage(limit, frames)
    for frame, matte in zip(frames, mattes, strict=False):
        index = track.frames.index_of(frame)
        yield Layer(
            change=np.asarray(changes[frame - ref.change.frames.first]),
            plate_from_crop=cropper.crop_from_plate(frame).inverse(),
            landmarks=track.landmarks[index],
            opacity=float(track.fade[index]) * ref.actor.strength,
            feather=ref.actor.region.feather,
            expand=ref.actor.region.expand,
            limit=matte,
        )


def _limit(path: str, plate: PlateInfo, frames: FrameRange) -> PlateInfo:
    """Opens the artist's matte; a movie begins with the plate, a sequence has its own numbers.

    Raises:
        PlateError: It cannot be read, lacks frames, or is of another size than the plate.
    """
    info = probe(path, first_frame=plate.frames.first, frame_rate=plate.frame_rate)
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
        yield image.pixels.mean(axis=2).clip(0.0, 1.0)


def _grey16(matte: NDArray[np.float32]) -> NDArray[np.uint16]:
    codes = np.rint(matte * 65535.0).astype(np.uint16)
    # A matte that is not exactly 0 must stay so, as pixels may change there.
    codes[(matte > 0.0) & (codes == 0)] = 1
    return np.repeat(codes[..., None], 3, axis=2)
