"""Search for the balanced subset of a pool whose convex hull lies closest to the pool.

The score of a subset is the mean distance of an increment's codes to the subset's hull, averaged
over increments, so that an old increment of which three codes are left counts as much as last
night's twenty. Codes within the subset count, at distance 0.
Sources: the search of up to 5,000 random subsets is that of Wang et al.'s working code (which gives
an increment that is kept whole a distance measured when its other codes were at hand; a pool no
longer has them). The greedy start with swaps is Reage's.

Shapes: N codes, D latent size, B places in the buffer, C subsets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.continual.balance import Balance, Rows
from models.continual.hull import Floats, hull_weights, squared_distances

DRAWS = 5000  # of the authors' search
EXHAUSTIVE = 2000  # subsets; searching among more scores about as many
_POINTS, _CANDIDATES = 256, 48  # that a step looks at; a larger pool is sampled
_STARTS, _DRAWN = 4, 24  # the greedy one, and each time the best of so many drawn subsets
_PASSES, _SAMPLED_PASSES = 20, 2
_SUBSETS_AT_ONCE = 512
_GAIN = 1e-9  # share of the score by which a swap has to be better


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        rows: Of the pool, sorted, (B,).
        score: Of the subset, over the whole pool.
        scored: How many subsets were scored on the way.
    """

    rows: Rows
    score: float
    scored: int


def random_search(
    codes: NDArray[np.floating], increments: Rows, size: int, *, seed: int, draws: int = DRAWS
) -> Found:
    """Scores random balanced subsets, or all where there are no more than `draws`.

    Args:
        codes: (N, D).
        increments: Which increment each code came from, (N,).
        size: B, 1 to N.
        seed: Of the draws.
        draws: How many subsets at most.
    """
    balance, pool = Balance.of(increments, size), _Pool(codes, increments)
    if balance.count() <= draws:
        return _best(pool, np.array(list(balance.every()), dtype=np.int64))
    rng = np.random.default_rng(seed)
    return _best(pool, np.stack([balance.draw(rng) for _ in range(draws)]))


def swap_search(codes: NDArray[np.floating], increments: Rows, size: int, *, seed: int) -> Found:
    """Swaps codes as long as the score falls; arguments as of random_search.

    It begins with a subset that grew greedily and with some that were drawn. Where there are few
    balanced subsets, all are scored instead. In a pool of more than a few hundred codes there is
    only the greedy start, and every step looks at samples of the pool, so that its cost does not
    grow with N.
    """
    balance, pool = Balance.of(increments, size), _Pool(codes, increments)
    if balance.count() <= EXHAUSTIVE:
        return _best(pool, np.array(list(balance.every()), dtype=np.int64))
    search = _SwapSearch(pool, balance, np.random.default_rng(seed))
    chosen = search.run()
    return Found(np.sort(chosen), float(pool.scores(chosen[None])[0]), search.scored)


def score(codes: NDArray[np.floating], chosen: Rows, increments: Rows | None = None) -> float:
    """Returns the mean distance of the pool to a subset's hull, averaged over increments if given.

    Args:
        codes: (N, D).
        chosen: Rows, at least one.
        increments: As of random_search.
    """
    one = np.zeros(len(codes), dtype=np.int64)
    return float(_Pool(codes, one if increments is None else increments).scores(chosen[None])[0])


