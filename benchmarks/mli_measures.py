"""What is read off a line of losses and errors, and off a training.

Shapes: P points of a line, W windows of training, C classes.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

CHANCE_LEFT = 0.8  # error
LEARNED = 0.5  # error of a class


def below_chance(errors: Sequence[float]) -> float:
    """A80: the first strength from which errors (P,), 0-1, stay below 0.8; 1 if they never do."""
    high = np.flatnonzero(np.asarray(errors) >= CHANCE_LEFT)
    first = int(high[-1]) + 1 if len(high) else 0
    return min(first / (len(errors) - 1), 1.0)


def learned_at(class_errors: Sequence[Sequence[float]]) -> list[int]:
    """Returns for each class the window from which its error, 0-1, (W, C), stays below a half."""
    high = np.asarray(class_errors) >= LEARNED
    return [int(np.flatnonzero(column)[-1]) + 1 if column.any() else 0 for column in high.T]


def learning_order(class_errors: Sequence[Sequence[float]]) -> list[int]:
    """Returns the classes, first learned first.

    Of two learned in the same window, the one with fewer errors in all counts as first.

    Args:
        class_errors: Share of wrong answers by window and class, (W, C), 0-1.
    """
    when, total = learned_at(class_errors), np.asarray(class_errors).sum(axis=0)
    return sorted(range(len(when)), key=lambda label: (when[label], total[label]))


def lateness_and_bias(class_errors: Sequence[Sequence[float]], bias: Sequence[float]) -> float:
    """Returns Spearman's correlation, over classes, of place in the learning order and bias."""
    order = learning_order(class_errors)
    return float(spearmanr(range(len(order)), [bias[label] for label in order])[0])
