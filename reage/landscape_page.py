"""A version's landscape as files: JSON for scripts, and one self-contained page for people.

As the QC page it needs nothing but itself: pictures are data URIs, charts are inline SVG.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from reage.landscape_report import TOTAL, LandscapeReport, Way
from reage.landscape_verdict import LandscapeLimits, judge_landscape
from reage.pages import page_template
from reage.qc_page import data_uri, plain_values
from reage.storage.local import atomic_file
from reage.svg_chart import Series, strength_chart

SCHEMA_VERSION = 1

_STRIP_PX = 1100
_SMALL_HEIGHT = 260.0


def write_landscape(report: LandscapeReport, *, json_path: Path, html_path: Path) -> None:
    """Writes the report twice; each file appears whole or not at all.

    Raises:
        StorageError: A file cannot be written.
    """
    text = json.dumps(landscape_dict(report), indent=1, allow_nan=False, ensure_ascii=False)
    for path, content in ((json_path, text + "\n"), (html_path, render_landscape(report))):
        with atomic_file(path, place=str(path)) as partial:
            partial.write_text(content, encoding="utf-8")


def landscape_dict(report: LandscapeReport) -> dict[str, Any]:
    """Returns report and verdict as plain JSON values; numbers that are not finite become null."""
    verdict = judge_landscape(report)
    update = report.from_previous
    body = {
        "schema_version": SCHEMA_VERSION,
        "actor": report.actor,
        "version": report.version,
        "prior": report.prior,
        "verdict": {
            "is_sound": verdict.is_sound,
            "kinds": list(verdict.kinds),
            "reasons": list(verdict.reasons),
            "notes": list(verdict.notes),
        },
        "num_photographs": report.num_photographs,
        "is_own_collection": report.is_own_collection,
        "steps": report.steps,
        "from_start": asdict(report.from_start),
        "from_previous": None if update is None else asdict(update),
        "without_biases": asdict(report.without_biases),
        "strength": asdict(report.slider),
        "digests": dict(report.digests),
    }
    values: dict[str, Any] = plain_values(body)
    return values


def render_landscape(report: LandscapeReport) -> str:
    """Returns the page as HTML."""
    update = report.from_previous
    ways = [report.from_start, *([] if update is None else [update])]
    return page_template("landscape.html").render(
        report=report,
        verdict=judge_landscape(report),
        ways=[_section(way, is_update=way is update) for way in ways],
        strip=data_uri(report.strip, width=_STRIP_PX),
        course=_course_chart(report.slider.course),
    )


def _section(way: Way, *, is_update: bool) -> dict[str, Any]:
    charts = {
        "Loss, all terms weighted": (way.total, None, 1),
        "Likeness to the photographs": (way.likeness, (min(0.0, *way.likeness), 1.0), 1),
        "Age error, years": (way.age_error, (0.0, max(1.0, 1.15 * max(way.age_error))), 0),
    }
    return {
        "way": way,
        "tiles": _tiles(way, is_update=is_update),
        "charts": [
            {"title": title, "svg": _chart(values, y_range, decimals, height=190)}
            for title, (values, y_range, decimals) in charts.items()
        ],
        "terms": [
            {"title": name.replace("_", " "), "svg": _term_chart(values)}
            for name, values in way.losses.items()
            if name not in {TOTAL, "likeness"}
        ],
    }


def _tiles(way: Way, *, is_update: bool) -> list[dict[str, Any]]:
    """The key figures: label, value, what it means, and whether it is as it should be."""
    limits = LandscapeLimits()
    likeness, error = way.likeness, way.age_error
    tiles = [
        _tile("Loss", f"{way.total[0]:.2f} → {way.total[-1]:.2f}", "start and end of the way",
              way.total[-1] <= way.total[0]),
        _tile("Likeness", f"{likeness[0]:.2f} → {likeness[-1]:.2f}", "cosine, best photograph",
              likeness[0] - likeness[-1] <= limits.lost_likeness),
        _tile("Age error", f"{error[0]:.1f} → {error[-1]:.1f}", "years", True),
        _tile("Barrier", f"{max(way.barrier, 0.0):.0%}", f"up to {limits.barrier:.0%}",
              way.barrier <= limits.barrier),
    ]  # fmt: skip
    if not is_update:
        fell = way.total[-1] < way.total[0]
        tiles += [
            _tile("Plateau", f"{max(way.plateau, 0.0):.0%}", "of the way, loss as at its start",
                  way.plateau <= limits.plateau),
            _tile("A twentieth further on", f"{-way.still_falling:+.1%}" if fell else "no fall",
                  "of the fall; above 0 at rest", way.still_falling <= limits.still_falling),
        ]  # fmt: skip
    return tiles


def _tile(label: str, value: str, words: str, is_good: bool) -> dict[str, Any]:
    return {"label": label, "value": value, "words": words, "is_good": is_good}


def _chart(
    values: Sequence[float], y_range: tuple[float, float] | None, decimals: int, *, height: float
) -> Markup:
    return strength_chart([_series(values)], height=height, y_range=y_range, decimals=decimals)


def _term_chart(values: Sequence[float]) -> Markup:
    span = float(np.ptp(values)) or abs(values[0]) or 1.0
    decimals = int(np.clip(np.ceil(-np.log10(span / 4)), 0, 5))
    return _chart(values, None, decimals, height=_SMALL_HEIGHT)


def _series(values: Sequence[float], css_class: str = "s-main", label: str = "") -> Series:
    return Series(label=label, css_class=css_class, values=list(enumerate(values)))


def _course_chart(course: Sequence[float]) -> Markup | None:
    if not course:
        return None
    own = np.linspace(0, 1, len(course)).tolist()
    curves = [_series(own, "s-quiet", "the line's own"), _series(course, label="course")]
    return strength_chart(curves, height=190, y_range=(0.0, 1.0), decimals=1)
