"""Which looks of a person's 3D face are shown: those of photographs, and edits of them.

Knows no latents; a photograph is told by its name, or by its number in order of age, from 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_LARGEST_EDIT = 10.0


@dataclass(frozen=True, kw_only=True)
class Looks:
    """From which look to which.

    Attributes:
        first: The photograph whose look is first; None for the middle of all looks.
        last: The photograph whose look is gone to; None stays at the first.
        edits: How far the last look is moved along directions of the prior, by name.
    """

    first: str | None = None
    last: str | None = None
    edits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, amount in self.edits.items():
            if not (math.isfinite(amount) and 0 < abs(amount) <= _LARGEST_EDIT):
                raise ValueError(
                    f"looks: edit {name}: got {amount:g}, expected -{_LARGEST_EDIT:g} to "
                    f"{_LARGEST_EDIT:g} and not 0"
                )

    @property
    def changes(self) -> bool:
        """Whether the look changes on the way."""
        return self.last is not None or bool(self.edits)


def parsed_edits(texts: Sequence[str]) -> dict[str, float]:
    """Reads `smile=1.0` and its like.

    Raises:
        ValueError: One is no such pair, or a name comes twice.
    """
    edits: dict[str, float] = {}
    for text in texts:
        name, _, amount = text.partition("=")
        try:
            value = float(amount)
        except ValueError:
            name = ""
        if not name or name in edits:
            raise ValueError(
                f"looks: edit: got {text!r}, expected a direction and how far, as smile=1.0, each "
                "direction once"
            )
        edits[name] = value
    return edits


def photo_number(asked: str, photographs: Sequence[str], *, count: int) -> int:
    """Returns which photograph is asked for, from 0.

    Args:
        asked: Its name, or its number from 1.
        photographs: Their names, in order of age; none of a version from before names were kept.
        count: How many there are.

    Raises:
        ValueError: There is no such photograph.
    """
    if asked in photographs:
        return list(photographs).index(asked)
    if asked.isdecimal() and 1 <= int(asked) <= count:
        return int(asked) - 1
    known = ", ".join(photographs) or "their names were not kept; train the face anew for that"
    raise ValueError(
        f"looks: photograph: got {asked!r}, expected a number from 1 to {count} or one of: {known}"
    )
