"""How plots of a buffer look: the colours of the pages, no frame, a quiet grid."""

from matplotlib.axes import Axes

CARD, INK, FAINT = "#1d1e1f", "#e8e8e5", "#8c8d8f"
ACCENT, MAIN, GOOD, BAD = "#c99654", "#8fb7d6", "#7fb685", "#d9795f"
DOTS_PER_INCH = 110


def quieten(axes: Axes) -> None:
    """Takes away what is not looked at."""
    axes.tick_params(labelsize=8, colors=FAINT, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(color="#2d2f31", linewidth=0.8)
    axes.set_axisbelow(True)
