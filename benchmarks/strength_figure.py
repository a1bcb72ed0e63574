"""The picture of `make bench-strength`: what is seen against the strength that was asked.

Shapes: P strengths.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_LINES = {
    "linear": ("#c0392b", "-"),
    "homogeneous": ("#e08e2b", "--"),
    "last layers": ("#7d8b99", "-"),
    "last layers, calibrated": ("#1f6fb2", "-"),
}


def draw(figures: Mapping[str, Any], path: Path) -> None:
    """Draws the figures of a run; writes a PNG."""
    figure = Figure(figsize=(13.5, 4.6), layout="constrained")
    change, likeness, age = figure.subplots(1, 3)
    _changes(change, figures["lines"])
    along = figures["along_the_line"]
    _curve(likeness, along["likeness"], "Likeness to the actor at that age, by the judge (cosine)")
    _curve(age, along["age_error"], "Age error, by the judge (years)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def _changes(axes: Axes, lines: Mapping[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, linestyle=":", label="even")
    for name, (colour, dashes) in _LINES.items():
        found = lines[name]["perceptual"]
        strengths = np.linspace(0, 1, len(found["seen"]))
        label = f"{name}: {100 * found['together']:.1f} % off"
        axes.plot(strengths, found["seen"], dashes, color=colour, linewidth=1.8, label=label)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    _finish(axes, "Perceptual change from the prior's result")


def _curve(axes: Axes, values: list[float], title: str) -> None:
    strengths = np.linspace(0, 1, len(values))
    axes.plot(strengths, values, color="#1f6fb2", linewidth=1.8)
    low, high = min(values), max(values)
    margin = 0.15 * (high - low) or 0.1
    axes.set_ylim(low - margin, high + margin)
    _finish(axes, title)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("strength: the prior at 0, the adapter at 1")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
