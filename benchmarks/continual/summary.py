"""From rows to figures: means and spreads, what is recovered, and the paired test.

Shapes: T increments.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import ttest_rel, wilcoxon

from benchmarks.continual.judging import HIGHER_IS_BETTER, MEASURES
from models.continual.forgetting import average_incremental_performance, forgetting

Row = Mapping[str, Any]
Figures = dict[str, dict[str, float]]  # measure: performance and forgetting

TITLES = {
    "distance": "perceptual distance",
    "likeness": "likeness",
    "kernel": "kernel distance",
    "synthesis_likeness": "likeness, synthesis",
}


def figures_of(row: Row) -> Figures:
    """Returns average incremental performance of a row and, but of `joint`, its forgetting."""
    found = {}
    for name in MEASURES:
        matrix = np.array(row["matrices"][name], dtype=np.float64)
        if row["strategy"] == "joint":
            found[name] = {"performance": float(matrix[-1].mean())}
            continue
        forgotten = forgetting(matrix, higher_is_better=name in HIGHER_IS_BETTER)
        found[name] = {
            "performance": average_incremental_performance(matrix),
            "forgetting": forgotten,
        }
    return found


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Returns means and standard deviations over rows by strategy and size, and the comparisons.

    Means are of the streams of which both bounds were learnt, so that they compare; pairs of hull
    and random count wherever they were learnt.
    """
    groups: dict[str, list[Row]] = {}
    for row in with_bounds(rows):
        groups.setdefault(group_of(row), []).append(row)
    return {
        "groups": {name: _group(found) for name, found in sorted(groups.items(), key=_order)},
        "hull_against_random": {
            str(size): {name: _paired(rows, size, name) for name in MEASURES}
            for size in sorted({row["size"] for row in rows if row["strategy"] == "hull"})
        },
    }


def with_bounds(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows of streams of which both bounds were learnt."""
    bounds: list[set[str]] = [
        {row["stream"] for row in rows if row["strategy"] == strategy}
        for strategy in ("none", "joint")
    ]
    return [row for row in rows if row["stream"] in bounds[0] & bounds[1]]


def group_of(row: Row) -> str:
    """Names a row's strategy and buffer size."""
    size = row["size"]
    return f"{row['strategy']}-{size}" if size else str(row["strategy"])


def _order(item: tuple[str, list[Row]]) -> tuple[int, int, int]:
    row = item[1][0]
    places = ("none", "kmeans", "random", "hull", "joint")
    place = places.index(row["strategy"])
    return (0, 0, place) if place == 0 else (place // 4 + 1, row["size"], place)


def _group(rows: Sequence[Row]) -> dict[str, Any]:
    found = [figures_of(row) for row in rows]
    return {
        "rows": len(rows),
        "streams": len({row["stream"] for row in rows}),
        **{
            name: {kind: _spread([f[name][kind] for f in found]) for kind in found[0][name]}
            for name in MEASURES
        },
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": round(float(np.mean(values)), 5), "deviation": round(deviation, 5)}


def _paired(rows: Sequence[Row], size: int, measure: str) -> dict[str, Any]:
    """Compares forgetting of hull and random on the same streams from the same seeds."""
    by_strategy = {
        strategy: {
            (row["stream"], row["seed"]): figures_of(row)[measure]["forgetting"]
            for row in rows
            if row["strategy"] == strategy and row["size"] == size
        }
        for strategy in ("hull", "random")
    }
    pairs = sorted(by_strategy["hull"].keys() & by_strategy["random"].keys())
    hull, random = ([by_strategy[s][pair] for pair in pairs] for s in ("hull", "random"))
    if len(pairs) < 2:
        return {"pairs": len(pairs)}
    apart = np.subtract(hull, random)
    streams = sorted({stream for stream, _ in pairs})
    by_stream = [
        float(np.mean([d for d, (s, _) in zip(apart, pairs, strict=True) if s == stream]))
        for stream in streams
    ]
    return {
        "pairs": len(pairs),
        "hull": round(float(np.mean(hull)), 5),
        "random": round(float(np.mean(random)), 5),
        "difference": round(float(apart.mean()), 5),
        "hull_forgets_less": int((apart < 0).sum()),
        "p_wilcoxon": round(float(wilcoxon(hull, random).pvalue), 4),
        "p_t": round(float(ttest_rel(hull, random).pvalue), 4),
        "streams": len(streams),
        "hull_forgets_less_by_stream": int((np.array(by_stream) < 0).sum()),
        "p_wilcoxon_by_stream": _p_of(by_stream),
        "by_stream": dict(zip(streams, [round(d, 5) for d in by_stream], strict=True)),
    }


def _p_of(differences: Sequence[float]) -> float | None:
    """Wilcoxon's p, two-sided; None of a single difference."""
    return None if len(differences) < 2 else round(float(wilcoxon(differences).pvalue), 4)


def recovered(groups: Mapping[str, Any], group: str, measure: str) -> float:
    """Returns which share of the gap between `none` and `joint` a group closes, by performance."""
    low, high, own = (groups[g][measure]["performance"]["mean"] for g in ("none", "joint", group))
    return float((own - low) / (high - low))


def show(summary: Mapping[str, Any]) -> None:
    """Prints the table: performance and forgetting, distances times 10."""
    columns = [f"{TITLES[name]}, {kind}" for name in MEASURES for kind in ("mean", "forgotten")]
    table = Table("", "rows", *columns, box=None)
    for name, group in summary["groups"].items():
        cells = [cell(group[m], kind) for m in MEASURES for kind in ("performance", "forgetting")]
        table.add_row(name, str(group["rows"]), *cells)
    Console(width=180).print(table)
    for size, measures in summary["hull_against_random"].items():
        Console().print(size, dict(measures))


def cell(figures: Mapping[str, Any], kind: str) -> str:
    """Writes one figure with its deviation, times 10."""
    if kind not in figures:
        return "-"
    return f"{10 * figures[kind]['mean']:.3f} ± {10 * figures[kind]['deviation']:.3f}"
