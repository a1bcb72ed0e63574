"""Measures of re-aged faces, worked out from what judges said of them.

Shapes: N faces, T target ages, E embedding size, H W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

Array = NDArray[Any]

TARGETS = (20, 30, 40, 50, 60, 70, 80)  # years
METHODS = {"crop": "prior", "face": "prior, face matte"}  # by matte
BASELINE = "pixel means x 1.5"
GALLERY = 100
DUPLICATE_COSINE = 0.5
MOVES = {
    "0-10": (0, 10),
    "10-20": (10, 20),
    "20-30": (20, 30),
    "30-40": (30, 40),
    "35-45": (35, 45),
    "40+": (40, np.inf),
}
ALLOWED_WORSE = 0.15


def psnr_db(wanted: Array, got: Array) -> Array:
    """Returns the peak signal-to-noise ratio (N,), dB, of pictures (N, H, W, 3), 0-1."""
    squares = ((wanted.astype(np.float64) - got) ** 2).mean(axis=(1, 2, 3))
    return np.asarray(-10 * np.log10(np.maximum(squares, 1e-12)))


def rank_correlation(asked: Array, judged: Array) -> float:
    """Returns Spearman's correlation of target ages (T,) with judged ages (N, T), all together."""
    return float(spearmanr(np.broadcast_to(asked, judged.shape).ravel(), judged.ravel())[0])


def moved_right(asked: Array, judged: Array, originals: Array) -> float:
    """Returns the share of faces, asked to move 10 years or more, judged to have moved that way.

    Args:
        asked: Target ages, (T,).
        judged: (N, T).
        originals: Judged ages of the unedited faces, (N,).
    """
    move = asked - originals[:, None]
    right = np.sign(judged - originals[:, None]) == np.sign(move)
    return float(right[np.abs(move) >= 10].mean())


def galleries(embedded: Array) -> list[NDArray[np.int64]]:
    """Cuts faces (N, E) into galleries of 100 people, near-duplicates left out.

    A face is a near-duplicate where its cosine with one kept before is above 0.5. The last gallery
    is filled up from the others, so that everybody is looked for among as many.
    """
    kept: list[int] = []
    for number in range(len(embedded)):
        if not kept or (embedded[kept] @ embedded[number]).max() <= DUPLICATE_COSINE:
            kept.append(number)
    order = np.random.default_rng(0).permutation(kept)
    size = min(GALLERY, len(order))
    starts = [min(first, len(order) - size) for first in range(0, len(order), size)]
    return [order[first : first + size] for first in starts]


def found_first(embedded: Array, originals: Array, among: list[NDArray[np.int64]]) -> Array:
    """Says whether the nearest original in a face's gallery is its own.

    Args:
        embedded: Unit embeddings of edited faces, (N, T, E).
        originals: Unit embeddings of the same faces unedited, (N, E).
        among: Galleries, as `galleries` returns them.

    Returns:
        float64, (N, T), 1 or 0; not a number where the face is in no gallery.
    """
    found = np.full(embedded.shape[:2], np.nan)
    for gallery in among:
        nearest = (embedded[gallery] @ originals[gallery].T).argmax(axis=2)
        found[gallery] = nearest == np.arange(len(gallery))[:, None]
    return found


def mean_known(values: Array) -> float | None:
    """Returns the mean over what is a number; None where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def by_move(values: Array, moves: Array) -> dict[str, dict[str, Any]]:
    """Returns mean and count of values (N, T) by the size of the move (N, T), years.

    A bin holds its lower end and not its upper; values that are no number are left out.
    """
    figures = {}
    for name, (low, high) in MOVES.items():
        size = np.abs(moves)
        inside = values[(size >= low) & (size < high) & ~np.isnan(values)]
        figures[name] = {"mean": mean_known(inside), "count": len(inside)}
    return figures


def within(values: Array, moves: Array, years: float) -> float | None:
    """Returns the mean of values (N, T) where the move (N, T) is at most `years` either way."""
    return mean_known(values[np.abs(moves) <= years])


@dataclass(frozen=True)
class Verdict:
    """How the group that fares worst compares with the mean of all groups.

    Attributes:
        figure, group: Which it is.
        worse: By what share it is worse than the mean; 0.15 is 15 %.
    """

    figure: str
    group: str
    worse: float

    @property
    def is_met(self) -> bool:
        """Whether nobody is worse by more than is allowed."""
        return self.worse <= ALLOWED_WORSE


def worst_group(
    figures: Mapping[str, Mapping[str, float | None]], *, lower_is_better: frozenset[str]
) -> Verdict:
    """Finds the group and figure that fall furthest behind.

    Args:
        figures: By figure, then by group; the mean is that of the groups, each counted once.
            Groups without a value are passed over.
        lower_is_better: Names of figures of which less is better.
    """
    verdicts = [Verdict("none", "none", 0.0)]
    for figure, groups in figures.items():
        known = {group: value for group, value in groups.items() if value is not None}
        mean = sum(known.values()) / max(len(known), 1)
        for group, value in known.items():
            ahead = (mean - value) if figure not in lower_is_better else (value - mean)
            verdicts.append(Verdict(figure, group, ahead / abs(mean) if mean else 0.0))
    return max(verdicts, key=lambda verdict: verdict.worse)
