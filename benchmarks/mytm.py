"""MyTimeMachine's comparison at our scale: synthetic actors whose ageing is known.

    python -m benchmarks.mytm --data FOLDER --judges FOLDER [--actors 5] [--steps 200]

Identities are held-out faces of DATA (fold 0, seen by no network). Each ages along the prior's path
and drifts towards two other people's features (`models/ageing/synthetic_actor.py`). Every method
learns from photographs of ages 30-70 and is asked for 20-80 from held-out photographs at 40 and 70.
Likeness (IDsim) and age error (AgeMAE) are judged by networks of others in JUDGES, as in the
paper's tables 1-3 and figures 7 and 8; `inside` means the trained ages, `outside` 20 and 80. A run
that is cut goes on: every method of every actor is kept in the work folder.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.personalised import (
    DRIFT,
    INPUT_AGES,
    INSIDE,
    METHODS,
    TARGETS,
    Examiner,
    personalise,
    photographed,
)
from benchmarks.prior import HeldOutFace, load_judges, read_held_out
from benchmarks.record import record
from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior
from models.ageing.synthetic_actor import SyntheticActor
from reage.age_strip import StripRow, compose_age_strip
from reage.labelled_faces import align_crop, find_photos

PRIOR = Path(__file__).parent.parent / "models" / "priors" / "compact"
SHOWN = ("global prior", "naive fine-tuning", "MyTM", "without extrapolation")
FACES_READ = 120


def main() -> None:
    """Runs what is not finished, prints the table, records the figures and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--actors", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--summary", action="store_true", help="of what is finished; run nothing")
    parser.add_argument("--work", type=Path, default=Path("work/bench-mytm"))
    options = parser.parse_args()
    place = options.work / f"steps-{options.steps}"
    place.mkdir(parents=True, exist_ok=True)
    _save_crops(options.data, place / "faces.npz")
    if options.summary:
        _conclude(place, options.actors, options.steps)
        return
    jobs = [
        (name, number, options.steps, options.judges, place)
        for name in METHODS
        for number in range(options.actors)
    ]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        list(track(pool.map(_run, jobs), "methods x actors", total=len(jobs)))
    _conclude(place, options.actors, options.steps)


def _conclude(place: Path, actors: int, steps: int) -> None:
    figures = _summary(place, actors, steps)
    _show(figures)
    record("mytm", figures)
    _draw(place, place / "strip.png")


def _save_crops(data: Path, path: Path) -> None:
    """Aligns held-out faces once; ages and genders beside them."""
    if path.is_file():
        return
    photos, _ = find_photos(data)
    faces = read_held_out(photos, fold=0, limit=FACES_READ)
    prior = load_prior(PRIOR)
    assert isinstance(prior, CompactPrior)
    np.savez(
        path,
        crops=np.stack([_aligned(face, prior) for face in faces]),
        ages=np.array([face.photo.age for face in faces], np.float32),
        genders=np.array([face.photo.gender for face in faces]),
    )


def _aligned(face: HeldOutFace, prior: CompactPrior) -> Any:
    alignment = prior.alignment
    crop, _ = align_crop(
        face.picture,
        face.landmarks,
        template=np.array(alignment.template),
        indices=np.array(alignment.landmark_indices),
        size=alignment.size,
    )
    return crop


def synthetic_actor(prior: CompactPrior, faces: Path, number: int) -> SyntheticActor:
    """Returns actor `number`: a face of 40 to 60 years and two others of the same gender."""
    with np.load(faces) as arrays:
        crops = torch.from_numpy(arrays["crops"]).permute(0, 3, 1, 2).float() * 2 - 1
        ages, genders = arrays["ages"], arrays["genders"]
    rng = np.random.default_rng([11, number])
    identity = int(rng.choice(np.flatnonzero((ages > 40) & (ages < 60))))
    same = np.flatnonzero((genders == genders[identity]) & (np.arange(len(ages)) != identity))
    others = [crops[i : i + 1] for i in rng.choice(same, 2, replace=False).tolist()]
    return SyntheticActor.between(
        prior, crops[identity : identity + 1], others, age=float(ages[identity]), amount=DRIFT
    )


