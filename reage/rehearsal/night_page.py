"""The night as one self-contained page: per actor what came, what was refused, what was forgotten.

As the QC page it needs nothing but itself, and everything that came from a file's name is escaped.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from reage.framerange import FrameRange
from reage.pages import page_template
from reage.qc_page import data_uri
from reage.rehearsal.examination import FIGURES, IncrementRecord, means_of, worse_by
from reage.rehearsal.night import TONES, ActorNight, Night
from reage.storage.local import atomic_file
from reage.svg_chart import Series, line_chart

_STRIP_WIDTH, _SHEET_WIDTH, _THUMBNAIL_WIDTH = 1240, 1240, 200
_SHOWN_ROWS = 12  # increments; earlier ones are folded away
_LABELS = {"distance": "Distance", "identity": "Identity", "likeness": "Likeness"}


def write_night_page(night: Night, path: Path) -> None:
    """Writes the page; it appears whole or not at all.

    Raises:
        StorageError: The file cannot be written.
    """
    page = render_night_page(night)
    with atomic_file(path, place=str(path)) as partial:
        partial.write_text(page, encoding="utf-8")


def render_night_page(night: Night) -> str:
    """Returns the page as HTML."""
    return page_template("night.html").render(
        night=night, actors=[_section(actor) for actor in night.actors]
    )


def _section(night: ActorNight) -> dict[str, Any]:
    report = _report(night)
    rows = _rows(night)
    return {
        "night": night,
        "tone": TONES[night.outcome],
        "tiles": _tiles(night, report),
        "sheet": _picture(Path(night.report) / "sheet.png", _SHEET_WIDTH)
        if report["accepted"]
        else None,
        "refused": _refused(night, report),
        "warnings": report["warnings"],
        "labels": [_LABELS[name] for name in FIGURES],
        "rows": rows[-_SHOWN_ROWS:],
        "folded": rows[:-_SHOWN_ROWS],
        "charts": _charts(night),
        "strip": _picture(Path(night.strip), _STRIP_WIDTH) if night.strip else None,
    }


def _report(night: ActorNight) -> dict[str, Any]:
    """Returns the report of what came; one that is gone, as a purge leaves it, is remarked on."""
    if not night.report:
        return {"accepted": [], "refused": [], "warnings": []}
    path = Path(night.report) / "report.json"
    if not path.is_file():
        gone = "the report of what came was removed before this page was written, as by a purge"
        return {"accepted": [], "refused": [], "warnings": [gone]}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _tiles(night: ActorNight, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    tiles = [_tile("Came", str(night.num_new), "new photographs")]
    if report["refused"]:
        tiles.append(_tile("Refused", str(len(report["refused"])), "see below why"))
    if night.outcome in ("updated", "refused"):
        learnt, held_out = night.records[-1].num_learnt, night.records[-1].num_held_out
        said = f"{night.num_rehearsed} rehearsed, {held_out} held out"
        tiles.append(_tile("Learnt", str(learnt), said))
        tone = TONES[night.outcome]
        for name, value in night.forgetting.items():
            tiles.append(_tile(_LABELS[name], f"{value:+.3f}", "forgotten on average", tone))
    version = night.after or "none"
    changed = f"was {night.before or 'none'}" if night.before != night.after else "as before"
    return [_tile("Version", version, changed), *tiles]


def _tile(label: str, value: str, note: str, tone: str = "") -> dict[str, Any]:
    return {"label": label, "value": value, "note": note, "tone": tone}


def _refused(night: ActorNight, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not report["refused"]:
        return []
    with np.load(Path(night.report) / "refused.npz", allow_pickle=False) as thumbnails:
        return [
            {
                **row,
                "picture": data_uri(thumbnails[str(number)], width=_THUMBNAIL_WIDTH)
                if str(number) in thumbnails
                else None,
            }
            for number, row in enumerate(report["refused"])
        ]


def _rows(night: ActorNight) -> list[dict[str, Any]]:
    """Returns a row an increment: what it was, and each figure before, after and forgotten."""
    before = means_of(night.faces, "before")
    is_last = len(night.records)
    return [
        {
            "record": record,
            "ages": _span(record),
            "is_new": record.number == is_last,
            "figures": [
                _figure(name, record, before.get(record.number, {}), record.number == is_last)
                for name in FIGURES
            ],
        }
        for record in night.examined
    ]


def _figure(
    name: str, record: IncrementRecord, before: Mapping[str, float], is_new: bool
) -> dict[str, Any] | None:
    if name not in record.last:
        return None
    after, earlier = record.last[name], before.get(name)
    forgotten = None if is_new else record.forgetting().get(name)
    return {
        "before": "" if earlier is None else f"{earlier:.3f}",
        "after": f"{after:.3f}",
        "is_worse": earlier is not None and worse_by(name, earlier, after) > 0.0005,
        "is_better": earlier is not None and worse_by(name, earlier, after) < -0.0005,
        "forgotten": "" if forgotten is None else f"{forgotten:+.3f}",
    }


def _span(record: IncrementRecord) -> str:
    low, high = f"{record.min_age:.0f}", f"{record.max_age:.0f}"
    return low if low == high else f"{low}-{high}"


def _charts(night: ActorNight) -> list[dict[str, Any]]:
    """Draws figures over increments, once there are enough of them to see anything."""
    records = [record for record in night.examined if record.last]
    if len(records) < 3:
        return []
    before = means_of(night.faces, "before")
    increments = FrameRange(1, len(night.records))
    charts = []
    for name, label in _LABELS.items():
        told = [record for record in records if name in record.last]
        if len(told) < 3:
            continue
        series = [
            Series(
                label="best before",
                css_class="s-quiet",
                values=[(record.number, record.best.get(name)) for record in told],
            ),
            Series(
                label="before",
                css_class="s-asked",
                values=[(r.number, before.get(r.number, {}).get(name)) for r in told],
            ),
            Series(
                label="after",
                css_class="s-main",
                values=[(record.number, record.last[name]) for record in told],
            ),
        ]
        better = "more is better" if FIGURES[name] else "less is better"
        charts.append(
            {
                "title": f"{label} by increment, {better}",
                "legend": [(line.css_class, line.label) for line in series],
                "svg": line_chart(series, frames=increments, height=170, decimals=2),
            }
        )
    return charts


def _picture(path: Path, width: int) -> str | None:
    if not path.is_file():
        return None
    with PillowImage.open(path) as picture:
        pixels: NDArray[np.uint8] = np.asarray(picture.convert("RGB"))
    return data_uri(pixels, width=width)
