"""The picture of `make bench-continual`: performance night by night, forgetting by buffer size.

Shapes: T increments.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.continual.summary import Row, figures_of, group_of, with_bounds

_COLOURS = {
    "none": "#888888", "kmeans": "#e08e2b", "random": "#c0392b", "hull": "#1f6fb2",
    "joint": "#3a9a5b",
}  # fmt: skip
_NAMES = {"none": "no rehearsal", "joint": "all at once"}
_PANELS = (("distance", "perceptual distance"), ("likeness", "likeness, by a judge"))


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draws what there is of the rows of streams with both bounds; writes a PNG."""
    rows = with_bounds(rows)
    figure = Figure(figsize=(11.5, 7.6), layout="constrained")
    panels = figure.subplots(2, 2)
    for line, (measure, title) in zip(panels, _PANELS, strict=True):
        _nights(line[0], rows, measure)
        line[0].set_ylabel(title)
        _forgotten(line[1], rows, measure)
        line[1].set_ylabel(f"forgetting: {title}")
    panels[0, 0].set_title("Held-out photographs of all increments so far, B = 3", fontsize=11)
    panels[0, 1].set_title("Forgetting after ten increments, every row", fontsize=11)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def _nights(axes: Axes, rows: Sequence[Row], measure: str) -> None:
    """Means over rows, and the standard error of each mean."""
    for strategy in ("none", "kmeans", "random", "hull"):
        group = strategy if strategy == "none" else f"{strategy}-3"
        found = [_by_night(row, measure) for row in rows if group_of(row) == group]
        if not found:
            continue
        nights, mean = np.arange(1, len(found[0]) + 1), np.mean(found, axis=0)
        error = np.std(found, axis=0) / np.sqrt(len(found))
        colour = _COLOURS[strategy]
        axes.plot(nights, mean, "-o", ms=4, color=colour, label=_NAMES.get(strategy, strategy))
        axes.fill_between(nights, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
    upper = [figures_of(row)[measure]["performance"] for row in rows if row["strategy"] == "joint"]
    if upper:
        axes.axhline(float(np.mean(upper)), ls="--", color=_COLOURS["joint"], label=_NAMES["joint"])
    axes.set_xlabel("increments learnt")
    axes.grid(alpha=0.25)


def _by_night(row: Row, measure: str) -> NDArray[np.float64]:
    matrix = np.array(row["matrices"][measure], dtype=np.float64)
    return np.array([matrix[t, : t + 1].mean() for t in range(len(matrix))])


def _forgotten(axes: Axes, rows: Sequence[Row], measure: str) -> None:
    """One dot a row, a bar at the mean."""
    places = {"none": 0.0} | {
        f"{strategy}-{size}": 1.2 + 1.25 * i + 0.3 * j
        for i, size in enumerate((3, 5, 10))
        for j, strategy in enumerate(("kmeans", "random", "hull"))
    }
    rng = np.random.default_rng(0)
    for group, place in places.items():
        values = [figures_of(r)[measure]["forgetting"] for r in rows if group_of(r) == group]
        if not values:
            continue
        colour = _COLOURS[group.split("-")[0]]
        spots = place + rng.uniform(-0.06, 0.06, len(values))
        axes.scatter(spots, values, s=16, color=colour, alpha=0.55, lw=0)
        axes.plot([place - 0.12, place + 0.12], [np.mean(values)] * 2, color=colour, lw=3)
    axes.set_xticks([0.0, 1.5, 2.75, 4.0], ["none", "B = 3", "B = 5", "B = 10"])
    axes.axhline(0, color="#bbbbbb", lw=1)
    axes.grid(alpha=0.25, axis="y")
