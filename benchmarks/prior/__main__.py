"""Judges an ageing prior on held-out faces with networks by others.

    python -m benchmarks.prior --data FOLDER --judges FOLDER [--prior FOLDER] [--card]

DATA holds the labelled photographs (fold 0 is judged; folds 2-19 make the pixel-mean baseline and,
with fold 0, the real faces of an age). JUDGES holds judge.py and judge_age.py with their weights;
they are loaded from that path and are no part of the project.

Every face is re-aged to 20, 30 ... 80. See changes.py for how, figures.py for what the
figures mean, distances.py for KID and FID and targets.py for what is wanted. Sheets of
pictures go to the work folder, which git ignores.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.held_out import in_fold, real_faces_of_age
from benchmarks.judges import Jury
from benchmarks.prior.card import rewrite_card
from benchmarks.prior.figures import (
    fid_figures,
    gender_judge,
    group_figures,
    kid_figures,
    method_figures,
    reconstruction,
    worst_faces,
)
from benchmarks.prior.judging import (
    Bench,
    Embedded,
    Originals,
    Seen,
    baseline_of,
    embed_photos,
    in_processes,
    joined,
    judge_photos,
    units_of,
)
from benchmarks.prior.measures import METHODS, TARGETS
from benchmarks.prior.sheet import draw_sheet, people_shown
from benchmarks.prior.tables import show_all
from benchmarks.prior.targets import show_targets, verdicts
from benchmarks.record import described, write
from models.ageing.loading import load_prior
from models.ageing.prior import Prior
from models.ageing.prior_files import WEIGHTS_NAME
from reage.labelled_faces import LabelledPhoto, find_photos
from reage.registry.priors import find_prior

WORST = 8


def main() -> None:
    """Judges the prior and the baseline, prints the tables, keeps figures and sheets."""
    options = _options()
    torch.set_num_threads(1)
    start = time.perf_counter()
    photos, _ = find_photos(options.data)
    chosen = in_fold(photos, options.fold, limit=options.limit)
    prior = load_prior(options.prior)
    bench = Bench(prior, Jury(options.judges), None if options.no_baseline else baseline_of(photos))
    originals, seen = _judged(chosen, bench)
    facts = {
        "prior": prior.config.name,
        "digest": prior.digest,
        "faces": len(originals.names),
        "fold": options.fold,
        **figures_of(originals, seen, _real(photos, options.real, bench)),
        "weights_mb": round((options.prior / WEIGHTS_NAME).stat().st_size / 1e6, 2),
    }
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts["seconds"] = round(time.perf_counter() - start)
    facts["processor_seconds"] = round(used.ru_utime + used.ru_stime)
    facts["milliseconds_per_crop"] = milliseconds(prior)
    facts["targets"] = verdicts(facts)
    facts = described("prior", facts)
    show_all(facts)
    show_targets(facts)
    if not options.no_record:
        print(f"wrote {write('prior', facts)}")
    if options.card:
        print(f"wrote {rewrite_card(options.prior, facts)}")
    _draw(prior, chosen, worst_faces(originals, seen[METHODS["crop"]], WORST), options.work)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--prior", type=Path, default=find_prior().folder)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--limit", type=int, default=10**9, help="of held-out faces")
    parser.add_argument("--real", type=int, default=400, help="real faces an age, at most")
    parser.add_argument("--card", action="store_true", help="write figures into the model card")
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("work/bench-prior"))
    return parser.parse_args()


def _judged(chosen: list[LabelledPhoto], bench: Bench) -> tuple[Originals, dict[str, Seen]]:
    told = in_processes(judge_photos, units_of(chosen), "held-out faces", bench)
    seen = {name: joined([unit[name] for _, unit in told]) for name in told[0][1]}
    return joined([originals for originals, _ in told]), seen


def _real(
    photos: list[LabelledPhoto], at_most: int, bench: Bench
) -> dict[int, tuple[int, Embedded]]:
    """Embeds the real faces of every target age, each photograph once."""
    wanted = {target: real_faces_of_age(photos, target, at_most=at_most) for target in TARGETS}
    unique = {photo.name: photo for real in wanted.values() for photo in real.photos}
    told = joined(in_processes(embed_photos, units_of(list(unique.values())), "real faces", bench))
    rows = {name: row for row, name in enumerate(told.names)}
    found = {}
    for target, real in wanted.items():
        own = [rows[photo.name] for photo in real.photos if photo.name in rows]
        found[target] = (real.window_years, Embedded(told.names[own], told.embedded[own]))
    return found


def figures_of(
    originals: Originals, seen: dict[str, Seen], real: dict[int, tuple[int, Embedded]]
) -> dict[str, Any]:
    """Returns all that is worked out from what the judges saw."""
    prior = seen[METHODS["crop"]]
    return {
        "gender_judge": gender_judge(originals),
        "reconstruction": reconstruction(originals),
        "methods": {name: method_figures(originals, method) for name, method in seen.items()},
        "by_group": group_figures(originals, prior),
        "kid": kid_figures(originals, prior, real),
        "fid": fid_figures(originals, prior),
    }


def milliseconds(prior: Prior) -> dict[str, Any]:
    """Times one crop on all cores, best of several, by precision.

    `encode_decode` is one of each; `change` is what the pipeline does for a crop: encode, offset
    and two decodes.
    """
    size = prior.config.crop_size
    crop, ages = torch.zeros(1, 3, size, size), (torch.tensor([40.0]), torch.tensor([70.0]))
    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    figures: dict[str, Any] = {"cores": cores, "load_before": round(os.getloadavg()[0], 1)}
    for precision in ("float32", "bfloat16"):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            figures[f"encode_decode_{precision}"] = _best_ms(
                lambda: prior.decode(prior.encode(crop))
            )
            figures[f"change_{precision}"] = _best_ms(lambda: prior.change(crop, *ages))
    return figures


@torch.inference_mode()
def _best_ms(work: Callable[[], object], *, times: int = 12, budget_s: float = 5.0) -> float:
    taken: list[float] = []
    while len(taken) < 2 or (len(taken) < times and sum(taken) < budget_s):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(min(taken) * 1000, 1)


def _draw(
    prior: Prior, chosen: list[LabelledPhoto], worst: dict[str, list[str]], work: Path
) -> None:
    by_name = {photo.name: photo for photo in chosen}
    sheets = {"people": people_shown(chosen)}
    sheets |= {f"worst_{why}": [by_name[name] for name in names] for why, names in worst.items()}
    for name, photos in sheets.items():
        draw_sheet(prior, photos, work / f"{name}.png")
    print(f"pictures: {work}")


if __name__ == "__main__":
    main()
