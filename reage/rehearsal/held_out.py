"""Which photographs are held out to examine by, and which give way when there are too many.

Chosen by the digests of their files, so that who chooses again chooses the same.
"""

import math
from collections.abc import Sequence

_SHARE = 3  # of an increment's photographs, one in so many at most


def choose_held_out(photographs: Sequence[str], *, most: int) -> list[int]:
    """Returns the rows of an increment to hold out, sorted.

    Args:
        photographs: SHA-256 (hex) of each.
        most: Photographs to hold out; at most a third of the increment is.
    """
    count = min(most, len(photographs) // _SHARE)
    by_digest = sorted(range(len(photographs)), key=lambda row: photographs[row])
    return sorted(by_digest[:count])


def thinned(increments: Sequence[int], photographs: Sequence[str], *, most: int) -> list[int]:
    """Returns the rows of held-out photographs that stay when only so many may.

    The increment with the most gives first, of equals the oldest. Once each has one, an increment
    goes without whose neighbours are nearest to one another, of equals the oldest: what stays is
    spread over time, the first and the last among it.

    Args:
        increments: In which the photographs came.
        photographs: SHA-256 (hex) of each; of an increment, the highest gives way.
        most: How many may stay, at least 0.
    """
    rows: dict[int, list[int]] = {}
    for row in sorted(range(len(photographs)), key=lambda row: photographs[row]):
        rows.setdefault(increments[row], []).append(row)
    for _ in range(len(photographs) - most):
        most_rows = max(map(len, rows.values()))
        if most_rows > 1:
            crowded = min(number for number, own in rows.items() if len(own) == most_rows)
            rows[crowded].pop()
        else:
            del rows[_least_missed(sorted(rows))]
    return sorted(row for own in rows.values() for row in own)


def _least_missed(numbers: Sequence[int]) -> int:
    """Returns the increment, of sorted ones, between whose neighbours the gap is smallest."""

    def gap(index: int) -> float:
        if index in (0, len(numbers) - 1):
            return math.inf
        return numbers[index + 1] - numbers[index - 1]

    return numbers[min(range(len(numbers)), key=gap)]
