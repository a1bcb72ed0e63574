"""What the result shows: apparent age and likeness of every frame, by the prior's own estimators.

These figures steer nobody's training. They say whether a shot came out as asked; an independent
judge is the benchmarks' business.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from prefect import task

from models.ageing.prior import Prior
from reage.framerange import FrameRange
from reage.workspace import Workspace
from tasks.crops import Crop, Cropper, chunk_frames, to_tensor
from tasks.gpu import loaded_prior
from tasks.holdouts import open_holdout
from tasks.refs import ActorLayerRef, CastRef, ChunkRef, FrameSetRef, MeasuresRef, PriorRef

BATCH = 8
FIGURES = ("plate_age", "result_age", "similarity")


@task(name="measure chunk")
def measure_chunk(
    frame_set: FrameSetRef,
    chunk: ChunkRef,
    layers: Sequence[ActorLayerRef],
    prior: PriorRef,
    *,
    workspace: Workspace,
) -> MeasuresRef:
    """Estimates, for every frame and actor, the age shown and the likeness to the plate's face.

    Writes `measures.json`: per actor `plate_age`, `result_age` (years), `similarity` (cosine), null
    in takes without the actor, and `held_back` (share of the face's matte that something is in
    front of; null where nothing was looked for), one entry per frame.
    """

    def produce(folder: Path) -> dict[str, Any]:
        network = loaded_prior(prior)
        figures = {
            ref.actor.actor: {
                **_measure(network, _crop_pairs(frame_set, chunk, ref.cast, network)),
                "held_back": _held_back(ref, chunk.frames),
            }
            for ref in layers
        }
        (folder / "measures.json").write_text(json.dumps(figures))
        return {"num_frames": len(chunk.frames)}

    step = workspace.step("measures", produce, chunk=chunk.digest, prior=prior.content)
    return MeasuresRef(
        path=str(step.folder / "measures.json"), digest=step.digest, frames=chunk.frames
    )


def _held_back(ref: ActorLayerRef, frames: FrameRange) -> list[float] | list[None]:
    if ref.plan.occlusion is None:
        return [None] * len(frames)
    found = open_holdout(ref.plan.occlusion, ref.cast)
    rows = [found.view.frames.index_of(frame) for frame in frames]
    shares: list[float] = found.held_back[rows].tolist()
    return shares


def _crop_pairs(
    frame_set: FrameSetRef, chunk: ChunkRef, cast: CastRef, prior: Prior
) -> Iterator[tuple[Crop, Crop] | None]:
    """Yields the actor's crop from the plate and from the result; None in takes without them."""
    cropper, parts = Cropper.of(cast, prior), cast.parts(chunk.frames)
    for frame, before, after, _ in chunk_frames(frame_set, chunk):
        is_there = any(frame in part for part in parts)
        yield (cropper.crop(frame, before), cropper.crop(frame, after)) if is_there else None


@torch.inference_mode()
def _measure(
    prior: Prior, pairs: Iterator[tuple[Crop, Crop] | None]
) -> dict[str, list[float | None]]:
    collected = list(pairs)
    rows = [row for row, pair in enumerate(collected) if pair is not None]
    found = [pair for pair in collected if pair is not None]
    figures: dict[str, list[float | None]] = {name: [None] * len(collected) for name in FIGURES}
    for start in range(0, len(found), BATCH):
        plate, result = (
            to_tensor(np.stack(side)) for side in zip(*found[start : start + BATCH], strict=True)
        )
        likeness = (prior.embed(plate).float() * prior.embed(result).float()).sum(dim=1)
        ages = (prior.witnessed_age(crops).float() for crops in (plate, result))
        for name, values in zip(FIGURES, (*ages, likeness), strict=True):
            for row, value in zip(rows[start:], values.tolist(), strict=False):
                figures[name][row] = value
    return figures
