"""Choosing what is kept after an update, and staging it until the adapter is published."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.continual.selection import hull_score, select
from reage.manifest.nightly import BufferBudget
from reage.registry.buffers import stage_buffer
from reage.rehearsal.examination import (
    ExaminedFace,
    IncrementRecord,
    means_of,
    updated_records,
)
from reage.rehearsal.held_out import thinned
from reage.rehearsal.replay_buffer import Faces, PoolMap, ReplayBuffer
from reage.storage import file_digest
from tasks.increment_refs import BufferRef, ExaminationRef, IncrementRef
from tasks.refs import PriorRef, TrainedRef
from tasks.remembered_faces import found_buffer, learnt_and_held_out

_HEADERS_BYTES = 1 << 14  # of the arrays in the file
_RECORD_BYTES, _ROW_BYTES = 1000, 300  # of an increment and a face in the description, at most


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a buffer's photographs come from, and by what right they are kept.

    Attributes:
        actor: Whose they are.
        place: The collection's.
        consent_document: Id of the document that allowed learning from them.
        prior: Whose latents the codes are.
        parent: Version that the update went on from; empty for none.
    """

    actor: str
    place: str
    consent_document: str
    prior: PriorRef
    parent: str


@task(name="stage buffer", cache_policy=NO_CACHE)
def stage_update(
    increment: IncrementRef,
    buffer: BufferRef | None,
    examination: ExaminationRef,
    trained: TrainedRef,
    records: Sequence[IncrementRecord],
    *,
    budget: BufferBudget,
    provenance: Provenance,
    seed: int = 0,
) -> str:
    """Chooses from the new photographs and the buffer what to rehearse next, and stages it.

    The pool is the last increment and the buffer that was rehearsed with it, never all history.

    Args:
        increment: The new photographs.
        buffer: The present buffer; None before the first increment.
        examination: Figures of the update, which are remembered.
        trained: The update that the buffer goes with.
        records: Of all increments, the new one last, as they were before the examination.
        budget: What may be kept.
        provenance: Kept with it.
        seed: Of whatever is drawn.

    Returns:
        Digest of the staged buffer.

    Raises:
        RegistryError: The present buffer was changed.
        StorageError: The registry cannot be written.
    """
    learnt, held_out = learnt_and_held_out(increment)
    before = None if buffer is None else found_buffer(buffer)
    pool = learnt if before is None else before.kept.and_then(learnt)
    seen = (*(() if before is None else before.seen), *learnt.photographs, *held_out.photographs)
    limit = budget.megabytes * 1_000_000 - _HEADERS_BYTES - 32 * len(seen) - 32 * len(pool)
    limit -= _RECORD_BYTES * len(records)
    size = max(1, min(budget.images, limit // _bytes_each(pool)))
    rows = select(budget.strategy, pool.codes, pool.increments, size, seed=seed)
    kept = pool.rows(rows)
    held_out = held_out if before is None else before.held_out.and_then(held_out)
    held_out = _within(held_out, limit - kept.num_bytes)
    chosen = ReplayBuffer(
        kept=kept,
        held_out=held_out,
        seen=tuple(map(str, seen)),
        pool=PoolMap.of(pool, rows),
    )
    examined = read_examination(examination)
    described = {
        "actor": provenance.actor,
        "collection": provenance.place,
        "consent": provenance.consent_document,
        "prior": {"name": provenance.prior.name, "sha256": provenance.prior.digest},
        "parent": provenance.parent,
        "adapter": file_digest(Path(trained.folder) / "weights.safetensors"),
        "strategy": budget.strategy,
        "budget": budget.model_dump(),
        "hull_score": round(hull_score(pool.codes, rows, pool.increments), 6),
        "num_pool": len(pool),
        "kept": _table(kept),
        "held_out": _table(held_out),
        "increments": [record.plain() for record in _remembered(records, examined, held_out)],
    }
    return stage_buffer(provenance.actor, chosen.to_bytes(), described)


def read_examination(ref: ExaminationRef) -> list[ExaminedFace]:
    """Reads the figures that a ref points to."""
    text = (Path(ref.folder) / "examination.json").read_text("utf-8")
    return [ExaminedFace(**face) for face in json.loads(text)]


def _bytes_each(faces: Faces) -> int:
    return _ROW_BYTES - (-faces.num_bytes // max(len(faces), 1))


def _within(faces: Faces, num_bytes: int) -> Faces:
    """Lets held-out faces give way until the rest take no more than so many bytes."""
    if faces.num_bytes + _ROW_BYTES * len(faces) <= num_bytes:
        return faces
    most = max(0, num_bytes // _bytes_each(faces))
    increments, photographs = faces.increments.tolist(), faces.photographs.tolist()
    return faces.rows(thinned(increments, photographs, most=most))


def _remembered(
    records: Sequence[IncrementRecord], examined: Sequence[ExaminedFace], held_out: Faces
) -> list[IncrementRecord]:
    """Returns the records after the examination, begun anew where a photograph gave way.

    Figures of other photographs would not compare with the best so far.
    """
    left = set(held_out.photographs.tolist())
    staying = means_of([face for face in examined if face.photograph in left], "after")
    gone = {face.increment for face in examined if face.photograph not in left}
    found = []
    for record in updated_records(records, examined):
        after = staying.get(record.number, {})
        is_other = record.number in gone
        found.append(replace(record, best={}, last=after) if is_other else record)
    return found


def _table(faces: Faces) -> list[Mapping[str, Any]]:
    """Returns what people and scripts may know of faces without opening the arrays."""
    columns = (faces.names, faces.photographs, faces.increments, faces.ages, faces.age_sources)
    return [
        {
            "name": str(name),
            "sha256": str(digest),
            "increment": int(number),
            "age": round(float(age), 2),
            "age_source": str(source),
        }
        for name, digest, number, age, source in zip(
            *(np.asarray(column) for column in columns), strict=True
        )
    ]
