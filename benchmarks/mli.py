"""Monotonic linear interpolation on deep ReLU networks: is there a plateau, and do biases make it?

    python -m benchmarks.mli [--seeds 5] [--summary]

Trains networks on balanced digits from several seeds, with biases everywhere, in the last layer
alone and nowhere; walks the line from each one's start to its end under every schedule and records
training loss and error; then depth, the scale of the start and momentum are varied one at a time.
A run that is cut goes on: every training is kept in the work folder.
Source: Wang et al. 2023, "Plateau in Monotonic Linear Interpolation - A 'Biased' View of Loss
Landscape for Deep Networks".
"""

import argparse
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from rich.progress import Progress
from torch import Tensor

from benchmarks.mli_figure import draw
from benchmarks.mli_summary import show, summarise
from benchmarks.mli_training import Biases, Setting, Trained, balanced_digits, last_bias, train
from benchmarks.record import record
from models.landscape.depth import bias_depths
from models.landscape.interpolation import Line
from models.landscape.schedule import (
    Schedule,
    biases_only,
    homogeneous,
    linear,
    no_bias,
    weights_only,
)

POINTS = 51
FIGURE = Path(__file__).parent.parent / "docs" / "images" / "landscape.png"
KINDS: tuple[Biases, ...] = ("all", "last", "none")
VARIED: dict[str, dict[str, Any]] = {
    **{f"depth {depth}": {"depth": depth} for depth in (4, 6, 8)},
    **{f"scale {scale}": {"scale": scale} for scale in (0.5, 0.7, 1.0)},
}
WITHOUT_MOMENTUM: dict[str, Any] = {
    "momentum": 0.0,
    "learning_rate": 0.2,
}  # the same step in the long run


def groups() -> dict[str, Setting]:
    """Returns every setting that is trained, by name; the seed is the caller's."""
    found = {f"{biases}, reference": Setting(biases=biases) for biases in KINDS}
    for biases in KINDS[:2]:
        for change, fields in VARIED.items():
            found[f"{biases}, {change}"] = Setting(biases=biases, **fields)
    found["all, no momentum"] = Setting(biases="all", **WITHOUT_MOMENTUM)
    return found


def main() -> None:
    """Runs what is not finished, prints the tables, records the figures and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--summary", action="store_true", help="of what is finished; run nothing")
    parser.add_argument("--work", type=Path, default=Path("work/bench-mli"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    jobs = [(name, seed) for seed in range(options.seeds) for name in groups()]
    # What a run that is cut has finished covers every group, the reference first.
    jobs.sort(key=lambda job: "reference" not in job[0])
    if not options.summary:
        _run_all(jobs, options.work)
    runs: dict[str, list[dict[str, Any]]] = {}
    for name, seed in jobs:
        path = _path(options.work, name, seed)
        if path.is_file():
            runs.setdefault(name, []).append(json.loads(path.read_text()))
    figures = summarise(runs)
    show(figures)
    draw(runs, FIGURE)
    print(f"wrote {record('mli', figures)} and {FIGURE}")


def _path(work: Path, name: str, seed: int) -> Path:
    return work / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}.json"


def _run_all(jobs: list[tuple[str, int]], work: Path) -> None:
    images, labels = balanced_digits()
    with Progress() as progress:
        bar = progress.add_task("trainings", total=len(jobs))
        for name, seed in jobs:
            path = _path(work, name, seed)

            def report(epoch: int, loss: float, title: str = f"{name}, seed {seed}") -> None:
                progress.update(bar, description=f"{title}: epoch {epoch}, loss {loss:.3f}")

            if not path.is_file():
                setting = replace(groups()[name], seed=seed)
                found = _run(setting, images, labels, report, is_full="reference" in name)
                temporary = path.with_suffix(".tmp")
                temporary.write_text(json.dumps(found))
                os.replace(temporary, path)
            progress.advance(bar)


def _run(
    setting: Setting, images: Tensor, labels: Tensor, report: Any, *, is_full: bool
) -> dict[str, Any]:
    """Trains a network and walks its lines; `is_full` under every schedule."""
    trained = train(setting, images, labels, report=report)
    return {
        "setting": asdict(setting),
        "epochs": trained.epochs,
        "loss": trained.loss,
        "last_bias": last_bias(trained.network),
        "class_errors": trained.class_errors,
        "last_biases": trained.last_biases,
        "lines": {
            schedule.name: _walk(trained, schedule, images, labels)
            for schedule in _schedules(trained, setting, images, is_full=is_full)
        },
    }


def _schedules(
    trained: Trained, setting: Setting, images: Tensor, *, is_full: bool
) -> list[Schedule]:
    """Biases start at 0, so `no bias` is also what keeps them at the start."""
    if setting.biases == "none":
        return [linear()]
    found = [linear(), homogeneous(bias_depths(trained.network, images[:1]))]
    return [*found, weights_only(), no_bias(), biases_only()] if is_full else found


def _walk(
    trained: Trained, schedule: Schedule, images: Tensor, labels: Tensor
) -> dict[str, list[float]]:
    """Returns training loss, nats, and training error, 0-1, at evenly spaced strengths."""
    line = Line(trained.network, start=trained.start, end=trained.end, schedule=schedule)
    losses, errors = [], []
    for point in range(POINTS):
        with torch.no_grad():
            logits = line.at(point / (POINTS - 1))(images)
        losses.append(round(float(F.cross_entropy(logits, labels)), 6))
        errors.append(round(float((logits.argmax(dim=1) != labels).float().mean()), 6))
    return {"loss": losses, "error": errors}


if __name__ == "__main__":
    main()
