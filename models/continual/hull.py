"""Exact distances to convex hulls of a few points in many dimensions.

A hull is never built. The nearest point of conv(v_1 .. v_K) to x is sum_k a_k v_k with the weights
a >= 0, sum a = 1, that minimise |x - sum_k a_k v_k|: a quadratic programme in K numbers, of which
only inner products are needed. An active set solves it exactly in a handful of steps, for all
points and hulls at once.
Source: Wolfe 1976, "Finding the nearest point in a polytope".

Shapes: N points, K vertices, D latent size, C hulls, P problems.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PRECISION = 1e-11  # of a gradient, in units of the programme's largest inner product
_LARGEST_BLOCK = 2_000_000  # numbers in the systems that are solved at once


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest points of a hull.

    Attributes:
        distances: Euclidean, (N,).
        weights: Of the vertices in the nearest points, (N, K); at least 0, rows sum to 1.
    """

    distances: Floats
    weights: Floats


def nearest_in_hull(points: NDArray[np.floating], vertices: NDArray[np.floating]) -> Nearest:
    """Finds the nearest points of conv(vertices).

    Args:
        points: (N, D).
        vertices: (K, D), at least one; they may coincide or lie in each other's hull.

    Raises:
        ValueError: The shapes do not belong together, or there is no vertex.
    """
    if points.ndim != 2 or vertices.ndim != 2 or points.shape[1] != vertices.shape[1]:
        raise ValueError(
            f"points, vertices: got shapes {points.shape} and {vertices.shape}, expected (N, D) "
            "and (K, D)"
        )
    if not len(vertices):
        raise ValueError("vertices: got 0, expected at least 1")
    corners = vertices.astype(np.float64)
    centre = corners.mean(axis=0)  # inner products of far-off points would lose digits
    corners, moved = corners - centre, points.astype(np.float64) - centre
    weights = hull_weights((corners @ corners.T)[None], (moved @ corners.T)[None])[0]
    return Nearest(np.linalg.norm(moved - weights @ corners, axis=1), weights)


