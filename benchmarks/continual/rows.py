"""One row of the comparison: a stream is learnt night by night with one way of choosing a buffer.

Shapes: T increments, N photographs of one, S size that is learnt at.
"""

import copy
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.continual.judging import MEASURES, Encoded, Examiner
from models.ageing.compact_prior import CompactPrior
from models.ageing.critics import critics_of
from models.ageing.personal_pass import PhotoBatch
from models.continual.personal_generator import PersonalGenerator
from models.continual.rehearsal import UpdateRecipe, learn_increment
from models.continual.selection import Strategy, select

SIZE = 64  # px, S; the prior's next to last level, at which a step costs two thirds

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """What is compared: a strategy with a buffer of some size on one stream, from one seed."""

    stream: str
    strategy: Strategy
    size: int
    seed: int

    @property
    def name(self) -> str:
        """Of the file with its figures."""
        return f"{self.stream}-{self.strategy}-{self.size}-{self.seed}".replace(" ", "_")


@dataclass(frozen=True, kw_only=True)
class Schooling:
    """How every row is learnt."""

    steps: int = 10  # an increment
    learning_rate: float = 2e-3  # the published 3e-4 is for thousands of steps


@dataclass
class _Buffer:
    """What is rehearsed: increments and photographs of them, as indices into the stream."""

    increments: Rows
    photographs: Rows

    def photos(self, encoded: Encoded) -> PhotoBatch | None:
        if not len(self.increments):
            return None
        return _batch(encoded, self.increments, self.photographs)


def kept_by_night(row: Row, codes: NDArray[np.floating]) -> Iterator[tuple[Rows, Rows]]:
    """Yields what a row chose from and what it kept, night by night, as `run_row` does.

    Args:
        row: Of a strategy that chooses.
        codes: Of photographs that teach, (T, N, D).

    Yields:
        The pool as pairs of increment and photograph, int64, (P, 2), and the rows of it that were
        kept.
    """
    pool = np.empty((0, 2), np.int64)
    count = codes.shape[1]
    for new in range(len(codes)):
        arrived = np.stack([np.full(count, new), np.arange(count)], axis=1)
        pool = np.concatenate([pool, arrived])
        found = codes[pool[:, 0], pool[:, 1]]
        rows = select(row.strategy, found, pool[:, 0], row.size, seed=row.seed * 1000 + new)
        yield pool, rows
        pool = pool[rows]


def run_row(
    row: Row, prior: CompactPrior, encoded: Encoded, examiner: Examiner, schooling: Schooling
) -> dict[str, Any]:
    """Learns a stream; returns the row, its matrices (T, T) by measure, and processor seconds.

    `joint` is the upper bound: one model of all increments at once, examined on each; of its
    matrices the last line alone is filled.
    """
    begun = time.process_time()
    learner = _learner(prior)
    count = len(encoded.crops)
    matrices = {name: np.full((count, count), np.nan) for name in MEASURES}
    buffer = _Buffer(np.empty(0, np.int64), np.empty(0, np.int64))
    nights = kept_by_night(row, encoded.codes.flatten(2).numpy())
    for increment in range(count):
        if row.strategy == "joint" and increment < count - 1:
            continue
        learnt = range(count) if row.strategy == "joint" else [increment]
        new = _whole(encoded, np.array(learnt))
        recipe = UpdateRecipe(
            steps=schooling.steps * len(learnt),
            batch_size=4 if row.strategy == "joint" else 2,  # as many as new and rehearsed are
            learning_rate=schooling.learning_rate,
            seed=row.seed * 1000 + increment,
        )
        _learn(learner, new, buffer.photos(encoded), recipe)
        for examined in range(increment + 1):
            for name, value in examiner.examine(learner.decode, examined).items():
                matrices[name][increment, examined] = value
        if row.strategy != "joint":
            pool, rows = next(nights)
            buffer = _Buffer(*pool[rows].T)
    lists = {name: _plain(matrix) for name, matrix in matrices.items()}
    return {**asdict(row), "matrices": lists, "seconds": round(time.process_time() - begun, 1)}


def _learner(prior: CompactPrior) -> PersonalGenerator:
    synthesis = copy.deepcopy(prior.synthesis)
    return PersonalGenerator.tuned(
        synthesis,
        encode=prior.encode,
        perceptual=critics_of(prior).perceptual,
        decode=lambda w_plus: synthesis(w_plus, size=SIZE),
    )


def _learn(
    learner: PersonalGenerator, new: PhotoBatch, kept: PhotoBatch | None, recipe: UpdateRecipe
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "increment.pt"
        learn_increment(learner, new, kept, recipe, checkpoint=path, report=lambda *_: None)


def _whole(encoded: Encoded, increments: Rows) -> PhotoBatch:
    count = encoded.codes.shape[1]
    return _batch(encoded, np.repeat(increments, count), np.tile(np.arange(count), len(increments)))


def _batch(encoded: Encoded, increments: Rows, photographs: Rows) -> PhotoBatch:
    return PhotoBatch(
        crops=encoded.crops[increments, photographs],
        ages=torch.zeros(len(increments)),  # of which this learner knows nothing
        codes=encoded.codes[increments, photographs],
    )


def _plain(matrix: NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(v) else round(float(v), 6) for v in line] for line in matrix]
