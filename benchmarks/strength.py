"""How even the strength of a personal adapter looks, by line; what 21 strengths of a frame cost.

    python -m benchmarks.strength --data FOLDER --judges FOLDER [--actors 3] [--steps 20]

Synthetic actors as in `mytm.py`: an adapter is trained on photographs of ages 30 to 70, and
held-out photographs at about 40 and 70 are shown at 20, 50 and 80 years at 11 strengths, along the
lines of `strength_lines.py`. Compared are the lines as they are and, calibrated, along the course
that training measured on its own photographs: one for the line that shots follow, one for the plain
line. Perceptual change is told by the metric of the training; pixels, an identity judge and an age
judge by others, in JUDGES, say the same or not. Low-rank weights: see `strength_low_rank.py`. A run
that is cut goes on.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.examiner import Examiner
from benchmarks.judges import judge_alignment, load_judges
from benchmarks.mytm import PRIOR, save_crops, synthetic_actor
from benchmarks.record import record
from benchmarks.sitting import DRIFT, Sitting, synthetic_sitting
from benchmarks.strength_figure import draw
from benchmarks.strength_lines import (
    TARGETS,
    distances,
    evenness,
    judged_along,
    lines_to,
    metrics,
    seen_along,
)
from benchmarks.strength_low_rank import measured_low_rank
from models.ageing.adapter import Adapter
from models.ageing.adapter_recipe import preset_recipe
from models.ageing.compact_prior import CompactPrior
from models.ageing.critics import critics_of
from models.ageing.loading import load_prior
from models.ageing.strength import changes_along
from models.landscape.even import even_course
from models.landscape.interpolation import State
from models.training import to_crops
from tasks.adapter_training import School, new_adapter
from tasks.photo_set import PhotoSet
from tasks.strength import measured_evenness

FIGURE = Path("docs/images/strength.png")
_PHOTOGRAPHS = 20
_ROUNDS = 5
_AT_ONCE = 21  # strengths of one frame


def main() -> None:
    """Runs what is not finished, prints the table, records the figures and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--actors", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--work", type=Path, default=Path("work/bench-strength"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    place = options.work / f"steps-{options.steps}"
    place.mkdir(parents=True, exist_ok=True)
    save_crops(options.data, place / "faces.npz")
    prior = load_prior(PRIOR)
    assert isinstance(prior, CompactPrior)
    people = [_measured(prior, place, n, options) for n in range(options.actors)]
    figures = {
        "actors": options.actors,
        "steps": options.steps,
        "drift": DRIFT,
        "targets": list(TARGETS),
        "cost_of_21_strengths": people[-1]["cost"],
        "low_rank": measured_low_rank(),
        "lines": _summary(people),
        "along_the_line": {n: _mean(people, "judged", n) for n in ("likeness", "age_error")},
    }
    draw(figures, FIGURE)
    record("strength", figures)
    _show(figures)


def _measured(
    prior: CompactPrior, place: Path, number: int, options: argparse.Namespace
) -> dict[str, Any]:
    path = place / f"actor-{number}.json"
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    actor = synthetic_actor(prior, place / "faces.npz", number)
    sitting = synthetic_sitting(actor, photographs=_PHOTOGRAPHS, seed=number)
    adapter, start, course = _trained(prior, sitting, options.steps, number)
    identity, age = load_judges(options.judges)
    examiner = Examiner(prior, sitting, identity, age, judge_alignment(options.judges))
    by, lines, judged = metrics(prior, examiner), {}, {}
    for name, line in lines_to(adapter, start).items():
        seen = seen_along(prior, line, sitting)
        apart = distances(seen, by)
        lines[name] = {metric: evenness(rows) for metric, rows in apart.items()}
        if name == "linear":
            # Its own course, made and judged on halves of the same pictures.
            own = even_course(apart["perceptual"][:, 0::2])
            lines["linear, calibrated"] = {m: evenness(r[:, 1::2], own) for m, r in apart.items()}
        if name == "last layers":
            lines["last layers, calibrated"] = {m: evenness(r, course) for m, r in apart.items()}
            judged = judged_along(seen, examiner, course)
    found = {"lines": lines, "judged": judged, "course": course,
             "cost": _cost(prior, adapter, sitting)}  # fmt: skip
    path.write_text(json.dumps(found))
    return found


def _trained(
    prior: CompactPrior, sitting: Sitting, steps: int, seed: int
) -> tuple[Adapter, State, tuple[float, ...]]:
    """Returns the adapter, what it was before, and the course that its training measures."""
    recipe = preset_recipe(crop_size=prior.config.crop_size, steps=steps, seed=seed)
    recipe = replace(recipe, learning_rate=recipe.learning_rate / 2)  # few steps: no time to err
    critics = critics_of(prior)
    photos = PhotoSet.of(prior, critics, sitting.crops, sitting.ages, with_anchors=True)
    adapter = new_adapter(prior, recipe)
    start = {name: tensor.clone() for name, tensor in adapter.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        school = School.of_adapter(prior, critics, adapter, photos, recipe)
        school.run(Path(folder) / "checkpoint.pt", lambda *_: None)
    adapter.eval().requires_grad_(False)
    even = measured_evenness(prior, adapter, photos, perceptual=critics.perceptual)
    return adapter, start, even.course


@torch.inference_mode()
def _cost(prior: CompactPrior, adapter: Adapter, sitting: Sitting) -> dict[str, float]:
    """Seconds of one frame at 21 strengths, and of 21 frames at one, as a shot has them."""
    portrait = sitting.asked[0]
    crop, age = to_crops(portrait.crop[None]), torch.tensor([portrait.age])
    target = torch.full_like(age, 70.0)
    many = crop.expand(_AT_ONCE, -1, -1, -1).contiguous()
    ages, targets = age.expand(_AT_ONCE), target.expand(_AT_ONCE)
    places = np.linspace(0, 1, _AT_ONCE).tolist()

    def batch() -> None:
        codes = prior.encode(many)
        rest = codes + prior.source_offset(many, codes, ages)
        aged = codes + prior.ageing_offset(many, codes, ages, targets)
        own = [adapter(rest, ages), adapter(aged, targets)]
        before, after = prior.decode(torch.cat(own)).chunk(2)
        prior.difference(before, after, many)

    def strengths() -> None:
        changes_along(prior, adapter, crop, age, target, places=places)

    return {
        "one_frame_21_strengths_s": round(_seconds(strengths), 3),
        "21_frames_one_strength_s": round(_seconds(batch), 3),
    }


def _seconds(work: Callable[[], None]) -> float:
    """Least processor seconds of some rounds."""
    found = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def _summary(people: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over actors, and the worst of them, of every departure; mean curves."""
    lines: dict[str, Any] = {}
    for name, by in people[0]["lines"].items():
        lines[name] = {}
        for metric in by:
            found = [person["lines"][name][metric] for person in people]
            together = [each["together"] for each in found]
            lines[name][metric] = {
                "together": round(float(np.mean(together)), 4),
                "worst_actor": max(together),
                "median_picture": round(float(np.mean([f["median_picture"] for f in found])), 4),
                "worst_picture": max(each["worst_picture"] for each in found),
                "seen": np.mean([each["seen"] for each in found], axis=0).round(4).tolist(),
            }
    return lines


def _mean(people: list[dict[str, Any]], part: str, name: str) -> list[float]:
    values: list[float] = np.mean([p[part][name] for p in people], axis=0).round(4).tolist()
    return values


def _show(figures: dict[str, Any]) -> None:
    """Prints departures in percent."""
    table = Table("line", box=None)
    for metric in next(iter(figures["lines"].values())):
        table.add_column(f"{metric}: mean / worst actor / worst picture")
    for name, by in figures["lines"].items():
        cells = [
            f"{100 * f['together']:.1f} / {100 * f['worst_actor']:.1f} / "
            f"{100 * f['worst_picture']:.1f}"
            for f in by.values()
        ]
        table.add_row(name, *cells)
    console = Console(width=160)
    console.print(table)
    for name in ("cost_of_21_strengths", "low_rank"):
        console.print(name, {k: v for k, v in figures[name].items() if k != "seen"})


if __name__ == "__main__":
    main()
