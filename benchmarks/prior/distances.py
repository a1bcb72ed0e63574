"""Distances of two sets of features: KID and FID, with the error that a finite sample leaves.

Sources: Binkowski et al. 2018, "Demystifying MMD GANs" (KID); Heusel et al. 2017, "GANs Trained by
a Two Time-Scale Update Rule" (FID); Efron 1982, "The Jackknife, the Bootstrap and Other Resampling
Plans" (deleting a block at a time).

Shapes: M, N, K rows of three sets, E features, B blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
Rows = NDArray[np.int64]

BLOCKS = 20


def polynomial_kernel(x: Features, y: Features) -> NDArray[np.float64]:
    """Returns (x . y / E + 1)^3 for every pair, (M, N), as KID has it."""
    return (x.astype(np.float64) @ y.T.astype(np.float64) / x.shape[1] + 1) ** 3


def kid(x: Features, y: Features) -> float:
    """Returns the unbiased squared MMD of x (M, E) and y (N, E) under the polynomial kernel.

    May be below 0 where the sets are alike. M and N are at least 2.
    """
    return unbiased_mmd2(polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y))


def unbiased_mmd2(
    within_x: NDArray[np.float64], within_y: NDArray[np.float64], between: NDArray[np.float64]
) -> float:
    """Returns the squared MMD from kernels (M, M), (N, N), (M, N); no row is met by itself."""
    return _mean_of_others(within_x) + _mean_of_others(within_y) - 2 * float(between.mean())


def weighted_mmd2(
    within_x: NDArray[np.float64],
    within_y: NDArray[np.float64],
    between: NDArray[np.float64],
    *,
    weights_x: NDArray[np.floating],
    weights_y: NDArray[np.floating],
) -> float:
    """Returns `unbiased_mmd2` of rows that count by weights (M,) and (N,)."""
    within = _weighted_others(within_x, weights_x) + _weighted_others(within_y, weights_y)
    pairs = np.outer(weights_x, weights_y)
    return within - 2 * float((between * pairs).sum() / pairs.sum())


def _weighted_others(kernel: NDArray[np.float64], weights: NDArray[np.floating]) -> float:
    pairs = np.outer(weights, weights)
    np.fill_diagonal(pairs, 0)
    return float((kernel * pairs).sum() / pairs.sum())


def _mean_of_others(kernel: NDArray[np.float64]) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


@dataclass(frozen=True)
class KidRatio:
    """How far edited and unedited faces lie from real ones, KID with standard errors."""

    edited: float
    edited_error: float
    unedited: float
    unedited_error: float
    ratio: float
    ratio_error: float


def kid_ratio(edited: Features, unedited: Features, real: Features) -> KidRatio:
    """Compares edited and unedited faces of the same M people with K real faces.

    Errors are a jackknife's, a block of people and a block of real faces left out at a time: a
    bootstrap would draw pictures twice and meet them with themselves.

    Args:
        edited, unedited: (M, E), row for row the same people.
        real: (K, E), of other photographs.
    """
    kernels = {
        "edited": (polynomial_kernel(edited, edited), polynomial_kernel(edited, real)),
        "unedited": (polynomial_kernel(unedited, unedited), polynomial_kernel(unedited, real)),
    }
    within_real = polynomial_kernel(real, real)

    def measured(people: Rows, pictures: Rows) -> NDArray[np.float64]:
        within = within_real[np.ix_(pictures, pictures)]
        edited_kid, unedited_kid = (
            unbiased_mmd2(own[np.ix_(people, people)], within, other[np.ix_(people, pictures)])
            for own, other in kernels.values()
        )
        return np.array([edited_kid, unedited_kid, edited_kid / unedited_kid])

    whole = measured(np.arange(len(edited)), np.arange(len(real)))
    errors = jackknife_error(measured, len(edited), len(real))
    return KidRatio(whole[0], errors[0], whole[1], errors[1], whole[2], errors[2])


def jackknife_error(
    statistic: Callable[[Rows, Rows], NDArray[np.float64]], first: int, second: int
) -> NDArray[np.float64]:
    """Returns standard errors of a statistic of two samples of `first` and `second` rows."""
    blocks = min(BLOCKS, first // 2, second // 2)
    values = np.array(
        [
            statistic(
                np.flatnonzero(np.arange(first) % blocks != block),
                np.flatnonzero(np.arange(second) % blocks != block),
            )
            for block in range(blocks)
        ]
    )
    spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt((blocks - 1) / blocks * spread))


def fid(x: Features, y: Features) -> float:
    """Returns the squared Frechet distance of the Gaussians fitted to x (M, E) and y (N, E)."""
    gap = float(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum())
    first, second = (np.cov(rows.astype(np.float64), rowvar=False) for rows in (x, y))
    root = _root(first)
    shared = np.linalg.eigvalsh(root @ second @ root).clip(0)
    apart = float(np.trace(first) + np.trace(second) - 2 * np.sqrt(shared).sum())
    return gap + max(apart, 0.0)


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(values.clip(0))) @ vectors.T)
