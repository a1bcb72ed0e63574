"""MyTimeMachine's comparison at our scale: actors whose ageing is known, and real ones if given.

    python -m benchmarks.mytm --data FOLDER --judges FOLDER [--actors 5] [--steps 100]
                              [--collection ACTOR.yaml ...]

Synthetic identities are held-out faces of DATA (fold 0, seen by no network). Each ages along the
prior's path and drifts towards two other people's features (`models/ageing/synthetic_actor.py`).
Every method learns from photographs of ages 30-70 and is asked for 20-80 from held-out photographs
at about 40 and 70. Likeness (IDsim) and age error (AgeMAE) are judged by networks of others in
JUDGES, as in the paper's tables 1-3 and figures 7 and 8; `inside` means the trained ages, `outside`
20 and 80. A real collection is named by an actor's manifest, whose consent is checked; see
`sitting.py` for what of it is held out. A run that is cut goes on: every method of every person is
kept in the work folder.
"""

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from benchmarks.comparison import SHOWN, draw, figures_of, show, summary
from benchmarks.examiner import Examiner
from benchmarks.held_out import HeldOutFace, read_held_out
from benchmarks.judges import judge_alignment, load_judges
from benchmarks.personalised import METHODS, personalise
from benchmarks.record import record
from benchmarks.sitting import (
    DRIFT,
    TARGETS,
    Sitting,
    collected_sitting,
    synthetic_sitting,
)
from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior
from models.ageing.synthetic_actor import SyntheticActor
from reage.labelled_faces import align_crop, find_photos
from reage.registry.priors import find_prior
from studio.public_portraits import save_public_portraits
from tasks.refs import PriorRef
from tasks.synthetic_photographs import actor_between

PORTRAIT = "portrait"  # an actor made of portraits in the public domain, for the picture
PRIOR = Path(__file__).parent.parent / "models" / "priors" / "compact"
FACES_READ = 120


@dataclass(frozen=True)
class Job:
    """One method on one person: a number, PORTRAIT, or a collection's name with its crops."""

    method: str
    person: int | str
    steps: int
    judges: Path
    place: Path
    crops: Path | None = None

    @property
    def figures(self) -> Path:
        """Where the figures are kept."""
        return figures_of(self.place, self.method, self.person)


def main() -> None:
    """Runs what is not finished, prints the tables, records the figures and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--actors", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--collection", type=Path, action="append", default=[])
    parser.add_argument("--summary", action="store_true", help="of what is finished; run nothing")
    parser.add_argument("--work", type=Path, default=Path("work/bench-mytm"))
    options = parser.parse_args()
    place = options.work / f"steps-{options.steps}"
    place.mkdir(parents=True, exist_ok=True)
    save_crops(options.data, place / "faces.npz")
    groups: dict[str, list[int | str]] = {"synthetic": list(range(options.actors))}
    crops = dict(_collected(manifest, options.work) for manifest in options.collection)
    groups |= {name: [name] for name in crops}
    if not options.summary:
        everybody = [
            (method, p) for method in METHODS for people in groups.values() for p in people
        ]
        everybody += [(method, PORTRAIT) for method in SHOWN]
        _run_all(
            [
                Job(method, person, options.steps, options.judges, place, crops.get(str(person)))
                for method, person in everybody
            ]
        )
    found = {name: summary(place, people) for name, people in groups.items()}
    for name, methods in found.items():
        show(name, methods)
    drawn = place / "strip.png"
    draw(place, PORTRAIT, drawn)
    settings = {"steps": options.steps, "drift": DRIFT, "targets": list(TARGETS)}
    record("mytm", {"actors": options.actors, **settings, "methods": found.pop("synthetic")})
    if found:
        (place / "collections.json").write_text(json.dumps(found, indent=1) + "\n")
    Console().print(f"picture: {drawn}")


def _run_all(jobs: list[Job]) -> None:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        list(track(pool.map(_run, jobs), "methods x people", total=len(jobs)))


def _collected(manifest: Path, work: Path) -> tuple[str, Path]:
    """Gathers a real collection, consent checked; returns the actor's id and the crops' file."""
    from flows.gather_collection import gather_collection

    collection = gather_collection(str(manifest), work=str(work / "collections"))
    return manifest.stem, Path(collection.path).resolve()


def save_crops(data: Path, path: Path) -> None:
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


def _run(job: Job) -> None:
    path = job.figures
    if path.is_file():
        return
    torch.set_num_threads(1)
    prior = load_prior(PRIOR)
    assert isinstance(prior, CompactPrior)
    method = METHODS[job.method]
    sitting = _sitting(job, prior, method.photographs)
    if sitting is None:
        return
    identity, age = load_judges(job.judges)
    examiner = Examiner(prior, sitting, identity, age, judge_alignment(job.judges))
    seed = job.person if isinstance(job.person, int) else 0
    personal = personalise(prior, sitting, method, steps=job.steps, seed=seed)
    figures = examiner.examine(personal)
    if job.method == "global prior" and sitting.truth:
        truth = figures_of(job.place, "truth", job.person)
        truth.write_text(json.dumps(examiner.truth()))
    if job.person == PORTRAIT:
        np.save(path.with_suffix(".npy"), examiner.changed(personal, sitting.asked[0]))
        np.save(job.place / "source.npy", sitting.asked[0].crop)
        np.save(job.place / "truth.npy", examiner.true_faces())
    path.write_text(json.dumps(figures))


def _sitting(job: Job, prior: CompactPrior, photographs: int) -> Sitting | None:
    """The person's photographs; None where there are not as many."""
    if job.crops is None:
        seed = job.person if isinstance(job.person, int) else 0
        return synthetic_sitting(_actor(job, prior), photographs=photographs, seed=seed)
    with np.load(job.crops, allow_pickle=False) as arrays:
        whole = collected_sitting(arrays["crops"], arrays["ages"].astype(np.float32))
    asked_for_all = photographs == METHODS["MyTM"].photographs
    if len(whole.ages) < photographs:
        return whole if asked_for_all else None
    return whole.fewer(photographs)


def _actor(job: Job, prior: CompactPrior) -> SyntheticActor:
    if isinstance(job.person, int):
        return synthetic_actor(prior, job.place / "faces.npz", job.person)
    portrait, other = save_public_portraits(job.place / "portraits")
    return actor_between(portrait, other, PriorRef.of(find_prior()), amount=DRIFT)


if __name__ == "__main__":
    main()
