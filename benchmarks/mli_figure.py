"""The picture of `make bench-mli`: curves along the line, plateaus and biases.

Shapes: P points of a line, W windows of training, C classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.mli_measures import below_chance, learning_order
from benchmarks.mli_training import WINDOW_STEPS

Runs = Mapping[str, Sequence[Mapping[str, Any]]]

_SCHEDULES = {
    "linear": ("#c0392b", "-"),
    "homogeneous": ("#1f6fb2", "-"),
    "weights only, biases at end": ("#e08e2b", "-"),
    "no bias": ("#3a9a5b", "--"),
    "biases only, weights at end": ("#7d5ba6", ":"),
}
_TRAINED_WITHOUT = ("trained without biases", "#888888", "-.")
_KINDS = {"all": ("biases everywhere", "o"), "last": ("last layer's bias alone", "s")}


def draw(runs: Runs, path: Path) -> None:
    """Draws what there is of the trainings, by group; writes a PNG."""
    figure = Figure(figsize=(13.5, 8.2), layout="constrained")
    panels = figure.subplots(2, 3)
    _curves(panels[0, 0], runs, "all", "error", "Training error, biases everywhere")
    _curves(panels[0, 1], runs, "last", "error", "Training error, last layer's bias alone")
    _curves(panels[0, 2], runs, "all", "loss", "Training loss (nats), biases everywhere")
    _plateaus(panels[1, 0], runs, "depth", {4: "depth 4", 6: "depth 6", 8: "depth 8"}, last=10)
    scales = {0.5: "scale 0.5", 0.7: "scale 0.7", 1.0: "scale 1.0"}
    _plateaus(panels[1, 1], runs, "scale", scales, last=0.41)
    _biases(panels[1, 2], runs["last, reference"][0])
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def _curves(axes: Axes, runs: Runs, kind: str, measure: str, title: str) -> None:
    """Means over seeds, and from the lowest to the highest of them."""
    found = runs[f"{kind}, reference"]
    for name, (colour, dashes) in _SCHEDULES.items():
        curves = [run["lines"][name][measure] for run in found]
        _band(axes, curves, name, colour, dashes)
    curves = [run["lines"]["linear"][measure] for run in runs.get("none, reference", [])]
    if curves:
        _band(axes, curves, *_TRAINED_WITHOUT)
    if measure == "loss":
        axes.set_ylim(0, 4)
    _finish(axes, title, "strength a")


def _band(
    axes: Axes, curves: Sequence[Sequence[float]], name: str, colour: str, dashes: str
) -> None:
    values = np.asarray(curves)
    strengths = np.linspace(0, 1, values.shape[1])
    axes.fill_between(
        strengths, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.13, linewidth=0
    )
    axes.plot(strengths, values.mean(axis=0), dashes, color=colour, label=name, linewidth=1.8)


def _plateaus(
    axes: Axes, runs: Runs, quantity: str, groups: Mapping[float, str], *, last: float
) -> None:
    """A80 of the error against depth or scale: means and deviations over seeds."""
    named = {value: name for value, name in {**groups, last: "reference"}.items()}
    for kind, (label, marker) in _KINDS.items():
        for schedule in ("linear", "homogeneous"):
            points = []
            for value, name in sorted(named.items()):
                found = runs.get(f"{kind}, {name}", [])
                ends = [below_chance(run["lines"][schedule]["error"]) for run in found]
                if ends:
                    points.append((value, np.mean(ends), np.std(ends, ddof=min(1, len(ends) - 1))))
            x, mean, deviation = np.asarray(points).T
            axes.errorbar(
                x, mean, deviation, color=_SCHEDULES[schedule][0], marker=marker, capsize=3,
                fillstyle="full" if kind == "all" else "none", label=f"{schedule}, {label}",
                linestyle="-" if kind == "all" else "--",
            )  # fmt: skip
    axes.set_ylim(0, 1)
    axes.set_xticks(sorted(named))
    axes.legend(frameon=False, fontsize=8)
    what = {"depth": "layers", "scale": "scale of the start (1: He)"}[quantity]
    _finish(axes, f"Strength at which error leaves chance (A80), by {quantity}", what)


def _biases(axes: Axes, run: Mapping[str, Any]) -> None:
    """The last layer's biases (W, C) through one training; the class learned last stands out."""
    history = np.asarray(run["last_biases"])
    steps = WINDOW_STEPS * np.arange(1, len(history) + 1)
    last = learning_order(run["class_errors"])[-1]
    for label in range(history.shape[1]):
        is_last = label == last
        axes.plot(
            steps, history[:, label], color="#c0392b" if is_last else "#9aa7b0",
            linewidth=2.2 if is_last else 1.0, zorder=3 if is_last else 2,
            label="the class learned last" if is_last else None,
        )  # fmt: skip
    axes.legend(frameon=False, fontsize=8)
    _finish(axes, "Last layer's biases by class, seed 0, that bias alone", "steps of training")


def _finish(axes: Axes, title: str, x_label: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x_label)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
