"""The picture of a training: one small plot for each term of each stage's loss.

Phases are told apart by a line where each begins. Knows nothing of what the terms mean.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reage.training_curve import CurveLine, of_stage

_COLUMNS = 4
_PANEL_INCHES = (3.0, 1.9)  # width, height
_DOTS_PER_INCH = 80
_INK, _QUIET = "#1f6fb2", "#b0b4b8"


def draw_curve(lines: Sequence[CurveLine], path: Path) -> None:
    """Draws a curve's stages in the order in which they were begun; writes a PNG.

    Args:
        lines: At least one.
        path: Of the picture; its folder is there.

    Raises:
        ValueError: There are no lines.
    """
    panels = [
        (stage, term)
        for stage in dict.fromkeys(line.stage for line in lines)
        for term in dict.fromkeys(name for ln in of_stage(lines, stage) for name in ln.terms)
    ]
    if not panels:
        raise ValueError("draw_curve: got no lines with terms, expected at least one")
    rows = -(-len(panels) // _COLUMNS)
    size = (_COLUMNS * _PANEL_INCHES[0], rows * _PANEL_INCHES[1])
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes, (stage, term) in zip(grid.flat, panels, strict=False):
        _draw_term(axes, of_stage(lines, stage), term)
        axes.set_title(f"{stage}: {term}", fontsize=9)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _draw_term(axes: Axes, lines: Sequence[CurveLine], term: str) -> None:
    told = [line for line in lines if term in line.terms]
    marker = "." if len(told) < 3 else ""
    axes.plot([ln.step for ln in told], [ln.terms[term] for ln in told], color=_INK, marker=marker)
    for before, after in pairwise(lines):
        if after.phase != before.phase:
            axes.axvline(before.step, color=_QUIET, linewidth=0.8)
    axes.tick_params(labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
