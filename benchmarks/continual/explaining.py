"""Why hull and random lie as close as they do: what was chosen, against what was forgotten.

Nothing is learnt here: what a row kept night by night follows from its stream and its seed.

Shapes: T increments, N photographs of one, D latent numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.continual.rows import Row, kept_by_night
from benchmarks.continual.summary import figures_of
from models.continual.selection import hull_score

Floats = NDArray[np.floating]


def explained(rows: Sequence[Mapping[str, Any]], codes: Mapping[str, Floats]) -> dict[str, Any]:
    """Returns how far apart the rivals' choices at B = 3 are, and what that tells of forgetting.

    Args:
        rows: Finished ones.
        codes: Of photographs that teach, by stream, (T, N, D).
    """
    pairs = _pairs(rows, codes)
    scores = {kind: np.array([pair[f"{kind}_score"] for pair in pairs]) for kind in _RIVALS}
    forgotten = {kind: np.array([pair[kind] for pair in pairs]) for kind in _RIVALS}
    by_score, by_forgetting = (x["hull"] - x["random"] for x in (scores, forgotten))
    told = spearmanr(by_score, by_forgetting) if len(pairs) > 2 else None
    spreads = {name: _spread(found) for name, found in sorted(codes.items())}
    return {
        "pairs": len(pairs),
        "score": {kind: round(float(found.mean()), 4) for kind, found in scores.items()},
        "score_ratio": round(float(np.mean(scores["hull"] / scores["random"])), 4),
        "spearman": None if told is None else round(float(told.statistic), 3),
        "p_spearman": None if told is None else round(float(told.pvalue), 4),
        "within_to_between": {name: round(value, 3) for name, value in spreads.items()},
    }


_RIVALS = ("hull", "random")


def _pairs(
    rows: Sequence[Mapping[str, Any]], codes: Mapping[str, Floats]
) -> list[dict[str, float]]:
    found: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        if row["strategy"] not in _RIVALS or row["size"] != 3 or row["stream"] not in codes:
            continue
        pair, kind = found.setdefault((row["stream"], row["seed"]), {}), str(row["strategy"])
        pair[kind] = figures_of(row)["distance"]["forgetting"]
        planned = Row(row["stream"], row["strategy"], row["size"], row["seed"])
        pair[f"{kind}_score"] = _mean_score(planned, codes[row["stream"]])
    return [pair for pair in found.values() if len(pair) == 2 * len(_RIVALS)]


def _mean_score(row: Row, codes: Floats) -> float:
    """Mean over nights, the first apart, of the distance of a pool to the hull of what is kept."""
    scores = [
        hull_score(codes[pool[:, 0], pool[:, 1]], rows, pool[:, 0])
        for pool, rows in kept_by_night(row, codes)
    ]
    return float(np.mean(scores[1:]))


def _spread(codes: Floats) -> float:
    """Mean distance of codes from their increment's centre, over that of centres from the whole's.

    Both as root mean squares.
    """
    centres = codes.mean(axis=1)
    within = np.linalg.norm(codes - centres[:, None], axis=2)
    between = np.linalg.norm(centres - centres.mean(axis=0), axis=1)
    return float(np.sqrt((within**2).mean() / (between**2).mean()))
