"""The QC report as files: JSON for scripts, and one self-contained page for people.

The page needs nothing but itself: pictures are data URIs, charts are inline SVG, and a content
security policy forbids scripts and network. Everything that came from a manifest is escaped.
"""

import base64
import io
import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image as PillowImage

from reage.burnin import PROVENANCE_LINE, rate_caption
from reage.framerange import FrameRange
from reage.pages import page_template
from reage.qc import ActorQC, FaceFrame, QCReport, change_of, excess_of, sharpness_of
from reage.qc_verdict import judge_report
from reage.svg_chart import Series, State, line_chart, state_strip

SCHEMA_VERSION = 1

_THUMBNAIL_WIDTH = 560
_SHEET_WIDTH = 1600


@dataclass(frozen=True, kw_only=True, eq=False)
class Thumbnail:
    """A frame worth a look: display-referred plate and output, uint8, (H, W, 3), and why."""

    frame_number: int
    reason: str
    plate: NDArray[np.uint8]
    output: NDArray[np.uint8]


def write_qc(
    report: QCReport,
    *,
    json_path: Path,
    html_path: Path,
    thumbnails: Sequence[Thumbnail] = (),
    contact_sheet: NDArray[np.uint8] | None = None,
) -> None:
    """Writes the report twice; each file appears whole or not at all.

    Args:
        report: What was measured.
        json_path: For scripts.
        html_path: For people.
        thumbnails: Of the frames that `qc_verdict.worst_frames` names, in that order.
        contact_sheet: Shown at the end of the page, uint8, (H, W, 3).
    """
    text = json.dumps(report_dict(report), indent=2, allow_nan=False, ensure_ascii=False)
    _write_whole(json_path, text + "\n")
    _write_whole(html_path, render_page(report, thumbnails, contact_sheet))


def report_dict(report: QCReport) -> dict[str, Any]:
    """Returns the report as plain JSON values; numbers that are not finite become null."""
    verdict = judge_report(report)
    body = {
        "schema_version": SCHEMA_VERSION,
        "show": report.show,
        "shot": report.shot_code,
        "version": report.version,
        "created": report.created,
        "verdict": {"status": verdict.status, "reasons": list(verdict.reasons)},
        "first_frame": report.frames.first,
        "last_frame": report.frames.last,
        "missing_frames": report.missing_frames(),
        "frame_rate": str(report.frame_rate),
        "prior": asdict(report.prior),
        "actors": [_actor_dict(actor) for actor in report.actors],
        "frames": [asdict(frame) for frame in report.integrity],
        "thresholds": asdict(report.thresholds),
        "versions": dict(report.versions),
        "digests": dict(report.digests),
        "outputs": dict(report.outputs),
        "colour": report.colour,
    }
    plain: dict[str, Any] = plain_values(body)
    return plain


def render_page(
    report: QCReport,
    thumbnails: Sequence[Thumbnail] = (),
    contact_sheet: NDArray[np.uint8] | None = None,
) -> str:
    """Returns the page as HTML."""
    return page_template("qc.html").render(
        report=report,
        verdict=judge_report(report),
        rate=rate_caption(report.frame_rate),
        provenance=PROVENANCE_LINE,
        missing=report.missing_frames(),
        outside=max((f.outside_matte_difference for f in report.integrity), default=None),
        nonfinite=sum(f.num_nonfinite for f in report.integrity),
        coverage=_coverage_chart(report),
        actors=[_actor_section(actor, report) for actor in report.actors],
        thumbnails=[_thumbnail_section(thumbnail) for thumbnail in thumbnails],
        sheet=None if contact_sheet is None else data_uri(contact_sheet, width=_SHEET_WIDTH),
    )


