"""Personal streams of ten increments, every way of choosing a buffer, and what is forgotten.

    python -m benchmarks.continual --clips CLIP ... --data FOLDER --judges FOLDER
                                   [--actors 3] [--more-clips CLIP ...] [--more-actors 6]
                                   [--rounds 4] [--minutes M] [--summary]

Streams are cut from CLIPS, one person each, and made of synthetic actors, faces of DATA that no
network has seen; see streams.py. The personal generator is the compact prior's synthesis at 64 px.
Rows are learnt in rounds, so that a run that is cut has something of everything: the bounds and
both rivals at B = 3, a second seed of the rivals, k-means and the other sizes, a third seed. Of the
further streams (--more-clips, --more-actors) the rivals at B = 3 alone are learnt: pairs for the
test of hull against random. That test is Wilcoxon's of the forgotten perceptual distance, over all
pairs and, as seeds of one stream are not independent, over the streams' means. Every row is kept in
the work folder; a run goes on where it was cut. Likeness is judged by a network of others in
JUDGES, which nothing is learnt from.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmarks.continual.explaining import explained
from benchmarks.continual.figure import draw
from benchmarks.continual.judging import SYNTHESISED, Encoded, Examiner
from benchmarks.continual.page import fill_in
from benchmarks.continual.rows import SIZE, Row, Schooling, run_row
from benchmarks.continual.selecting import measure_selection
from benchmarks.continual.streams import (
    HELD_OUT,
    INCREMENTS,
    TAUGHT,
    clip_stream,
    load_stream,
    save_stream,
    synthetic_stream,
)
from benchmarks.continual.summary import show, summarise
from benchmarks.judges import CropJudge, judge_alignment, load_judges
from benchmarks.mytm import save_crops, synthetic_actor
from benchmarks.record import described, write
from models.ageing.compact_prior import CompactPrior
from models.ageing.loading import load_prior

PRIOR = Path(__file__).parents[2] / "models" / "priors" / "compact"
FIGURE = Path(__file__).parents[2] / "docs" / "images" / "continual.png"
SIZES = (3, 5, 10)


def main() -> None:
    """Runs what is not finished; records, prints and draws what there is, and fills in the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--actors", type=int, default=3)
    parser.add_argument("--more-clips", type=Path, nargs="*", default=[])
    parser.add_argument("--more-actors", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=Schooling.steps)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no row later")
    parser.add_argument("--summary", action="store_true", help="of what is finished; run nothing")
    parser.add_argument("--work", type=Path, default=Path("work/bench-continual"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    schooling = Schooling(steps=options.steps)
    prior = load_prior(PRIOR)
    assert isinstance(prior, CompactPrior)
    options.work /= prior.digest[:12]  # another prior's rows would not compare
    place = options.work / f"steps-{options.steps}"
    place.mkdir(parents=True, exist_ok=True)
    if not options.summary:
        _keep_selection(options.work / "selection.json")
        _run_all(options, place, prior, schooling)
    rows = [json.loads(path.read_text()) for path in sorted(place.glob("*.json"))]
    summary = summarise(rows)
    show(summary)
    streams = sorted({row["stream"] for row in rows})
    document = described(
        "continual",
        {
            "prior": prior.digest,
            "streams": streams,
            "increments": INCREMENTS,
            "photographs": {"taught": TAUGHT, "held_out": HELD_OUT, "synthesised": SYNTHESISED},
            "pixels": SIZE,
            "schooling": asdict(schooling),
            "rows": len(rows),
            "processor_seconds": round(sum(row["seconds"] for row in rows)),
            **summary,
            "explained": explained(rows, _codes(options, prior, streams)),
            "selection": json.loads((options.work / "selection.json").read_text()),
        },
    )
    write("continual", document)
    fill_in(document)
    draw(rows, FIGURE)
    Console().print(f"picture: {FIGURE}")


def planned(streams: list[str], rounds: int, further: Sequence[str] = ()) -> Iterator[Row]:
    """Yields the rows of the first rounds, stream by stream in each; rivals alone of `further`."""
    rivals: list[tuple[Any, int]] = [("random", 3), ("hull", 3)]
    rest = [("kmeans", 3), *((s, n) for n in SIZES[1:] for s in ("random", "hull", "kmeans"))]
    plan: list[tuple[int, list[Any]]] = [
        (0, [*rivals, ("none", 0), ("joint", 0)]), (1, rivals), (0, rest), (2, rivals),
    ]  # fmt: skip
    for seed, kinds in plan[:rounds]:
        for stream in streams:
            yield from (Row(stream, strategy, size, seed) for strategy, size in kinds)
        for stream in further:
            yield from (Row(stream, *rival, seed) for rival in rivals if rival in kinds)


def _run_all(
    options: argparse.Namespace, place: Path, prior: CompactPrior, schooling: Schooling
) -> None:
    streams = streams_of(options, prior)
    identity, _ = load_judges(options.judges)
    judge = CropJudge(identity, judge_alignment(options.judges), prior.alignment)
    known: dict[str, tuple[Encoded, Examiner]] = {}
    begun = time.monotonic()
    further = [name for name in streams if _is_further(name, options)]
    whole = [name for name in streams if name not in further]
    for row in track(list(planned(whole, options.rounds, further)), "rows"):
        path = place / f"{row.name}.json"
        if path.is_file():
            continue
        if time.monotonic() - begun > 60 * options.minutes:
            break
        if row.stream not in known:
            stream = load_stream(streams[row.stream])
            encoded = Encoded.of(stream, prior, size=SIZE)
            known[row.stream] = encoded, Examiner(prior, stream, encoded, judge)
        figures = run_row(row, prior, *known[row.stream], schooling)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(figures))
        partial.replace(path)


def _is_further(name: str, options: argparse.Namespace) -> bool:
    kind, number = name.split()
    return int(number) > (len(options.clips) if kind == "clip" else options.actors)


def streams_of(options: argparse.Namespace, prior: CompactPrior) -> dict[str, Path]:
    """Makes the streams that are missing; returns where they are, by name."""
    found = {}
    for number, clip in enumerate([*options.clips, *getattr(options, "more_clips", [])], start=1):
        path = options.work / "streams" / f"clip-{number}.npz"
        if not path.is_file():
            save_stream(clip_stream(clip, prior, seed=number), path)
        found[f"clip {number}"] = path
    faces = options.work / "faces.npz"
    for number in range(1, options.actors + getattr(options, "more_actors", 0) + 1):
        path = options.work / "streams" / f"actor-{number}.npz"
        if not path.is_file():
            save_crops(options.data, faces)
            save_stream(synthetic_stream(synthetic_actor(prior, faces, number), seed=number), path)
        found[f"actor {number}"] = path
    return dict(sorted(found.items(), key=lambda item: (item[0].split()[1], item[0])))


def _codes(
    options: argparse.Namespace, prior: CompactPrior, names: list[str]
) -> dict[str, NDArray[np.floating]]:
    """Encodes the photographs of streams that teach, (T, N, D)."""
    found = {}
    for name in names:
        stream = load_stream(options.work / "streams" / f"{name.replace(' ', '-')}.npz")
        found[name] = Encoded.of(stream, prior, size=SIZE).codes.flatten(2).numpy()
    return found


def _keep_selection(path: Path) -> None:
    if not path.is_file():
        path.write_text(json.dumps(measure_selection(), indent=1))


if __name__ == "__main__":
    main()
