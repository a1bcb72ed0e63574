"""Slate and burn-in: what identifies a review clip to the people who judge it.

Sizes follow the frame's height, so the same call serves 540 and 2160 lines. Works on
display-referred 8-bit pictures only; never part of a master.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reage.framerange import FrameRange
from reage.lettering import Anchor, Weight, canvas_of, draw_rectangle, draw_text

PROVENANCE_LINE = "AI-altered: the apparent age of the actor was changed by a generative model"

_BACKGROUND = (22, 23, 25)
_ACCENT = (201, 150, 84)
_BRIGHT, _PLAIN, _QUIET = (244, 243, 240), (206, 206, 203), (132, 133, 135)
_WEDGE_STEPS = 11


@dataclass(frozen=True, kw_only=True)
class Slate:
    """What the slate says.

    Attributes:
        show: Name of the show.
        shot_code: As `sq010_sh0040`.
        version: As `v003`.
        frames: Delivered frames, inclusive.
        frame_rate: Frames per second.
        date: Day of the render.
        prior: Name of the prior.
        target_ages: The ages asked for, in words: `62 to 38 years`.
        consent_document: Identifiers of the actors' consent records.
        actor: Whose faces were re-aged.
        colourspace: Of the plate.
    """

    show: str
    shot_code: str
    version: str
    frames: FrameRange
    frame_rate: Fraction
    date: datetime.date
    prior: str
    target_ages: str
    consent_document: str
    actor: str
    colourspace: str = "rec709"


@dataclass(frozen=True, kw_only=True)
class BurnIn:
    """What is written over one frame; an empty text leaves its place empty."""

    shot_code: str
    version: str
    frame_number: int
    timecode: str = ""
    target_ages: str = ""


def draw_slate(slate: Slate, *, width: int, height: int) -> NDArray[np.uint8]:
    """Draws the slate, uint8, (H, W, 3)."""
    canvas = canvas_of(width, height, _BACKGROUND)
    unit = height / 100
    left, right = round(width * 0.08), round(width * 0.92)
    room = right - left
    draw_rectangle(canvas, (left, _y(13.2, unit), left + _y(5, unit), _y(13.7, unit)), _ACCENT)
    draw_text(canvas, slate.show, (left, 20.5 * unit), size=_px(3.2, unit), colour=_QUIET,
              max_width=room)  # fmt: skip
    title = _px(8.6, unit)
    draw_text(canvas, slate.shot_code, (left, 31 * unit), size=title, colour=_BRIGHT,
              weight="bold", max_width=room * 0.78)  # fmt: skip
    draw_text(canvas, slate.version, (right, 31 * unit), size=title, colour=_ACCENT,
              anchor="right", max_width=room * 0.2)  # fmt: skip
    draw_rectangle(
        canvas, (left, _y(36.4, unit), right, _y(36.4, unit) + _px(0.14, unit)), (58, 59, 62)
    )
    _draw_facts(canvas, slate, left=left, room=room, unit=unit)
    draw_text(canvas, PROVENANCE_LINE, (left, 83.5 * unit), size=_px(2.4, unit), colour=_ACCENT,
              max_width=room)  # fmt: skip
    _draw_wedge(canvas, (left, _y(88, unit), right, _y(92, unit)))
    return canvas


def draw_burnin(picture: NDArray[np.uint8], burnin: BurnIn) -> NDArray[np.uint8]:
    """Returns a copy of the picture, uint8, (H, W, 3), with the burn-in in its corners.

    The text has a soft dark surround rather than a bar, so that it covers next to nothing.
    """
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    size = max(round(height * 0.0265), 13)
    x, right = round(width * 0.03), round(width * 0.97)
    top, bottom = round(height * 0.03) + size, round(height * 0.965)
    third = width * 0.3
    lines: tuple[tuple[str, tuple[float, float], Anchor, Weight, int], ...] = (
        (f"{burnin.shot_code}  {burnin.version}", (x, top), "left", "regular", 245),
        ("AI-altered", (right, top), "right", "regular", 215),
        (burnin.timecode, (x, bottom), "left", "mono", 225),
        (burnin.target_ages, (width / 2, bottom), "centre", "regular", 245),
        (f"{burnin.frame_number:04d}", (right, bottom), "right", "mono", 245),
    )
    for text, place, anchor, weight, tone in lines:
        draw_text(canvas, text, place, size=size, colour=(tone, tone, tone), weight=weight,
                  anchor=anchor, halo=0.62, max_width=third)  # fmt: skip
    return canvas


class ActorAges(NamedTuple):
    """Whose face is re-aged in a frame, from which age to which, years."""

    actor: str
    source: float
    target: float


def age_caption(ages: Sequence[ActorAges]) -> str:
    """Returns ages as a burn-in says them: `age 41 → 70`; of several `ada 41 → 70, bob 30 → 25`."""
    whose = [("age" if len(ages) == 1 else told.actor, told) for told in ages]
    return ", ".join(f"{name} {told.source:.0f} → {told.target:.0f}" for name, told in whose)


def spans_caption(ages: Mapping[str, Sequence[float]]) -> str:
    """Returns actors' target ages over a shot, years by frame, as a slate says them.

    Of one actor `70 years` or `62 to 38 years`; of several `ada 70 years, bob 25 years`.
    """
    if len(ages) == 1:
        [years] = ages.values()
        return span_caption(years)
    return ", ".join(f"{actor} {span_caption(years)}" for actor, years in ages.items())


def span_caption(ages: Sequence[float]) -> str:
    """Returns target ages over a shot in words: `70 years`, or `62 to 38 years`.

    Args:
        ages: Years by frame, in order.
    """
    first, last = f"{ages[0]:.0f}", f"{ages[-1]:.0f}"
    lowest, highest = f"{min(ages):.0f}", f"{max(ages):.0f}"
    if {lowest, highest} != {first, last}:
        return f"{lowest} to {highest} years (keyframed)"
    return f"{first} years" if first == last else f"{first} to {last} years"


def rate_caption(frame_rate: Fraction) -> str:
    """Returns a frame rate exactly: `24 fps`, `24000/1001 fps`."""
    return f"{frame_rate} fps"


def _draw_facts(
    canvas: NDArray[np.uint8], slate: Slate, *, left: int, room: int, unit: float
) -> None:
    facts = (
        ("ACTOR", slate.actor),
        ("TARGET AGE", slate.target_ages),
        ("FRAMES", f"{slate.frames} ({len(slate.frames)})"),
        ("FRAME RATE", rate_caption(slate.frame_rate)),
        ("PRIOR", slate.prior),
        ("CONSENT", slate.consent_document),
        ("DATE", slate.date.isoformat()),
        ("COLOURSPACE", slate.colourspace),
    )
    for index, (label, value) in enumerate(facts):
        x = left + (index % 2) * room * 0.5
        y = (44 + 9.2 * (index // 2)) * unit
        draw_text(canvas, label, (x, y), size=_px(1.75, unit), colour=_QUIET, tracking=0.12)
        draw_text(canvas, value, (x, y + 4.1 * unit), size=_px(3.1, unit), colour=_PLAIN,
                  max_width=room * 0.47)  # fmt: skip


def _draw_wedge(canvas: NDArray[np.uint8], box: tuple[int, int, int, int]) -> None:
    """Draws a step wedge, black to white, by which a viewer's screen can be judged."""
    left, top, right, bottom = box
    edges = np.linspace(left, right, _WEDGE_STEPS + 1).round().astype(int)
    for step in range(_WEDGE_STEPS):
        tone = round(255 * step / (_WEDGE_STEPS - 1))
        draw_rectangle(canvas, (edges[step], top, edges[step + 1], bottom), (tone, tone, tone))


def _px(percent_of_height: float, unit: float) -> int:
    return max(round(percent_of_height * unit), 1)


def _y(percent_of_height: float, unit: float) -> int:
    return round(percent_of_height * unit)