class _Pool:
    """Codes, and how much each counts in the score."""

    def __init__(self, codes: NDArray[np.floating], increments: Rows) -> None:
        exact = codes.astype(np.float64)
        self._codes = exact - exact.mean(axis=0)  # keeps digits of inner products
        self._norms = np.square(self._codes).sum(axis=1)
        _, places, counts = np.unique(increments, return_inverse=True, return_counts=True)
        self._shares = 1.0 / (len(counts) * counts[places])

    def __len__(self) -> int:
        return len(self._codes)

    def sample(self, count: int, rng: np.random.Generator) -> Rows:
        """Draws codes, each as likely as it counts; all where there are no more."""
        if len(self) <= count:
            return np.arange(len(self))
        drawn = rng.choice(len(self), count, replace=False, p=self._shares)
        return np.sort(drawn)

    def scores(self, subsets: Rows, points: Rows | None = None) -> Floats:
        """Returns the scores (C,) of subsets (C, B), by some points of the pool or all.

        Of a sample, which is drawn by share already, the plain mean is meant.
        """
        rows = np.arange(len(self)) if points is None else points
        shares = self._shares if points is None or len(points) == len(self) else None
        at_once = max(1, _SUBSETS_AT_ONCE * _POINTS // len(rows))
        parts = [
            np.average(self._distances(subsets[first : first + at_once], rows), 1, shares)
            for first in range(0, len(subsets), at_once)
        ]
        return np.concatenate(parts)

    def _distances(self, subsets: Rows, points: Rows) -> Floats:
        used, where = np.unique(subsets, return_inverse=True)
        where = where.reshape(subsets.shape)
        corners = self._codes[used]
        gram = (corners @ corners.T)[where[:, :, None], where[:, None, :]]
        products = (self._codes[points] @ corners.T)[:, where].transpose(1, 0, 2)
        weights = hull_weights(gram, np.ascontiguousarray(products))
        return np.sqrt(squared_distances(gram, products, self._norms[points], weights))


class _SwapSearch:
    """One search; `scored` counts the subsets that it has looked at."""

    def __init__(self, pool: _Pool, balance: Balance, rng: np.random.Generator) -> None:
        self._pool, self._balance, self._rng = pool, balance, rng
        self._sampled = len(pool) > _POINTS
        self._every = np.arange(len(pool))
        self.scored = 0

    def run(self) -> Rows:
        """Returns the best of the subsets at which no swap was better, of several starts."""
        if self._sampled:
            return self._improved(self._greedy(), _SAMPLED_PASSES)
        ends = [self._improved(self._greedy(), _PASSES)]
        ends += [self._improved(self._drawn(), _PASSES) for _ in range(_STARTS - 1)]
        return ends[int(self._scores(np.stack(ends), self._every).argmin())]

    def _improved(self, chosen: Rows, passes: int) -> Rows:
        for _ in range(passes):
            before = chosen.copy()
            self._pass(chosen)
            if (chosen == before).all():
                break
        return chosen

    def _drawn(self) -> Rows:
        subsets = np.stack([self._balance.draw(self._rng) for _ in range(_DRAWN)])
        best: Rows = subsets[self._scores(subsets, self._every).argmin()]
        return best

    def _greedy(self) -> Rows:
        points = self._pool.sample(_POINTS, self._rng)
        chosen = np.empty(0, dtype=np.int64)
        for _ in range(self._balance.size):
            candidates = self._candidates(chosen)
            repeated = np.broadcast_to(chosen, (len(candidates), len(chosen)))
            scores = self._scores(np.column_stack([repeated, candidates]), points)
            chosen = np.append(chosen, candidates[scores.argmin()])
        return chosen

    def _pass(self, chosen: Rows) -> None:
        """Puts in every place, in place, the code that serves best there."""
        points = self._pool.sample(_POINTS, self._rng)
        best = self._scores(chosen[None], points)[0]
        for place in self._rng.permutation(len(chosen)).tolist():
            candidates = self._candidates(np.delete(chosen, place))
            swapped = np.repeat(chosen[None], len(candidates), axis=0)
            swapped[:, place] = candidates
            scores = self._scores(swapped, points)
            if scores.min() < best * (1 - _GAIN):
                chosen[place], best = candidates[scores.argmin()], scores.min()

    def _candidates(self, chosen: Rows) -> Rows:
        """Returns the rows that may join, or a sample of them."""
        rows = np.flatnonzero(self._balance.joining(chosen))
        if len(rows) <= _POINTS:
            return rows
        return np.sort(self._rng.choice(rows, _CANDIDATES, replace=False))

    def _scores(self, subsets: Rows, points: Rows) -> Floats:
        self.scored += len(subsets)
        return self._pool.scores(subsets, points)


def _best(pool: _Pool, subsets: Rows) -> Found:
    scores = pool.scores(subsets)
    best = int(scores.argmin())
    return Found(np.sort(subsets[best]), float(scores[best]), len(subsets))
