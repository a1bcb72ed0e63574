"""The pictures of `make bench-my3dgen`: likeness against numbers, and novel views side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image as PillowImage

from benchmarks.my3dgen.actors import KINDS, Actor
from benchmarks.my3dgen.rows import FULL, ORIGINAL, Bench
from models.training import pictures
from reage.lettering import canvas_of, draw_text

_SHOWN_VIEWS = 6
_SIDE = 128
_MARGIN = 150
_COLOURS = {10: "#c0392b", 50: "#1f6fb2"}


def draw_plot(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws likeness on novel views against trained numbers, a panel for each kind of change."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(KINDS), sharey=True), KINDS, strict=True):
        for count, colour in _COLOURS.items():
            own = [x for x in lines if (x["kind"], x["photographs"]) == (kind, count)]
            trained = [x for x in own if x["way"] != ORIGINAL]
            for is_full, marker in ((False, "o"), (True, "s")):
                part = [x for x in trained if x["way"].startswith(FULL) == is_full]
                name = "full, two rates" if is_full else "ranks 1, 2, 4, 8"
                axes.errorbar(
                    [x["numbers"] for x in part],
                    [x["likeness"] for x in part],
                    yerr=[x["likeness_spread"] for x in part],
                    fmt=marker if is_full else f"{marker}-",
                    color=colour,
                    capsize=3,
                    label=f"{count} photographs, {name}",
                )
            base = next(x for x in own if x["way"] == ORIGINAL)["likeness"]
        axes.axhline(base, color="#888888", linestyle=":", label="not personalised")
        axes.set(title=f"hidden change: {kind}", xlabel="trained numbers", xscale="log")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("likeness on novel views")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def draw_sheet(bench: Bench, path: Path) -> None:
    """Draws novel views of one actor of each kind: the truth, and ways of coming to it."""
    rows = []
    for kind in KINDS:
        actor = Actor.hidden_in(bench.prior, bench.people, kind, seed=0)
        views, photos = actor.novel_views(_SHOWN_VIEWS), actor.photographs(10)
        rows.append((f"truth, {kind}", views.crops))
        for way in (ORIGINAL, FULL, "rank 1"):
            rows.append(
                (f"{way}, 10 photos", bench.seen(bench.personal(actor, photos, way), views))
            )
    strips = []
    for name, faces in rows:
        enlarged = torch.nn.functional.interpolate(faces, size=(_SIDE, _SIDE), mode="bicubic")
        strip = np.concatenate(list(pictures(enlarged)), axis=1)
        label = canvas_of(_MARGIN, _SIDE, (24, 24, 24))
        draw_text(label, name, (10, _SIDE // 2), size=13, max_width=_MARGIN - 16)
        strips.append(np.concatenate([label, strip], axis=1))
    PillowImage.fromarray(np.concatenate(strips)).save(path)
