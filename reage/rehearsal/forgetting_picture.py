"""What an actor's versions have forgotten of every increment, as a picture."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reage.rehearsal.dark_axes import (
    ACCENT,
    BAD,
    CARD,
    DOTS_PER_INCH,
    FAINT,
    GOOD,
    INK,
    MAIN,
    quieten,
)
from reage.rehearsal.examination import FIGURES, IncrementRecord, worse_by


def draw_forgetting(records: Sequence[IncrementRecord], *, title: str, path: Path) -> None:
    """Draws for every increment each figure at its best before and now; writes a PNG.

    Args:
        records: Of all increments.
        title: Above it.
        path: Of the picture; its folder is there.
    """
    figure = Figure(figsize=(11.0, 3.9), layout="constrained", facecolor=CARD)
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    panels = figure.subplots(1, len(FIGURES))
    for axes, name in zip(panels, FIGURES, strict=True):
        _draw(axes, [record for record in records if name in record.last], name)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9,
        labelcolor=FAINT,
    )  # fmt: skip
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _draw(axes: Axes, told: Sequence[IncrementRecord], name: str) -> None:
    axes.set_facecolor(CARD)
    compared = [record for record in told if name in record.best]
    for record in compared:
        best, last = record.best[name], record.last[name]
        colour = BAD if worse_by(name, best, last) > 0 else GOOD
        axes.plot([record.number] * 2, [best, last], color=colour, linewidth=2.0, zorder=1)
    axes.plot([], [], color=BAD, linewidth=2.0, label="forgotten")
    axes.plot([], [], color=GOOD, linewidth=2.0, label="better than ever")
    numbers = [record.number for record in compared]
    bests = [record.best[name] for record in compared]
    axes.plot(numbers, bests, "o", mfc=CARD, mec=ACCENT, label="best before")
    lasts = [record.last[name] for record in told]
    axes.plot([record.number for record in told], lasts, "o", color=MAIN, label="now")
    better = "more is better" if FIGURES[name] else "less is better"
    axes.set_title(f"{name}, {better}", color=INK, fontsize=10, loc="left")
    axes.set_xlabel("increment", color=FAINT, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(0.12)
    quieten(axes)
