"""How well a model does over increments, and what it forgets.

Both are figures of a matrix m, where m[t, k] is a metric of the model after increment t on held-out
photographs of increment k; entries with k > t are not looked at.
Source: Wang et al. 2025, "Continual Learning of Personalized Generative Face Models with Experience
Replay", and its working code.

Shapes: T increments.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating]


def average_incremental_performance(matrix: Matrix) -> float:
    """Returns the mean over t of the mean over k <= t of m[t, k].

    Args:
        matrix: (T, T), at least one increment.

    Raises:
        ValueError: It is not square, or an entry that counts is not finite.
    """
    _check(matrix, at_least=1)
    return float(np.mean([matrix[t, : t + 1].mean() for t in range(len(matrix))]))


def forgetting(matrix: Matrix, *, higher_is_better: bool = False) -> float:
    """Returns the mean over the earlier increments of how far the last model is from the best.

    Of increment k that is max over l from k to T - 2 of m[T - 1, k] - m[l, k], or of its negative
    where a higher metric is better. Below 0 where later increments helped.

    Args:
        matrix: (T, T), at least two increments.
        higher_is_better: As of a cosine; False as of a distance.

    Raises:
        ValueError: It is not square, or an entry that counts is not finite.
    """
    _check(matrix, at_least=2)
    return float(forgetting_by_increment(matrix, higher_is_better=higher_is_better).mean())


def forgetting_by_increment(
    matrix: Matrix, *, higher_is_better: bool = False
) -> NDArray[np.float64]:
    """Returns what the last model has forgotten of every increment but the last, (T - 1,).

    Arguments and errors as of `forgetting`.
    """
    _check(matrix, at_least=2)
    last = len(matrix) - 1
    distances = -matrix if higher_is_better else matrix
    return np.array([distances[last, k] - distances[k:last, k].min() for k in range(last)])


def _check(matrix: Matrix, *, at_least: int) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < at_least:
        raise ValueError(
            f"matrix: got shape {matrix.shape}, expected (T, T), T at least {at_least}"
        )
    spoilt = ~np.isfinite(matrix) & np.tri(len(matrix), dtype=bool)
    if spoilt.any():
        t, k = np.argwhere(spoilt)[0]
        raise ValueError(f"matrix: m[{t}, {k}]: got {matrix[t, k]}, expected a number")