def data_uri(picture: NDArray[np.uint8], *, width: int) -> str:
    """Returns a picture as a JPEG data URI, made no wider than `width` px."""
    image = PillowImage.fromarray(picture)
    if image.width > width:
        height = max(round(image.height * width / image.width), 1)
        image = image.resize((width, height), PillowImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _thumbnail_section(thumbnail: Thumbnail) -> dict[str, Any]:
    return {
        "frame_number": thumbnail.frame_number,
        "reason": thumbnail.reason,
        "plate": data_uri(thumbnail.plate, width=_THUMBNAIL_WIDTH),
        "output": data_uri(thumbnail.output, width=_THUMBNAIL_WIDTH),
    }


def _actor_section(actor: ActorQC, report: QCReport) -> dict[str, Any]:
    return {
        "actor": actor,
        "tiles": _tiles(actor, report),
        "charts": _charts(actor, report),
        "num_frames": len(actor.frames),
        "held_back": _held_back_words(actor),
        "num_bridged": sum(f.is_bridged for f in actor.frames),
        "num_lost": sum(f.presence == 0 for f in actor.cast_frames),
        "num_faded": sum(not f.is_visible for f in actor.cast_frames),
        "num_away": len(actor.frames) - len(actor.cast_frames),
    }


def _tiles(actor: ActorQC, report: QCReport) -> list[dict[str, Any]]:
    """Returns the key figures: label, value in words, limit in words, and whether it holds."""
    limits = report.thresholds
    age, identity = actor.mean(lambda f: f.age_error), actor.mean(lambda f: f.identity)
    excess, sharpness = actor.mean(excess_of), actor.mean(sharpness_of)
    worst = actor.worst(change_of)
    jump = None if worst is None else change_of(worst)
    return [
        _tile("Age, asked and measured", age, "{:.1f} years apart",
              f"up to {limits.max_age_error:g}", age is not None and age <= limits.max_age_error),
        _tile("Identity kept", identity, "{:.2f}", f"from {limits.min_identity:g}",
              identity is not None and identity >= limits.min_identity),
        _tile("Flicker against plate", excess, "{:+.1%}", f"up to +{limits.max_flicker_excess:.0%}",
              excess is not None and excess <= limits.max_flicker_excess),
        _tile("Largest jump of the change", jump, "{:.2%}",
              f"up to {limits.max_change_residual:.1%} of full scale",
              jump is not None and jump <= limits.max_change_residual),
        _tile("Fine detail kept", sharpness, "{:.0%}", f"from {limits.min_sharpness_kept:.0%}",
              sharpness is not None and sharpness >= limits.min_sharpness_kept),
    ]  # fmt: skip


def _tile(label: str, value: float | None, form: str, limit: str, is_good: bool) -> dict[str, Any]:
    words = "not measured" if value is None else form.format(value)
    return {"label": label, "value": words, "limit": limit, "is_good": is_good}


def _charts(actor: ActorQC, report: QCReport) -> list[dict[str, Any]]:
    frames, limits = report.frames, report.thresholds
    cuts = _cuts(actor)
    age = [
        _series(actor, "before", "s-quiet", lambda f: f.source_age),
        _series(actor, "asked", "s-asked", lambda f: f.target_age),
        _series(actor, "measured", "s-main", lambda f: f.measured_age),
    ]
    identity = [_series(actor, "identity", "s-main", lambda f: f.identity)]
    presence = [_series(actor, "confidence", "s-main", lambda f: f.presence)]
    flicker = [
        _series(actor, "plate", "s-quiet", lambda f: f.flicker and f.flicker.plate_residual),
        _series(actor, "output", "s-main", lambda f: f.flicker and f.flicker.output_residual),
        _series(actor, "change", "s-asked", change_of),
    ]
    return [
        _chart("Apparent age, years", age, line_chart(age, frames=frames, decimals=0, cuts=cuts)),
        _chart(
            "Identity similarity to the plate's face", identity,
            line_chart(identity, frames=frames, y_range=(min(0.0, _lowest(identity)), 1.0),
                       limit=limits.min_identity, height=150, decimals=2, cuts=cuts)),
        _chart("Difference to the frame before along the plate's motion, % of full scale", flicker,
               line_chart(_in_percent(flicker), frames=frames, height=180, decimals=1, cuts=cuts)),
        _chart("Track confidence", presence,
               line_chart(presence, frames=frames, y_range=(0.0, 1.0), height=120, decimals=1,
                          cuts=cuts)),
        {"title": "Track", "legend": _STATES, "svg": state_strip(_states(actor), frames=frames)},
        *_held_back_chart(actor, frames),
    ]  # fmt: skip


def _held_back_chart(actor: ActorQC, frames: FrameRange) -> list[dict[str, Any]]:
    """Returns the chart of how much of the face's matte was held back, none where nothing was."""
    if not any(frame.held_back for frame in actor.frames):
        return []
    series = _in_percent([_series(actor, "held back", "s-main", lambda f: f.held_back)])
    svg = line_chart(series, frames=frames, y_range=(0.0, 100.0), height=120, decimals=0)
    return [_chart("Something in front, % of the face's matte that is held back", series, svg)]


def _held_back_words(actor: ActorQC) -> str:
    """Says in how many frames the change was held back, and how far at most."""
    shares = [f.held_back for f in actor.frames if f.held_back is not None]
    if not shares:
        return "not looked for"
    covered = [share for share in shares if share > 0]
    if not covered:
        return "nothing found"
    return (
        f"in {len(covered)} of {len(shares)} frames, over up to {max(covered):.0%} of the face's "
        "matte; there the plate stands"
    )


def _coverage_chart(report: QCReport) -> dict[str, Any] | None:
    """Returns the chart of how much of the picture the matte covers, None where not measured."""
    covered = {frame.frame_number: frame.matte_coverage for frame in report.integrity}
    if all(share is None for share in covered.values()):
        return None
    # A frame that is not there breaks the line.
    values = [(number, covered.get(number)) for number in report.frames]
    series = _in_percent([Series(label="matte", css_class="s-main", values=values)])
    highest = max(value for _, value in series[0].values if value is not None)
    svg = line_chart(
        series,
        frames=report.frames,
        height=120,
        y_range=(0.0, max(1.25 * highest, 0.1)),
        decimals=1,
        cuts=_cuts(report.actors[0]),
    )
    return _chart("Matte, % of the picture", series, svg)


def _cuts(actor: ActorQC) -> list[int]:
    """Frames that begin another take of the plate."""
    return [take.frames.first for take in actor.takes[1:]]


def _chart(title: str, series: Sequence[Series], svg: Markup) -> dict[str, Any]:
    legend = [(line.css_class, line.label) for line in series] if len(series) > 1 else []
    return {"title": title, "legend": legend, "svg": svg}


def _series(actor: ActorQC, label: str, css_class: str, pick: Any) -> Series:
    values = [(f.frame_number, pick(f) if f.is_cast else None) for f in actor.frames]
    return Series(label=label, css_class=css_class, values=values)


def _in_percent(series: Sequence[Series]) -> list[Series]:
    return [
        Series(
            label=line.label,
            css_class=line.css_class,
            values=[(n, None if v is None else 100 * v) for n, v in line.values],
        )
        for line in series
    ]


def _lowest(series: Sequence[Series]) -> float:
    return min((v for line in series for _, v in line.values if v is not None), default=0.0)


_STATES = [("t-followed", "followed"), ("t-bridged", "bridged"), ("t-faded", "fading"),
           ("t-lost", "lost"), ("t-away", "not in the take")]  # fmt: skip


def _states(actor: ActorQC) -> list[State]:
    """Groups consecutive frames of one state."""
    runs: list[tuple[tuple[str, str], int, int]] = []
    for frame in actor.frames:
        state = _state_of(frame)
        if runs and runs[-1][0] == state and frame.frame_number == runs[-1][2] + 1:
            runs[-1] = (state, runs[-1][1], frame.frame_number)
        else:
            runs.append((state, frame.frame_number, frame.frame_number))
    return [
        State(label=label, css_class=css_class, frames=FrameRange(first, last))
        for (css_class, label), first, last in runs
    ]


def _state_of(frame: FaceFrame) -> tuple[str, str]:
    if not frame.is_cast:
        return _STATES[4]
    if frame.is_bridged:
        return _STATES[1]
    if frame.presence == 0:
        return _STATES[3]
    return _STATES[2] if frame.fade < 0.995 else _STATES[0]


def _actor_dict(actor: ActorQC) -> dict[str, Any]:
    return {
        "actor": actor.actor,
        "consent_document": actor.consent_document,
        "adapter": actor.adapter,
        "track": actor.track,
        "consent_terms": actor.consent_terms,
        "mean_age_error": actor.mean(lambda f: f.age_error),
        "mean_identity": actor.mean(lambda f: f.identity),
        "mean_flicker_excess": actor.mean(excess_of),
        "mean_change_residual": actor.mean(change_of),
        "mean_sharpness_kept": actor.mean(sharpness_of),
        "num_bridged": sum(f.is_bridged for f in actor.frames),
        "num_faded": sum(not f.is_visible for f in actor.cast_frames),
        "takes": [asdict(take) for take in actor.takes],
        "frames": [asdict(frame) for frame in actor.frames],
    }


def plain_values(value: Any) -> Any:
    """Returns JSON values of a report's; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _write_whole(path: Path, text: str) -> None:
    """Writes a text file under a temporary name and renames it into place."""
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(partial).chmod(0o644)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
