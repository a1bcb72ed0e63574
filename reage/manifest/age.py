"""Ages over time: a number of years, or keyframes over frame numbers."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from reage.manifest.curve import HOW_BETWEEN, FrameKey, Interpolation, in_order, value_at
from reage.manifest.fields import OLDEST, YOUNGEST, Age, ManifestModel
from reage.manifest.problems import TAG_MARK, refuse


class AgeCurve(ManifestModel):
    """Target age over the shot, in years at frame numbers, held flat outside the keyframes."""

    keyframes: dict[FrameKey, Age] = Field(
        min_length=1,
        description="Years at frame numbers (the studio's, as in `1001: 62`); at least one.",
    )
    interpolation: Interpolation = Field(default="smooth", description=HOW_BETWEEN)

    _in_order = field_validator("keyframes")(in_order)

    def at(self, frame: int) -> float:
        """Returns the target age at a frame number, in years."""
        return value_at(self.keyframes, frame, self.interpolation)


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
