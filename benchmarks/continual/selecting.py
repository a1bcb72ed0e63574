"""What choosing a buffer costs, and how good a choice it is: the authors' search against ours.

Shapes: N codes, D latent size, B places.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.continual.search import Found, random_search, swap_search

_LATENT_SIZE, _DIRECTIONS = 512, 6
_NIGHTS, _TAUGHT = 6, 20
_LARGE, _LARGE_DRAWS = 10_000, 20  # of 5,000 draws; the time is scaled


def measure_selection(*, seeds: int = 2) -> dict[str, Any]:
    """Returns processor seconds and scores of both searches, by buffer size.

    Pools are clusters of six directions each, drawn; a night's pool is twenty codes and the buffer
    that the night before left. Of the large pool only some of the authors' draws are scored, and
    their time is scaled up.
    """
    nightly = {str(size): _nights(size, seeds) for size in (3, 5, 10)}
    return {"nightly": nightly, "10000 codes": {str(size): _large(size) for size in (3, 5, 10)}}


def _nights(size: int, seeds: int) -> dict[str, Any]:
    theirs, ours = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        codes, increments = np.empty((0, _LATENT_SIZE)), np.empty(0, np.int64)
        for night in range(_NIGHTS):
            codes = np.concatenate([codes, _cluster(_TAUGHT, rng)])
            increments = np.append(increments, np.full(_TAUGHT, night))
            theirs.append(_timed(random_search, codes, increments, size, seed))
            ours.append(_timed(swap_search, codes, increments, size, seed))
            kept = ours[-1][1].rows
            codes, increments = codes[kept], increments[kept]
    ratios = np.array([o.score / t.score for (_, o), (_, t) in zip(ours, theirs, strict=True)])
    return {
        "pools": len(ours),
        "seconds_authors": round(float(np.mean([s for s, _ in theirs])), 4),
        "seconds_ours": round(float(np.mean([s for s, _ in ours])), 4),
        "score_ratio": round(float(ratios.mean()), 5),
        "worst_score_ratio": round(float(ratios.max()), 5),
        "ours_better": int((ratios < 1 - 1e-6).sum()),
        "ours_worse": int((ratios > 1 + 1e-6).sum()),
    }


def _large(size: int) -> dict[str, Any]:
    rng = np.random.default_rng(size)
    codes = np.concatenate([_cluster(_LARGE // 10, rng) for _ in range(10)])
    increments = np.repeat(np.arange(10), _LARGE // 10)
    seconds, ours = _timed(swap_search, codes, increments, size, 0)
    begun = time.process_time()
    theirs = random_search(codes, increments, size, seed=0, draws=_LARGE_DRAWS)
    each = (time.process_time() - begun) / _LARGE_DRAWS
    return {
        "seconds_ours": round(seconds, 2),
        "score_ours": round(ours.score, 4),
        "seconds_authors_of_5000": round(5000 * each),
        f"score_authors_of_{_LARGE_DRAWS}": round(theirs.score, 4),
    }


def _timed(
    search: Any, codes: NDArray[np.float64], increments: NDArray[np.int64], size: int, seed: int
) -> tuple[float, Found]:
    begun = time.process_time()
    found = search(codes, increments, size, seed=seed)
    return time.process_time() - begun, found


def _cluster(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    directions = rng.normal(size=(_DIRECTIONS, _LATENT_SIZE)) * 0.5
    around = rng.normal(size=(count, _DIRECTIONS)) @ directions
    grain = rng.normal(size=(count, _LATENT_SIZE)) * 0.2
    return np.asarray(rng.normal(size=_LATENT_SIZE) + around + grain)
