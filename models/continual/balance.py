"""The rule of balance: every increment has as many places in a buffer as any other, give or take
one.

With as many places as increments or fewer, that is one code each of some of them. Source: the
working code of Wang et al. 2025, "Continual Learning of Personalized Generative Face Models with
Experience Replay"; an increment with fewer codes than its share gives all, which never happens
there.

Shapes: N codes, T increments, B places in the buffer, C subsets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations, product
from math import comb

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Balance:
    """The balanced subsets of a pool.

    Attributes:
        members: Rows of the pool by increment, T times; older increments first.
        place_of: Which of them a row belongs to, (N,).
        quotas: How many codes each increment gives at least, (T,).
        spare: How many of the increments that have more give one more.
    """

    members: tuple[Rows, ...]
    place_of: Rows
    quotas: Rows
    spare: int

    @classmethod
    def of(cls, increments: Rows, size: int) -> "Balance":
        """Returns the balance of a buffer of `size` codes, at most N.

        Args:
            increments: Which increment each code came from, (N,).
            size: B.
        """
        _, place_of = np.unique(increments, return_inverse=True)
        counts = np.bincount(place_of)
        level = 0
        while np.minimum(counts, level + 1).sum() <= size and level < counts.max(initial=0):
            level += 1
        quotas = np.minimum(counts, level)
        members = tuple(np.flatnonzero(place_of == place) for place in range(len(counts)))
        return cls(members, place_of, quotas, int(size - quotas.sum()))

    @property
    def size(self) -> int:
        """B: places in the buffer."""
        return int(self.quotas.sum()) + self.spare

    def has_more(self) -> NDArray[np.bool_]:
        """Says which increments could give one more than their quota, (T,)."""
        return np.array([len(rows) for rows in self.members]) > self.quotas

    def count(self) -> int:
        """Returns how many balanced subsets there are."""
        ways = [1] + [0] * self.spare  # by how many increments have given one more
        for rows, quota in zip(self.members, self.quotas.tolist(), strict=True):
            own, more = comb(len(rows), quota), comb(len(rows), quota + 1)
            ways = [own * w + more * v for w, v in zip(ways, [0, *ways], strict=False)]
        return ways[self.spare]

    def every(self) -> Iterator[tuple[int, ...]]:
        """Yields all balanced subsets, each as its rows."""
        for giving in combinations(np.flatnonzero(self.has_more()).tolist(), self.spare):
            parts = [
                combinations(rows.tolist(), int(quota) + (place in giving))
                for place, (rows, quota) in enumerate(zip(self.members, self.quotas, strict=True))
            ]
            for chosen in product(*parts):
                yield tuple(chain.from_iterable(chosen))

    def draw(self, rng: np.random.Generator) -> Rows:
        """Draws a balanced subset: first which increments give one more, then the codes."""
        giving = rng.choice(np.flatnonzero(self.has_more()), self.spare, replace=False)
        shares = self.quotas.copy()
        shares[giving] += 1
        drawn = [rng.choice(r, n, replace=False) for r, n in zip(self.members, shares, strict=True)]
        return np.concatenate(drawn)

    def joining(self, chosen: Rows) -> NDArray[np.bool_]:
        """Says which rows, (N,), may join a part of a balanced subset so that it remains one."""
        held = np.bincount(self.place_of[chosen], minlength=len(self.members))
        may = held < self.quotas
        if (held > self.quotas).sum() < self.spare:
            may |= (held == self.quotas) & self.has_more()
        rows: NDArray[np.bool_] = may[self.place_of]
        rows[chosen] = False
        return rows
