"""What gathering a collection costs: 10, 50 and 500 photographs, and five more.

    python -m benchmarks.collection [--work work/bench-collection]

The photographs are of an actor who does not exist (`tasks/synthetic_photographs.py`), 512 px
square. The floor is decoding the same files and nothing else. Large photographs are the same
pictures enlarged to 12 megapixels. Processor seconds of the process, so that a busy machine says
the same.
"""

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.record import record
from reage.collection.portrait_measures import PortraitLimits
from reage.photograph import read_photograph
from reage.registry.priors import find_prior
from reage.workspace import Workspace
from studio.public_portraits import save_public_portraits
from tasks.collections import gather_collection
from tasks.refs import PriorRef
from tasks.synthetic_photographs import write_photographs

_LARGE = (4000, 3000)
_NUM_LARGE = 10
_ALIKE = PortraitLimits(duplicate_bits=0)  # all photographs are of one portrait
_AGES = (30, 70)


def main() -> None:
    """Makes the photographs once, gathers them, prints the table and records the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("work/bench-collection"))
    work = parser.parse_args().work
    prior = PriorRef.of(find_prior())
    photographs = _photographs(work, prior, 505)
    shutil.rmtree(work / "runs", ignore_errors=True)
    rows = [
        _gathered(work, f"{count} photographs", photographs[:count], prior) for count in (10, 50)
    ]
    rows.append(_gathered(work, "500 photographs", photographs[:500], prior))
    rows.append(_gathered(work, "500 photographs", photographs, prior, label="five more"))
    large = _enlarged(work, photographs[:_NUM_LARGE])
    rows.append(_gathered(work, "12 megapixels", large, prior, label="10 of 12 megapixels"))
    _show(rows)
    record("collection", {"rows": rows})


def _photographs(work: Path, prior: PriorRef, count: int) -> list[Path]:
    """Returns JPEG photographs, spread over the ages."""
    folder, pngs = work / "photographs", work / "pngs"
    first, last = _AGES
    ages = [round(first + (last - first) * ((n * 37) % count) / (count - 1)) for n in range(count)]
    names = [folder / f"{age}_{number:03d}.jpg" for number, age in enumerate(ages)]
    if all(name.is_file() for name in names):
        return names
    for place in (folder, pngs):
        place.mkdir(parents=True, exist_ok=True)
    portrait, other = save_public_portraits(work / "portraits")
    write_photographs(portrait, other, pngs, prior, ages=ages)
    for name in names:
        with Image.open(pngs / f"{name.stem}.png") as picture:
            picture.save(name, quality=92)
    return names


def _enlarged(work: Path, photographs: list[Path]) -> list[Path]:
    folder = work / "large"
    folder.mkdir(parents=True, exist_ok=True)
    for path in photographs:
        if not (folder / path.name).is_file():
            with Image.open(path) as picture:
                picture.resize(_LARGE, Image.Resampling.BICUBIC).save(
                    folder / path.name, quality=92
                )
    return [folder / path.name for path in photographs]


def _gathered(
    work: Path, run: str, photographs: list[Path], prior: PriorRef, *, label: str = ""
) -> dict[str, Any]:
    """Gathers photographs in a work folder of the run's own; what it holds is not redone."""
    place = work / "runs" / run.replace(" ", "-")
    folder = place / "photographs"
    folder.mkdir(parents=True, exist_ok=True)
    new = [path for path in photographs if not (folder / path.name).is_file()]
    for path in new:
        shutil.copyfile(path, folder / path.name)
    floor, _ = _timed(lambda: [read_photograph(path) for path in new])
    seconds, collection = _timed(
        lambda: gather_collection.fn(
            str(folder),
            prior,
            actor="nobody",
            limits=_ALIKE,
            workspace=Workspace.of_actor(str(place), "nobody"),
        )
    )
    return {
        "case": label or run,
        "new": len(new),
        "accepted": collection.num_photos,
        "seconds": round(seconds, 2),
        "seconds_a_new_photograph": round(seconds / len(new), 3),
        "times_decoding": round(seconds / floor, 1),
    }


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(*rows[0], box=None)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
