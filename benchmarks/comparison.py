"""Figures of a comparison of methods: kept per method and person, summed up, shown and drawn."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.personalised import METHODS
from benchmarks.sitting import TARGETS, TRAINED_AGES
from reage.age_strip import StripRow, compose_age_strip

SHOWN = ("global prior", "naive fine-tuning", "without anchors", "MyTM")
_INSIDE = np.array([TRAINED_AGES[0] <= age <= TRAINED_AGES[1] for age in TARGETS])


def figures_of(place: Path, method: str, person: int | str) -> Path:
    """Returns where the figures of a method and a person are kept."""
    return place / f"{method.replace(',', '').replace(' ', '-')}-{person}.json"


def summary(place: Path, people: Iterable[int | str]) -> dict[str, Any]:
    """Returns what is finished of all people: by method and figure."""
    methods: dict[str, Any] = {}
    for name in ("truth", *METHODS):
        files = [figures_of(place, name, person) for person in people]
        if not all(file.is_file() for file in files):
            continue
        found = [json.loads(file.read_text()) for file in files]
        methods[name] = {figure: spread(found, figure) for figure in found[0]}
    return methods


def spread(found: list[dict[str, list[float]]], figure: str) -> dict[str, Any]:
    """Mean and standard deviation over people, of the ages inside and outside the training's."""
    values = np.array([person[figure] for person in found])
    inside, outside = _mean(values[:, _INSIDE]), _mean(values[:, ~_INSIDE])
    return {
        "inside": _mean_and_deviation(inside),
        "outside": _mean_and_deviation(outside),
        "by_age": [_rounded(v) for v in _mean(values.T)],
        "by_actor_inside": [_rounded(v) for v in inside],
        "by_actor_outside": [_rounded(v) for v in outside],
    }


def _mean(rows: Any) -> Any:
    """Means of rows over what is a number; not a number where nothing is."""
    numbers = ~np.isnan(rows)
    with np.errstate(invalid="ignore"):
        return np.where(numbers, rows, 0).sum(axis=1) / numbers.sum(axis=1)


def _mean_and_deviation(values: Any) -> list[float | None]:
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return [_rounded(values.mean()), _rounded(deviation)]


def _rounded(value: float) -> float | None:
    """A number as JSON has it; None where nothing could be judged."""
    return None if np.isnan(value) else round(float(value), 3)


def _cell(mean: float | None, deviation: float | None) -> str:
    return "–" if mean is None or deviation is None else f"{mean:.2f} ± {deviation:.2f}"


def show(title: str, methods: dict[str, Any]) -> None:
    """Prints a table of methods."""
    table = Table("method", title=f"{title}: mean ± deviation", box=None)
    columns = [
        (figure, side)
        for figure in ("likeness", "likeness_own", "age_error")
        for side in ("inside", "outside")
    ]
    for figure, side in columns:
        table.add_column(f"{figure} {side}")
    for name, found in methods.items():
        cells = [found[figure][side] for figure, side in columns]
        table.add_row(name, *(_cell(*cell) for cell in cells))
    Console(width=150).print(table)


def draw(place: Path, person: int | str, target: Path) -> None:
    """Draws one person at all ages, a method a row."""
    source = np.load(place / "source.npy")
    rows = [StripRow(label="truth", source=source, faces=np.load(place / "truth.npy"))]
    for name in SHOWN:
        path = figures_of(place, name, person).with_suffix(".npy")
        if path.is_file():
            rows.append(StripRow(label=name, source=source, faces=np.load(path)))
    Image.fromarray(compose_age_strip(rows, ages=TARGETS)).save(target)
