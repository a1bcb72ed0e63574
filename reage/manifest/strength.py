"""How far a personal adapter is followed: a number, or keyframes over frame numbers."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from reage.manifest.curve import HOW_BETWEEN, FrameKey, Interpolation, in_order, value_at
from reage.manifest.fields import ManifestModel, Share
from reage.manifest.problems import TAG_MARK, refuse


class StrengthCurve(ManifestModel):
    """Strength of the adapter over the shot, at frame numbers, held flat outside the keyframes."""

    keyframes: dict[FrameKey, Share] = Field(
        min_length=1,
        description="Strengths, 0 to 1, at frame numbers (the studio's, as in `1001: 0.5`); at "
        "least one.",
    )
    interpolation: Interpolation = Field(default="smooth", description=HOW_BETWEEN)

    _in_order = field_validator("keyframes")(in_order)

    def at(self, frame: int) -> float:
        """Returns the strength at a frame number, 0-1."""
        return value_at(self.keyframes, frame, self.interpolation)


def _tag(value: Any) -> str:
    return f"{TAG_MARK}curve" if isinstance(value, dict | StrengthCurve) else f"{TAG_MARK}number"


def _strength(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | dict | StrengthCurve):
        raise refuse("a number from 0 to 1, or keyframes", got=value)
    return value


AdapterStrength = Annotated[
    Annotated[Share, Tag(f"{TAG_MARK}number")] | Annotated[StrengthCurve, Tag(f"{TAG_MARK}curve")],
    Discriminator(_tag),
    BeforeValidator(_strength),
]
