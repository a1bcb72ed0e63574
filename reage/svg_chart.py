"""Small inline SVG charts over frame numbers or strengths, coloured by the page's style sheet.

Classes used: `grid`, `tick`, `legend`, `limit`, `cut`, and one of the caller's for each series or
state. Every text is escaped. Knows nothing of what is plotted.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from reage.framerange import FrameRange

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 1000.0, 56.0, 12.0, 14.0, 26.0


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line: a value for each frame, None where there is none, and the class that colours it."""

    label: str
    css_class: str
    values: Sequence[tuple[int, float | None]]


@dataclass(frozen=True, kw_only=True)
class State:
    """A run of frames in one state, both ends inclusive."""

    label: str
    css_class: str
    frames: FrameRange


def line_chart(
    series: Sequence[Series],
    *,
    frames: FrameRange,
    height: float = 210.0,
    y_range: tuple[float, float] | None = None,
    limit: float | None = None,
    decimals: int = 1,
    cuts: Sequence[int] = (),
) -> Markup:
    """Draws lines over frame numbers.

    Args:
        series: Lines; a None or non-finite value breaks its line.
        frames: The horizontal axis.
        height: Of the drawing; its width is 1000 units and scales with the page.
        y_range: Of the vertical axis; fitted to the values when None.
        limit: A threshold to mark.
        decimals: Of the vertical axis's labels.
        cuts: Frames that begin another take; lines break before them.
    """
    axis = _frame_axis(frames, _TOP, height - _BOTTOM)
    axis += _cut_marks(cuts, frames, _TOP, height - _BOTTOM)
    lines = [_broken(line, cuts) for line in series]
    return _lines(
        lines, axis, lambda frame: x_of(frame, frames), height=height, y_range=y_range,
        limit=limit, decimals=decimals,
    )  # fmt: skip


def strength_chart(
    curves: Sequence[Series],
    *,
    height: float = 210.0,
    y_range: tuple[float, float] | None = None,
    limit: float | None = None,
    decimals: int = 2,
) -> Markup:
    """Draws lines over strengths of 0 to 1; otherwise as `line_chart`.

    Args:
        curves: Lines; the values of each are numbered from 0 and evenly spaced over the axis.
    """
    steps = max((len(curve.values) for curve in curves), default=2) - 1
    return _lines(
        curves, _strength_axis(_TOP, height - _BOTTOM), lambda number: _at_strength(number / steps),
        height=height, y_range=y_range, limit=limit, decimals=decimals,
    )  # fmt: skip


def _lines(
    series: Sequence[Series],
    axis: Markup,
    place: Callable[[int], float],
    *,
    height: float,
    y_range: tuple[float, float] | None,
    limit: float | None,
    decimals: int,
) -> Markup:
    lowest, highest = y_range or _fitted(series, limit)
    bottom = height - _BOTTOM

    def y_of(value: float) -> float:
        share = (value - lowest) / (highest - lowest)
        return bottom - min(max(share, 0.0), 1.0) * (bottom - _TOP)

    parts = [axis]
    for tick in _ticks(lowest, highest):
        parts.append(_across("grid", y_of(tick)))
        parts.append(_text(_LEFT - 9, y_of(tick) + 4, f"{tick:.{decimals}f}", "end"))
    if limit is not None and lowest <= limit <= highest:
        parts.append(_across("limit", y_of(limit)))
    for line in series:
        points = [
            (place(number), None if value is None or not math.isfinite(value) else y_of(value))
            for number, value in line.values
        ]
        parts += _polyline(points, line)
    return _svg(parts, height)


def state_strip(states: Sequence[State], *, frames: FrameRange, height: float = 46.0) -> Markup:
    """Draws runs of frames as bars on the same horizontal axis as `line_chart`."""
    bottom = height - _BOTTOM
    pitch = (_WIDTH - _LEFT - _RIGHT) / max(len(frames), 1)
    parts = [_frame_axis(frames, 2.0, bottom)]
    bar = Markup('<rect class="{}" x="{}" y="2" width="{}" height="{}"><title>{} {}</title></rect>')
    for state in states:
        left = _short(_LEFT + frames.index_of(state.frames.first) * pitch)
        width = _short(len(state.frames) * pitch)
        parts.append(
            bar.format(state.css_class, left, width, _short(bottom - 2), state.label, state.frames)
        )
    return _svg(parts, height)


