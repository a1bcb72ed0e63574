"""Forming an increment: which of a night's photographs are learnt from, and which are held out.

And gathering what is learnt from with what is rehearsed, as a collection of its own.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.training import batches
from reage.rehearsal.held_out import choose_held_out
from reage.rehearsal.replay_buffer import Faces
from reage.workspace import Workspace
from tasks.gpu import device, loaded_prior
from tasks.increment_refs import BufferRef, IncrementRef
from tasks.refs import CollectionRef, PriorRef
from tasks.remembered_faces import found_buffer, learnt_and_held_out

LESSONS = "lesson"  # a stage
_ENCODED_AT_ONCE = 16


@task(name="form increment", cache_policy=NO_CACHE)
def form_increment(
    collection: CollectionRef,
    prior: PriorRef,
    *,
    number: int,
    held_out: int,
    workspace: Workspace,
) -> IncrementRef:
    """Encodes a night's photographs and holds some of them out.

    Args:
        collection: The photographs, at least one.
        prior: Whose latents they get.
        number: Of the increment, from 1.
        held_out: Photographs to hold out; at most a third is.
        workspace: The actor's.
    """

    def produce(folder: Path) -> dict[str, Any]:
        with np.load(collection.path, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
        faces = Faces(
            **columns,
            codes=encoded(columns["crops"], prior),
            increments=np.full(len(columns["crops"]), number, np.int64),
        )
        is_held_out = np.zeros(len(faces), bool)
        is_held_out[choose_held_out(faces.photographs.tolist(), most=held_out)] = True
        with (folder / "increment.npz").open("wb") as file:
            np.savez(file, **faces.arrays(), is_held_out=is_held_out)
        return {
            "num_learnt": int((~is_held_out).sum()),
            "num_held_out": int(is_held_out.sum()),
        }

    step = workspace.step(
        "increment",
        produce,
        collection=collection.digest,
        prior=prior.content,
        number=number,
        held_out=held_out,
    )
    return IncrementRef(
        path=str(step.folder / "increment.npz"),
        digest=step.digest,
        number=number,
        min_age=collection.min_age,
        max_age=collection.max_age,
        **step.facts,
    )


@task(name="gather lesson", cache_policy=NO_CACHE)
def gather_lesson(
    increment: IncrementRef, buffer: BufferRef | None, *, workspace: Workspace
) -> CollectionRef:
    """Writes the photographs that an update learns from, new and rehearsed, in order of age.

    Args:
        increment: The new ones.
        buffer: The rehearsed ones; None for a first increment.
        workspace: The actor's.
    """

    def produce(folder: Path) -> dict[str, Any]:
        faces, _ = learnt_and_held_out(increment)
        if buffer is not None:
            faces = faces.and_then(found_buffer(buffer).kept)
        faces = faces.rows(np.argsort(faces.ages, kind="stable"))
        with (folder / "lesson.npz").open("wb") as file:
            np.savez(file, **faces.arrays())
        return {
            "num_photos": len(faces),
            "min_age": float(faces.ages[0]),
            "max_age": float(faces.ages[-1]),
        }

    step = workspace.step(
        LESSONS,
        produce,
        increment=increment.digest,
        buffer=None if buffer is None else buffer.digest,
    )
    return CollectionRef(
        path=str(step.folder / "lesson.npz"),
        digest=step.digest,
        num_refused=0,
        report="",
        **step.facts,
    )


@torch.inference_mode()
def encoded(crops: NDArray[np.uint8], prior: PriorRef) -> NDArray[np.float32]:
    """Returns the latents of crops (N, R, R, 3), flattened, (N, L * D)."""
    network = loaded_prior(prior)
    rows = np.arange(len(crops))
    parts = batches(crops, rows, size=_ENCODED_AT_ONCE)
    codes = torch.cat([network.encode(part.to(device())) for part in parts])
    return codes.flatten(1).float().cpu().numpy()
