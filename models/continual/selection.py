"""What a replay buffer keeps: the strategies that are compared, behind one function.

The pool is the last increment and the buffer that was rehearsed with it, never all history.
Source: Wang et al. 2025, "Continual Learning of Personalized Generative Face Models with Experience
Replay": Lower, Upper, KMeans, ER-Random and ER-Hull.

Shapes: N codes, D latent size.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import ClusterError, kmeans2

from models.continual.balance import Balance, Rows
from models.continual.hull import Floats
from models.continual.search import score, swap_search

Strategy = Literal["none", "joint", "kmeans", "random", "hull"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

_KMEANS_STARTS = 10


def select(
    strategy: Strategy, codes: NDArray[np.floating], increments: Rows, size: int, *, seed: int
) -> Rows:
    """Chooses which codes of a pool a buffer keeps.

    Args:
        strategy: `none` keeps nothing, the lower bound; `joint` everything, the upper bound;
            `kmeans` the codes nearest the centres of `size` clusters; `random` a random subset in
            which increments are balanced; `hull` the balanced subset whose convex hull lies closest
            to the pool.
        codes: One a crop, (N, D).
        increments: Which increment each code came from, (N,).
        size: How many are kept; all where there are no more.
        seed: Of whatever is drawn.

    Returns:
        Rows of the pool, sorted, int64.

    Raises:
        ValueError: The strategy is none of these, the shapes do not belong together, a number is
            not finite or the size below 0.
    """
    _check(strategy, codes, increments, size)
    if strategy == "none" or (size == 0 and strategy != "joint"):
        return np.empty(0, dtype=np.int64)
    if strategy == "joint" or len(codes) <= size:
        return np.arange(len(codes), dtype=np.int64)
    if strategy == "kmeans":
        return _nearest_to_centres(codes.astype(np.float64), size, seed)
    if strategy == "random":
        drawn = Balance.of(increments, size).draw(np.random.default_rng(seed))
        return np.sort(drawn).astype(np.int64)
    return swap_search(codes, increments, size, seed=seed).rows


def hull_score(codes: NDArray[np.floating], chosen: Rows, increments: Rows | None = None) -> float:
    """Returns the mean distance of a pool to the convex hull of some of its codes.

    Args:
        codes: (N, D).
        chosen: Rows, at least one.
        increments: If given, (N,), distances are averaged within increments first and then over
            them: what `hull` makes small.
    """
    if not len(chosen):
        raise ValueError("chosen: rows: got 0, expected at least 1")
    return score(codes, chosen, increments)


def _nearest_to_centres(codes: Floats, size: int, seed: int) -> Rows:
    """The codes nearest k-means' centres, each once; the closest pairs choose first."""
    centres = _centres(codes, size, np.random.default_rng(seed))
    apart = np.square(codes[:, None, :] - centres[None]).sum(axis=2)
    rows = []
    for _ in range(size):
        row, centre = np.unravel_index(apart.argmin(), apart.shape)
        apart[row, :], apart[:, centre] = np.inf, np.inf
        rows.append(row)
    return np.sort(np.array(rows, dtype=np.int64))


def _centres(codes: Floats, size: int, rng: np.random.Generator) -> Floats:
    """Of several starts the centres with the least sum of squared distances."""
    best, least = codes[:size], np.inf
    for _ in range(_KMEANS_STARTS):
        try:
            centres, labels = kmeans2(codes, size, iter=50, minit="++", missing="raise", seed=rng)
        except ClusterError:  # a cluster ran empty
            continue
        spread = float(np.square(codes - centres[labels]).sum())
        if spread < least:
            best, least = centres, spread
    return best


def _check(strategy: Strategy, codes: NDArray[np.floating], increments: Rows, size: int) -> None:
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy: got {strategy!r}, expected one of {', '.join(STRATEGIES)}")
    if codes.ndim != 2 or increments.shape != codes.shape[:1]:
        raise ValueError(
            f"codes, increments: got shapes {codes.shape} and {increments.shape}, expected (N, D) "
            "and (N,)"
        )
    if not np.isfinite(codes).all():
        raise ValueError(f"codes: got {(~np.isfinite(codes)).sum()} numbers that are not finite")
    if size < 0:
        raise ValueError(f"size: got {size}, expected at least 0")
