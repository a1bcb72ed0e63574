"""Trainings of `make bench-mli` as figures: mean and deviation over seeds, and tables of them.

Shapes: none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.mli_measures import (
    below_chance,
    lateness_and_bias,
    learned_at,
    learning_order,
)
from benchmarks.mli_training import ENOUGH
from models.landscape.curve import plateau, total_rise

RISE_OF_MONOTONE = 1e-3  # nats in all, or share of images: one or two of 1740
Runs = Mapping[str, Sequence[Mapping[str, Any]]]


def summarise(runs: Runs) -> dict[str, Any]:
    """Returns the figures of every group of trainings, by name.

    Of a line: P5 and A80 of the error, P5 of the loss, total rises and in how many trainings the
    curve is monotone. Of a group with a last bias: its spread, largest minus smallest, and how the
    order in which classes are learned and their biases hang together (rank 1: the largest bias).
    """
    return {"groups": {name: _group(found) for name, found in runs.items()}}


def _group(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "trainings": len(found),
        "converged": sum(run["loss"] < ENOUGH for run in found),
        "setting": {k: v for k, v in found[0]["setting"].items() if k != "seed"},
        "epochs": _spread([run["epochs"] for run in found]),
        "lines": {name: _line([run["lines"][name] for run in found]) for name in found[0]["lines"]},
    }
    if found[0]["last_bias"]:
        figures["last_bias"] = _last_bias(found)
    return figures


def _line(curves: Sequence[Mapping[str, list[float]]]) -> dict[str, Any]:
    losses, errors = [c["loss"] for c in curves], [c["error"] for c in curves]
    loss_rises, error_rises = [total_rise(c) for c in losses], [total_rise(c) for c in errors]
    return {
        "error_p5": _spread([plateau(c) for c in errors]),
        "error_a80": _spread([below_chance(c) for c in errors]),
        "loss_p5": _spread([plateau(c) for c in losses]),
        "loss_rise": _spread(loss_rises),
        "error_rise": _spread(error_rises),
        "monotone_loss": sum(rise <= RISE_OF_MONOTONE for rise in loss_rises),
        "monotone_error": sum(rise <= RISE_OF_MONOTONE for rise in error_rises),
    }


def _last_bias(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = [learning_order(run["class_errors"])[-1] for run in found]
    return {
        "spread": _spread([float(np.ptp(run["last_bias"])) for run in found]),
        "rank_of_last_learned": [
            _rank(run["last_bias"], label) for run, label in zip(found, last, strict=True)
        ],
        "rank_when_learned": [
            _rank(_biases_when_learned(run, label), label)
            for run, label in zip(found, last, strict=True)
        ],
        "spearman_lateness": _spread(
            [lateness_and_bias(run["class_errors"], run["last_bias"]) for run in found]
        ),
    }


def _biases_when_learned(run: Mapping[str, Any], label: int) -> Sequence[float]:
    biases: Sequence[Sequence[float]] = run["last_biases"]
    return biases[min(learned_at(run["class_errors"])[label], len(biases) - 1)]


def _rank(biases: Sequence[float], label: int) -> int:
    """The place of a class's bias among all, 1 for the largest."""
    return 1 + sum(bias > biases[label] for bias in biases)


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation over seeds and the values themselves."""
    array = np.asarray(values, float)
    return {
        "mean": round(float(array.mean()), 4),
        "deviation": round(float(array.std(ddof=1)), 4) if len(array) > 1 else None,
        "values": [round(float(value), 4) for value in array],
    }


def show(figures: Mapping[str, Any]) -> None:
    """Prints the lines' plateaus and the biases, as Markdown."""
    console = Console(width=190)
    lines = Table(
        "trainings", "seeds", "schedule", "error P5", "error A80", "loss P5", box=MARKDOWN
    )
    for column in ("loss rises by", "monotone loss", "monotone error"):
        lines.add_column(column)
    biases = Table("trainings", "epochs", "bias spread", box=MARKDOWN)
    biases.add_column("rank of the last-learned class's bias: at the end")
    biases.add_column("when it was learned")
    biases.add_column("Spearman, lateness and bias")
    for name, group in figures["groups"].items():
        for schedule, line in group["lines"].items():
            measures = ("error_p5", "error_a80", "loss_p5", "loss_rise")
            counts = [str(line[m]) for m in ("monotone_loss", "monotone_error")]
            seeds = str(group["trainings"])
            lines.add_row(name, seeds, schedule, *(_cell(line[m]) for m in measures), *counts)
        bias = group.get("last_bias")
        if bias is not None:
            ranks = [
                " ".join(map(str, bias[r])) for r in ("rank_of_last_learned", "rank_when_learned")
            ]
            cells = (_cell(bias["spread"]), *ranks, _cell(bias["spearman_lateness"]))
            biases.add_row(name, _cell(group["epochs"]), *cells)
    console.print(lines)
    console.print(biases)


def _cell(spread: Mapping[str, Any]) -> str:
    deviation = spread["deviation"]
    return f"{spread['mean']:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")
