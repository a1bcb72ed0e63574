"""What a night learns from and examines by: an increment's faces and a buffer's, as arrays.

Holds no task: it is what the tasks of a night share.
"""

from dataclasses import fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reage.errors import RegistryError
from reage.registry.buffers import find_buffer
from reage.rehearsal.replay_buffer import Faces, ReplayBuffer, load_buffer
from tasks.increment_refs import BufferRef, IncrementRef


@lru_cache(maxsize=2)
def found_buffer(ref: BufferRef) -> ReplayBuffer:
    """Loads a committed buffer, once for the tasks of a night.

    Raises:
        RegistryError: It is not the one that the ref names.
    """
    record = find_buffer(ref.actor, ref.version)
    if record is None or record.digest != ref.digest:
        got = "none" if record is None else f"{record.digest[:12]}…"
        raise RegistryError(
            f"buffer {ref.actor} {ref.version}: got {got}, expected {ref.digest[:12]}…; a rollback "
            "or purge came between: the next night begins anew"
        )
    return load_buffer(record.arrays)


@lru_cache(maxsize=2)
def increment_faces(ref: IncrementRef) -> tuple[Faces, NDArray[np.bool_]]:
    """Returns an increment's faces, and which of them are held out."""
    with np.load(ref.path, allow_pickle=False) as arrays:
        columns = {field.name: arrays[field.name] for field in fields(Faces)}
        return Faces(**columns), arrays["is_held_out"]


def learnt_and_held_out(ref: IncrementRef) -> tuple[Faces, Faces]:
    """Returns an increment's faces to learn from, and those to examine by."""
    faces, is_held_out = increment_faces(ref)
    return faces.rows(np.flatnonzero(~is_held_out)), faces.rows(np.flatnonzero(is_held_out))


def examined_faces(increment: IncrementRef, buffer: BufferRef | None) -> Faces:
    """Returns all held-out faces, of earlier increments and the new one."""
    _, held_out = learnt_and_held_out(increment)
    return held_out if buffer is None else found_buffer(buffer).held_out.and_then(held_out)