def hull_weights(gram: Floats, products: Floats) -> Floats:
    """Finds the weights of nearest points, for many hulls at once.

    Args:
        gram: Inner products of each hull's vertices, (C, K, K).
        products: Inner products of points with the vertices, (C, N, K); of whatever origin, so
            long as it is the same one.

    Returns:
        (C, N, K), at least 0, the last axis sums to 1.
    """
    hulls, points, size = products.shape
    if size == 1:
        return np.ones_like(products)
    result = np.empty((hulls * points, size))
    linear = products.reshape(-1, size)
    block = max(1, _LARGEST_BLOCK // (size * size))
    owners = np.repeat(np.arange(hulls), points)
    for first in range(0, len(linear), block):
        rows = slice(first, first + block)
        result[rows] = _ActiveSets(gram, owners[rows], linear[rows]).solve()
    return result.reshape(products.shape)


def squared_distances(gram: Floats, products: Floats, norms: Floats, weights: Floats) -> Floats:
    """Returns squared distances (C, N) to the points of given weights, from inner products.

    `norms` are the points' squared lengths, (N,); the rest is as of `hull_weights`. About 8 digits
    of the largest length remain, where `nearest_in_hull` keeps all.
    """
    inside = ((weights @ gram) * weights).sum(axis=-1)
    return np.maximum(norms - 2 * (products * weights).sum(axis=-1) + inside, 0.0)


class _ActiveSets:
    """Programmes min a'Ga / 2 - c'a on the simplex, each with the set of weights that are not 0.

    Every round solves each open programme on its set. Where all weights come out positive, the
    vertex whose gradient is steepest joins, or the programme is solved; elsewhere the weights go
    as far as they stay positive, and what became 0 leaves.
    """

    def __init__(self, gram: Floats, owners: NDArray[np.int64], linear: Floats) -> None:
        scale = np.abs(gram).max(axis=(1, 2)) + np.finfo(np.float64).tiny
        # On the simplex a constant in all of G changes nothing, and G is positive definite on every
        # affinely independent set.
        self._gram = gram / scale[:, None, None] + 1.0
        self._owners, self._linear = owners, linear / scale[owners, None]
        self._weights = self._guess()
        self._set = self._weights > 0
        self._joined = np.full(len(linear), -1)
        self._tolerance = _PRECISION * (1 + np.abs(self._linear).max(axis=1))

    def _guess(self) -> Floats:
        """Returns weights to begin with: all vertices, less those with negative weights, in turn.

        Dropping several at once is no way to a solution, but ends near it.
        """
        rows = np.arange(len(self._linear))
        self._set = np.ones(self._linear.shape, dtype=bool)
        weights = np.empty(self._linear.shape)
        while len(rows):
            weights[rows] = self._on_sets(rows)
            falls = (weights[rows] <= 0) & self._set[rows]
            self._set[rows] &= ~falls
            rows = rows[falls.any(axis=1)]
        return weights

    def solve(self) -> Floats:
        """Returns the weights, (P, K)."""
        open_rows = np.arange(len(self._weights))
        if len(open_rows):
            open_rows = self._join(open_rows)
        rounds = 50 * self._weights.shape[1]
        while len(open_rows):
            rounds -= 1
            if rounds < 0:
                raise ArithmeticError(
                    f"hull: got no solution of {len(open_rows)} programmes, expected one within "
                    f"{50 * self._weights.shape[1]} rounds; are all codes finite?"
                )
            target = self._on_sets(open_rows)
            inside = ((target > 0) | ~self._set[open_rows]).all(axis=1)
            arrived, short = open_rows[inside], open_rows[~inside]
            self._weights[arrived] = target[inside]
            kept = self._leave(short, target[~inside])
            open_rows = np.concatenate([self._join(arrived), kept])
        return self._weights

    def _on_sets(self, rows: NDArray[np.int64]) -> Floats:
        """Solves with sum a = 1 and signs free; 0 off the sets."""
        chosen = self._set[rows]
        system = self._gram[self._owners[rows]] * (chosen[:, :, None] & chosen[:, None, :])
        diagonal = np.arange(chosen.shape[1])
        system[:, diagonal, diagonal] += np.where(chosen, 1e-13, 1.0)
        sides = np.stack([self._linear[rows] * chosen, chosen.astype(np.float64)], axis=2)
        free, ones = np.moveaxis(np.linalg.solve(system, sides), 2, 0)
        level = (1 - free.sum(axis=1)) / ones.sum(axis=1)
        target: Floats = free + level[:, None] * ones
        return target

    def _join(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Lets the steepest vertex join; returns the rows where there was one."""
        weights = self._weights[rows]
        pulled = np.matmul(weights[:, None, :], self._gram[self._owners[rows]])[:, 0]
        gradient = pulled - self._linear[rows]
        level = (gradient * weights).sum(axis=1)
        outside = np.where(self._set[rows], np.inf, gradient)
        steepest = outside.argmin(axis=1)
        gains = outside.min(axis=1) < level - self._tolerance[rows]
        self._joined[rows] = steepest
        self._set[rows[gains], steepest[gains]] = True
        joining: NDArray[np.int64] = rows[gains]
        return joining

    def _leave(self, rows: NDArray[np.int64], target: Floats) -> NDArray[np.int64]:
        """Goes towards `target` as far as allowed; returns the rows that are still open.

        Where the vertex that has just joined would be the first to leave, what it gains is below
        rounding, and the programme is solved.
        """
        weights = self._weights[rows]
        falls = self._set[rows] & (target <= 0)
        fall = np.where(falls, weights - target, 1.0)
        reach = np.where(falls, weights / np.where(fall > 0, fall, 1.0), np.inf)
        step = reach.min(axis=1)
        moved = weights + step[:, None] * (target - weights)
        gone = falls & (reach <= step[:, None])
        moved[gone] = 0.0
        self._weights[rows] = np.maximum(moved, 0.0)
        vain = gone[np.arange(len(rows)), self._joined[rows]] & (step <= 0)
        self._set[rows] &= ~gone
        still: NDArray[np.int64] = rows[~vain]
        return still
