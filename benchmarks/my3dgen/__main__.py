"""Compares ways of making a tri-plane generator one person's, on actors whose truth is known.

    make bench-my3dgen
    make bench-my3dgen PRIOR=<name or folder of a 3D prior> [DATA=<labelled photographs>]

An actor is the prior with hidden changes of its weights. They are photographed 10 and 50 times, in
any pose, with a camera's grain and tint; the prior is then personalised on the photographs, and
judged on looks and cameras that none of them shows, against the truth. Ways: not at all, all
personal parts at the published rate and at a quarter of it, and ranks 1, 2, 4 and 8. Rows are kept
as they come: a killed run goes on with what is missing. A prior that maps noise to no face, as the
one that comes with Reage, takes its people from photographs.
"""

import argparse
import json
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.my3dgen.actors import KINDS, Actor, seeded_prior
from benchmarks.my3dgen.people import People, PhotographedPeople, SampledPeople
from benchmarks.my3dgen.rows import WAYS, Bench
from benchmarks.my3dgen.sheet import draw_plot, draw_sheet
from benchmarks.my3dgen.summary import printed, summary, verdicts
from benchmarks.record import record
from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior
from models.eg3d.generator import TriPlaneGenerator
from models.face3d.loading import load_face3d
from models.face3d.prior_files import KIND, load_face3d_prior
from reage.registry.priors import find_prior
from reage.registry.triplane_priors import find_triplane_prior

IMAGES = Path("docs/images")
COUNTS = (10, 50)


def main() -> None:
    """Trains, judges, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prior", help="name or folder of a 3D prior; a seeded one without it")
    parser.add_argument("--data", type=Path, help="labelled photographs, for who a prior knows")
    parser.add_argument("--actors", type=int, default=3, help="of each kind")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--views", type=int, default=24, help="novel ones that are judged")
    parser.add_argument("--rows", type=Path, default=Path("work/my3dgen/rows.jsonl"))
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    networks = load_prior(find_prior().folder, {})
    assert isinstance(networks, CompactPrior)
    prior, people, name = opened(options.prior, options.data)
    bench = Bench(prior, people, networks, options.steps, options.batch_size, options.views)
    settings = {
        "prior": name,
        "steps": options.steps,
        "batch_size": options.batch_size,
        "views": options.views,
    }
    rows = all_rows(bench, options.actors, settings, options.rows)
    figures = {**settings, "actors": options.actors, "summary": summary(rows)}
    figures |= {"verdicts": verdicts(figures["summary"]), "rows": rows}
    printed(figures, Console())
    if not options.no_record:
        kept = "my3dgen" if options.prior is None else f"my3dgen-{name}"
        record(kept, figures)
        draw_plot(figures["summary"], IMAGES / f"{kept}.png")
        # What is drawn of people's photographs is for one's own eyes.
        place = IMAGES if isinstance(people, SampledPeople) else options.rows.parent
        draw_sheet(bench, place / f"{kept}-sheet.png")


def opened(prior: str | None, data: Path | None) -> tuple[TriPlaneGenerator, People, str]:
    """Returns a prior's generator, or the seeded one, who it knows, and what to call it."""
    if prior is None:
        seeded = seeded_prior()
        return seeded, SampledPeople(seeded), "seeded"
    found = find_triplane_prior(prior)
    if found.kind != KIND:
        generator = load_face3d(found.folder, found.kind, None).generator
        return generator, SampledPeople(generator), found.name
    if data is None:
        raise SystemExit(f"--data: got none, expected labelled photographs: {prior} has no others")
    face3d = load_face3d_prior(found.folder)
    return face3d.generator, PhotographedPeople.of(face3d, data), found.name


def all_rows(
    bench: Bench, actors: int, settings: dict[str, object], kept: Path
) -> list[dict[str, object]]:
    """Returns a row for every kind, number of photographs, actor and way."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    found = {row["key"]: row for row in known if row["settings"] == settings}
    rows = []
    for seed in range(actors):
        for kind in KINDS:
            actor = Actor.hidden_in(bench.prior, bench.people, kind, seed=seed)
            for count in COUNTS:
                for way in WAYS:
                    key = f"{kind}, {count}, {seed}, {way}"
                    if key not in found:
                        row = bench.row(actor, actor.photographs(count), way)
                        found[key] = {"key": key, "settings": settings, "kind": kind, **row}
                        with kept.open("a") as file:
                            file.write(json.dumps(found[key]) + "\n")
                    rows.append(found[key])
    return [{k: v for k, v in row.items() if k not in ("key", "settings")} for row in rows]


if __name__ == "__main__":
    main()
