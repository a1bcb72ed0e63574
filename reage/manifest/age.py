"""Ages over time: a number of years, or keyframes over frame numbers.

Source of the smooth interpolation: Fritsch and Butland 1984, "A method for constructing local
monotone piecewise cubic interpolants" (PCHIP), as in scipy.
"""

from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from reage.manifest.fields import OLDEST, YOUNGEST, Age, FrameNumber, ManifestModel
from reage.manifest.problems import TAG_MARK, refuse

Interpolation = Literal["linear", "smooth"]


def _frame_key(value: Any) -> Any:
    """Takes "1001" for 1001: JSON, which is YAML too, has no other keys than text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


class AgeCurve(ManifestModel):
    """Target age over the shot, in years at frame numbers, held flat outside the keyframes."""

    keyframes: dict[Annotated[FrameNumber, BeforeValidator(_frame_key)], Age] = Field(
        min_length=1,
        description="Years at frame numbers (the studio's, as in `1001: 62`); at least one.",
    )
    interpolation: Interpolation = Field(
        default="smooth",
        description="`linear`, or `smooth`: monotone cubic, easing in and out, never overshooting.",
    )

    @field_validator("keyframes")
    @classmethod
    def _in_order(cls, keyframes: dict[int, float]) -> dict[int, float]:
        return dict(sorted(keyframes.items()))

    def at(self, frame: int) -> float:
        """Returns the target age at a frame number, in years."""
        frames = list(self.keyframes)
        if frame <= frames[0]:
            return self.keyframes[frames[0]]
        if frame >= frames[-1]:
            return self.keyframes[frames[-1]]
        if self.interpolation == "smooth":
            return _smooth(self.keyframes, frame)
        before = frames[bisect_right(frames, frame) - 1]
        after = frames[bisect_right(frames, frame)]
        part = (frame - before) / (after - before)
        start, end = self.keyframes[before], self.keyframes[after]
        return start + part * (end - start)


def _smooth(keyframes: dict[int, float], frame: int) -> float:
    """Interpolates the curve with its flat ends, so that it has no corner at either of them."""
    from scipy.interpolate import PchipInterpolator  # slow to import, and most shots have no curve

    frames, ages = list(keyframes), list(keyframes.values())
    frames = [frames[0] - 1, *frames, frames[-1] + 1]
    ages = [ages[0], *ages, ages[-1]]
    age = float(PchipInterpolator(frames, ages)(frame))
    low, high = next(
        sorted(pair)
        for (start, end), pair in zip(pairwise(frames), pairwise(ages), strict=True)
        if start <= frame <= end
    )
    return min(max(age, low), high)  # rounding may leave the bounds by the last bit


def _target_tag(value: Any) -> str:
    return f"{TAG_MARK}curve" if isinstance(value, dict | AgeCurve) else f"{TAG_MARK}years"


def _target_age(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | dict | AgeCurve):
        raise refuse(f"years ({YOUNGEST} to {OLDEST}), or keyframes", got=value)
    return value


def _source_tag(value: Any) -> str:
    return f"{TAG_MARK}auto" if isinstance(value, str) else f"{TAG_MARK}years"


def _source_age(value: Any) -> Any:
    if isinstance(value, bool) or not (isinstance(value, int | float) or value == "auto"):
        raise refuse(f"years ({YOUNGEST} to {OLDEST}), or auto", got=value)
    return value


TargetAge = Annotated[
    Annotated[Age, Tag(f"{TAG_MARK}years")] | Annotated[AgeCurve, Tag(f"{TAG_MARK}curve")],
    Discriminator(_target_tag),
    BeforeValidator(_target_age),
]
SourceAge = Annotated[
    Annotated[Age, Tag(f"{TAG_MARK}years")] | Annotated[Literal["auto"], Tag(f"{TAG_MARK}auto")],
    Discriminator(_source_tag),
    BeforeValidator(_source_age),
]
