"""What is read off a curve of values along a line: plateaus, rises, barriers.

Shapes: P points of the line, evenly spaced strengths from 0 to 1.
"""

from collections.abc import Sequence

import numpy as np

NEAR = 0.05  # relative


def plateau(values: Sequence[float]) -> float:
    """P5: the last strength up to which values (P,) stay within 5 % of the first."""
    array = np.asarray(values)
    away = np.abs(array - array[0]) > NEAR * abs(array[0])
    first = int(away.argmax()) if away.any() else len(array)
    return (first - 1) / (len(array) - 1)


def total_rise(values: Sequence[float]) -> float:
    """Returns the sum of all steps upwards of values (P,): 0 if they fall monotonically."""
    return float(np.diff(values).clip(min=0).sum())


def barrier(losses: Sequence[float]) -> float:
    """Returns how high the ground between two states is, against the worse of the two.

    Of an update, this is what has to be climbed on the straight way from the version before: a
    gate can ask it to stay below a limit. A way that only falls, or only rises, has no barrier.
    Source: Frankle et al. 2020, "Linear Mode Connectivity and the Lottery Ticket Hypothesis", sec.
    2, whose height is over the mean of both ends; over the worse end it is 0 wherever nothing is
    climbed, also where the ends differ.

    Args:
        losses: Above 0, (P,), ends included.

    Returns:
        The highest loss over that of the worse end, less 1: 0 without a barrier, 0.5 where the way
        leads over half as much again. Infinite where a loss is no number.
    """
    array = np.asarray(losses, float)
    if not np.isfinite(array).all():
        return float("inf")
    return float(array.max() / max(array[0], array[-1]) - 1)


def still_falling(losses: Sequence[float], beyond: float) -> float:
    """Returns what of the way's fall another step in its direction would bring.

    A training that came to rest would lose by it, one that was cut short would gain.

    Args:
        losses: Along the way, (P,).
        beyond: A little behind its end.

    Returns:
        Part of the fall from the first to the last; below 0 where the loss rises behind the end, 0
        where it did not fall on the way.
    """
    fall = losses[0] - losses[-1]
    return float((losses[-1] - beyond) / fall) if fall > 0 else 0.0


def wavering(values: Sequence[float]) -> float:
    """Returns how far values (P,) are from rising or falling all the way, in parts of their span.

    0 where they only rise or only fall, or hardly move at all (less than 5 % of the largest); what
    they go back by, added up, where they do not.
    """
    array = np.asarray(values, float)
    steps, span = np.diff(array), float(np.ptp(array))
    if not span > NEAR * np.abs(array).max():
        return 0.0
    return float(min(steps.clip(min=0).sum(), -steps.clip(max=0).sum()) / span)
