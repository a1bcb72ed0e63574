"""Calibrates the gate: what good and bad nights do to the figures, and what the defaults let by.

    python -m benchmarks.tolerances --data FOLDER [--clips CLIP ...] [--actors 3]
                                    [--first 200] [--update 200] [--minutes M] [--summary]

People are those of `benchmarks.continual`: clips, and synthetic actors made from held-out faces of
DATA. Each has two good nights and a third one in several ways; see nights.py. Every person's row is
kept in the work folder; a run goes on where it was cut.
"""

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.continual.__main__ import PRIOR, streams_of
from benchmarks.continual.page import fill_between
from benchmarks.continual.streams import load_stream
from benchmarks.record import described, write
from benchmarks.tolerances.nights import HELD_OUT, TAUGHT, Person, Steps
from benchmarks.tolerances.summary import summarise, table_of
from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior
from reage.manifest.nightly import Tolerance


def main() -> None:
    """Runs who is not finished; records, prints, and fills in the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--actors", type=int, default=3)
    parser.add_argument("--first", type=int, default=200)
    parser.add_argument("--update", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nobody later")
    parser.add_argument("--summary", action="store_true", help="of who is finished; run nothing")
    parser.add_argument("--work", type=Path, default=Path("work/bench-continual"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    prior = load_prior(PRIOR)
    assert isinstance(prior, CompactPrior)
    options.work /= prior.digest[:12]
    steps = Steps(first=options.first, update=options.update)
    place = options.work / f"tolerances-{steps.first}-{steps.update}"
    place.mkdir(parents=True, exist_ok=True)
    if not options.summary:
        _run_all(options, place, prior, steps)
    rows = [json.loads(path.read_text()) for path in sorted(place.glob("*.json"))]
    tolerance = Tolerance()
    summary = summarise(rows, tolerance)
    document = described(
        "tolerances",
        {
            "prior": prior.digest,
            "photographs": {"taught": TAUGHT, "held_out": HELD_OUT},
            "steps": asdict(steps),
            "processor_seconds": round(sum(row["seconds"] for row in rows)),
            "conditions": summary,
            "rows": [{"person": row["person"], "forgotten": row["forgotten"]} for row in rows],
        },
    )
    write("tolerances", document)
    table = table_of(summary, tolerance)
    people = ", ".join(row["person"] for row in rows)
    said = (
        f"{document['machine']}, one thread, {document['date']}: {len(rows)} people ({people}), "
        f"prior {prior.digest[:8]}…, {TAUGHT} photographs a night and {HELD_OUT} held out, "
        f"{steps.first} steps of a first adapter, {steps.update} of an update. Forgotten of the "
        "worst earlier increment: median (least to most) over nights."
    )
    fill_between("tolerances", f"{said}\n\n{table}")
    Console(width=160).print(table, highlight=False)


def _run_all(options: argparse.Namespace, place: Path, prior: CompactPrior, steps: Steps) -> None:
    streams = streams_of(options, prior)
    names, begun = list(streams), time.monotonic()
    for index, name in enumerate(names):
        path = place / f"{name.replace(' ', '_')}.json"
        if path.is_file() or time.monotonic() - begun > 60 * options.minutes:
            continue
        stranger = names[(index + 1) % len(names)]
        home = path.with_suffix("")
        home.mkdir(exist_ok=True)
        os.environ["REAGE_HOME"] = str(home)
        used = time.process_time()
        person = Person(
            name.replace(" ", "-"),
            load_stream(streams[name]),
            load_stream(streams[stranger]),
            home,
            steps,
        )
        row: dict[str, Any] = {"person": name, "stranger": stranger}
        row["forgotten"] = person.nights()
        row["seconds"] = round(time.process_time() - used, 1)
        path.write_text(json.dumps(row, indent=1))
        Console().print(f"{name}: {row['seconds']:.0f} s")


if __name__ == "__main__":
    main()
