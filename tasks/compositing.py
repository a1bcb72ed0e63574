"""Returning the network's change to the plate, chunk by chunk, into lossless frames."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task

from reage.compositing import Layer, composite
from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video import open_writer, probe, read_frames
from reage.workspace import Workspace
from tasks.crops import Cropper, plate_frames, plate_info, with_headroom
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

    def produce(folder: Path) -> dict[str, Any]:
        result_format = "exr" if info.is_float else "ffv1"
        results = opened(folder / name, format=result_format, colourspace=frame_set.colourspace)
        mattes = opened(folder / "matte.mkv", format="ffv1")
        plate = plate_frames(frame_set, frames)
        with results, mattes:
            for (frame, image), per_actor in zip(
                plate, _layers(layers, prior, frames), strict=True
            ):
                result, matte = composite(image, per_actor)
                results.write(frame, result if info.is_float else with_headroom(result))
                mattes.write(frame, _grey16(matte))
        return {"num_frames": len(frames)}

    step = workspace.step(
        "frames",
        produce,
        frame_set=frame_set.content,
        layers=[(ref.actor, ref.cast.digest, ref.change.digest, ref.matte) for ref in layers],
        frames=frames,
    )
    return ChunkRef(
        path=str(step.folder / name),
        matte_path=str(step.folder / "matte.mkv"),
        digest=step.digest,
        frames=frames,
    )


def _layers(
    refs: Sequence[ActorLayerRef], prior: PriorRef, frames: FrameRange
) -> Iterator[list[Layer]]:
    """Yields the layers of each frame."""
    actors = [_actor_layers(ref, prior, frames) for ref in refs]
    for _ in frames:
        yield [next(layers) for layers in actors]


def _actor_layers(ref: ActorLayerRef, prior: PriorRef, frames: FrameRange) -> Iterator[Layer]:
    cropper = Cropper.of(ref.cast, loaded_prior(prior))
    track = cropper.track
    changes = np.load(ref.change.path, mmap_mode="r")
    limits = _limits(ref.matte, frames)
    for frame in frames:
        index = track.frames.index_of(frame)
        yield Layer(
            change=np.asarray(changes[frame - ref.change.frames.first]),
            plate_from_crop=cropper.crop_from_plate(frame).inverse(),
            landmarks=track.landmarks[index],
            opacity=float(track.fade[index]) * ref.actor.strength,
            feather=ref.actor.region.feather,
            expand=ref.actor.region.expand,
            limit=next(limits, None),
        )


def _limits(path: str | None, frames: FrameRange) -> Iterator[NDArray[np.float32]]:
    """Yields the artist's matte of each frame: the mean of its channels; nothing without one."""
    if path is None:
        return
    info = (
        probe(path, first_frame=frames.first)
        if "%" not in path and "#" not in path
        else probe(path)
    )
    if frames.first not in info.frames or frames.last not in info.frames:
        raise PlateError(
            f"{path}: frames: got {info.frames}, expected {frames} as in the shot; "
            "render the matte for the whole frame range"
        )
    for _, image in read_frames(info, frames, colourspace="srgb"):
        yield image.pixels.mean(axis=2).clip(0.0, 1.0)


def _grey16(matte: NDArray[np.float32]) -> NDArray[np.uint16]:
    codes = np.rint(matte * 65535.0).astype(np.uint16)
    # A matte that is not exactly 0 must stay so, as pixels may change there.
    codes[(matte > 0.0) & (codes == 0)] = 1
    return np.repeat(codes[..., None], 3, axis=2)
