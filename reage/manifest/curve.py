"""Values over frames: what all keyframed keys of a manifest share.

Source of the smooth interpolation: Fritsch and Butland 1984, "A method for constructing local
monotone piecewise cubic interpolants" (PCHIP), as in scipy.
"""

from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from reage.manifest.fields import FrameNumber

Interpolation = Literal["linear", "smooth"]
HOW_BETWEEN = (
    "`linear`, or `smooth`: monotone cubic, easing in and out, never overshooting."  # for editors
)


def _frame_key(value: Any) -> Any:
    """Takes "1001" for 1001: JSON, which is YAML too, has no other keys than text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


FrameKey = Annotated[FrameNumber, BeforeValidator(_frame_key)]


def in_order(keyframes: dict[int, float]) -> dict[int, float]:
    """Returns keyframes by frame number."""
    return dict(sorted(keyframes.items()))


def value_at(keyframes: Mapping[int, float], frame: int, interpolation: Interpolation) -> float:
    """Returns the value at a frame number; held flat outside the keyframes, which are in order."""
    frames = list(keyframes)
    if frame <= frames[0]:
        return keyframes[frames[0]]
    if frame >= frames[-1]:
        return keyframes[frames[-1]]
    if interpolation == "smooth":
        return _smooth(keyframes, frame)
    before = frames[bisect_right(frames, frame) - 1]
    after = frames[bisect_right(frames, frame)]
    part = (frame - before) / (after - before)
    start, end = keyframes[before], keyframes[after]
    return start + part * (end - start)


def _smooth(keyframes: Mapping[int, float], frame: int) -> float:
    """Interpolates the curve with its flat ends, so that it has no corner at either of them."""
    from scipy.interpolate import PchipInterpolator  # slow to import, and most shots have no curve

    frames, values = list(keyframes), list(keyframes.values())
    frames = [frames[0] - 1, *frames, frames[-1] + 1]
    values = [values[0], *values, values[-1]]
    value = float(PchipInterpolator(frames, values)(frame))
    low, high = next(
        sorted(pair)
        for (start, end), pair in zip(pairwise(frames), pairwise(values), strict=True)
        if start <= frame <= end
    )
    return min(max(value, low), high)  # rounding may leave the bounds by the last bit