def x_of(frame: int, frames: FrameRange) -> float:
    """Returns where a frame's middle lies, in drawing units."""
    pitch = (_WIDTH - _LEFT - _RIGHT) / max(len(frames), 1)
    return _LEFT + (frame - frames.first + 0.5) * pitch


def _at_strength(strength: float) -> float:
    return _LEFT + strength * (_WIDTH - _LEFT - _RIGHT - 14)


def _strength_axis(top: float, bottom: float) -> Markup:
    upright = Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    parts = []
    for tenths in range(0, 11, 2):
        x = _at_strength(tenths / 10)
        parts.append(upright.format(_short(x), _short(x), _short(top), _short(bottom)))
        parts.append(_text(x, bottom + 18, f"{tenths / 10:g}", "middle"))
    return Markup("").join(parts)


def _svg(parts: Sequence[Markup], height: float) -> Markup:
    opening = Markup('<svg viewBox="0 0 {} {}" role="img">').format(_short(_WIDTH), _short(height))
    return opening + Markup("").join(parts) + Markup("</svg>")


def _across(css_class: str, y: float) -> Markup:
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        css_class, _short(_LEFT), _short(_WIDTH - _RIGHT), _short(y), _short(y)
    )


def _polyline(points: Sequence[tuple[float, float | None]], line: Series) -> list[Markup]:
    parts: list[Markup] = []
    for run in _runs(points):
        if len(run) == 1:
            parts.append(
                Markup('<circle class="{} dot" cx="{}" cy="{}" r="2.4"/>').format(
                    line.css_class, _short(run[0][0]), _short(run[0][1])
                )
            )
            continue
        path = " ".join(f"{_short(x)},{_short(y)}" for x, y in run)
        parts.append(
            Markup('<polyline class="{}" points="{}"><title>{}</title></polyline>').format(
                line.css_class, path, line.label
            )
        )
    return parts


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if run]


def _frame_axis(frames: FrameRange, top: float, bottom: float) -> Markup:
    step = _nice_step(len(frames) / 8)
    whole = max(round(step), 1)
    numbers = [n for n in range(frames.first, frames.last + 1) if n % whole == 0]
    numbers = sorted({*numbers, frames.first})
    if len(numbers) > 1 and numbers[1] - numbers[0] < whole / 2:
        numbers.pop(1)
    parts = []
    for number in numbers:
        x = _short(x_of(number, frames))
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                x, x, _short(top), _short(bottom)
            )
            + _text(x_of(number, frames), bottom + 18, str(number), "middle")
        )
    return Markup("").join(parts)


def _cut_marks(cuts: Sequence[int], frames: FrameRange, top: float, bottom: float) -> Markup:
    upright = Markup('<line class="cut" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    edges = [_short((x_of(cut - 1, frames) + x_of(cut, frames)) / 2) for cut in cuts]
    marks = [upright.format(x, x, _short(top), _short(bottom)) for x in edges]
    return Markup("").join(marks)


def _broken(line: Series, cuts: Sequence[int]) -> Series:
    """The line with a gap before each of the cuts."""
    values: list[tuple[int, float | None]] = []
    for number, value in line.values:
        values += [(number, None)] * (number in cuts) + [(number, value)]
    return replace(line, values=values)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        _short(x), _short(y), anchor, text
    )


def _fitted(series: Sequence[Series], limit: float | None) -> tuple[float, float]:
    values = [
        value
        for line in series
        for _, value in line.values
        if value is not None and math.isfinite(value)
    ]
    values += [] if limit is None else [limit]
    if not values:
        return 0.0, 1.0
    lowest, highest = min(values), max(values)
    margin = 0.08 * (highest - lowest) or max(abs(highest) * 0.1, 0.01)
    return (lowest if lowest == 0.0 else lowest - margin), highest + margin


def _ticks(lowest: float, highest: float) -> list[float]:
    step = _nice_step((highest - lowest) / 4)
    first = math.ceil(lowest / step)
    return [i * step for i in range(first, math.floor(highest / step) + 1)]


def _nice_step(rough: float) -> float:
    """Returns the 1, 2 or 5 times a power of ten that is nearest above `rough`."""
    power = 10.0 ** math.floor(math.log10(max(rough, 1e-9)))
    return next(power * f for f in (1, 2, 5, 10) if power * f >= rough * 0.999)


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