def _figures_of(place: Path, method: str, number: int) -> Path:
    return place / f"{method.replace(',', '').replace(' ', '-')}-{number}.json"


def _run(job: tuple[str, int, int, Path, Path]) -> None:
    name, number, steps, judges, place = job
    path = _figures_of(place, name, number)
    if path.is_file():
        return
    torch.set_num_threads(1)
    prior = load_prior(PRIOR)
    assert isinstance(prior, CompactPrior)
    actor = synthetic_actor(prior, place / "faces.npz", number)
    identity, age = load_judges(judges)
    examiner = Examiner(prior, actor, identity, age, _aligner(judges))
    personal = personalise(prior, actor, METHODS[name], steps=steps, seed=number)
    figures = examiner.examine(personal)
    if name == "global prior":
        (place / f"truth-{number}.json").write_text(json.dumps(examiner.truth()))
    if number == 0 and name in SHOWN:
        np.save(path.with_suffix(".npy"), examiner.faces(personal, INPUT_AGES[0]))
        if name == "global prior":
            _save_truth(actor, place)
    path.write_text(json.dumps(figures))


def _aligner(judges: Path) -> Any:
    from benchmarks.prior import _module

    return _module(judges / "judge.py").similarity_to_template


def _save_truth(actor: SyntheticActor, place: Path) -> None:
    ages = torch.tensor([float(age) for age in TARGETS])
    np.save(place / "truth.npy", photographed(actor, ages, seed=5000))
    source = photographed(actor, torch.tensor([float(INPUT_AGES[0])]), seed=9000)
    np.save(place / "source.npy", source)


def _summary(place: Path, actors: int, steps: int) -> dict[str, Any]:
    methods: dict[str, Any] = {}
    for name in ("truth", *METHODS):
        files = [_figures_of(place, name, number) for number in range(actors)]
        if not all(file.is_file() for file in files):
            continue
        found = [json.loads(file.read_text()) for file in files]
        methods[name] = {figure: _spread(found, figure) for figure in found[0]}
    return {
        "actors": actors,
        "steps": steps,
        "drift": DRIFT,
        "targets": list(TARGETS),
        "methods": methods,
    }


def _spread(found: list[dict[str, list[float]]], figure: str) -> dict[str, Any]:
    """Mean and standard deviation over actors, of the ages inside and outside the training's."""
    values = np.array([actor[figure] for actor in found])
    inside = values[:, np.array(INSIDE)].mean(axis=1)
    outside = values[:, ~np.array(INSIDE)].mean(axis=1)
    return {
        "inside": [round(float(inside.mean()), 3), round(float(inside.std(ddof=1)), 3)],
        "outside": [round(float(outside.mean()), 3), round(float(outside.std(ddof=1)), 3)],
        "by_age": [round(float(v), 3) for v in values.mean(axis=0)],
        "by_actor_inside": [round(float(v), 3) for v in inside],
    }


def _show(figures: dict[str, Any]) -> None:
    table = Table("method", title=f"{figures['actors']} actors, mean ± deviation", box=None)
    columns = [
        (figure, side)
        for figure in ("likeness", "likeness_own", "age_error")
        for side in ("inside", "outside")
    ]
    for figure, side in columns:
        table.add_column(f"{figure} {side}")
    for name, found in figures["methods"].items():
        cells = [found[figure][side] for figure, side in columns]
        table.add_row(name, *(f"{mean:.2f} ± {deviation:.2f}" for mean, deviation in cells))
    Console(width=150).print(table)


def _draw(place: Path, target: Path) -> None:
    """Draws actor 0 at all ages, a method a row."""
    source = np.load(place / "source.npy")[0]
    rows = [StripRow(label="truth", source=source, faces=np.load(place / "truth.npy"))]
    for name in SHOWN:
        path = _figures_of(place, name, 0).with_suffix(".npy")
        if not path.is_file():
            continue
        faces = np.load(path)
        rows.append(StripRow(label=name, source=source, faces=faces))
    Image.fromarray(compose_age_strip(rows, ages=TARGETS)).save(target)


if __name__ == "__main__":
    main()
