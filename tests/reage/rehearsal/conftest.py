"""Faces that are nobody's: small, seeded, each unlike the others."""

import hashlib

import numpy as np
import pytest

from reage.rehearsal.replay_buffer import Faces, PoolMap, ReplayBuffer


def faces_of(count, *, increment=1, seed=0, size=8, num_codes=12):
    rng = np.random.default_rng([seed, increment])
    embeddings = rng.normal(size=(count, 6))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Faces(
        crops=rng.integers(0, 255, (count, size, size, 3), np.uint8),
        codes=rng.normal(size=(count, num_codes)).astype(np.float32),
        embeddings=embeddings.astype(np.float32),
        hashes=rng.random((count, 16, 16)) < 0.5,
        sharpness=rng.random(count).astype(np.float32),
        ages=rng.integers(30, 70, count).astype(np.float32),
        age_sources=np.full(count, "name"),
        names=np.array([f"{increment}_{n}.jpg" for n in range(count)], np.str_),
        photographs=np.array(
            [hashlib.sha256(f"{seed} {increment} {n}".encode()).hexdigest() for n in range(count)],
            np.str_,
        ),
        increments=np.full(count, increment, np.int64),
    )


def buffer_of(kept, held_out, *, pool=None):
    pool = kept if pool is None else pool
    rows = np.flatnonzero(np.isin(pool.photographs, kept.photographs))
    seen = tuple(map(str, [*pool.photographs, *held_out.photographs]))
    return ReplayBuffer(kept=kept, held_out=held_out, seen=seen, pool=PoolMap.of(pool, rows))


@pytest.fixture
def buffer():
    """Three rehearsed of a pool of ten in two increments, and two held out."""
    pool = faces_of(6).and_then(faces_of(4, increment=2))
    return buffer_of(pool.rows([0, 3, 8]), faces_of(2, increment=1, seed=7), pool=pool)
