"""What the line between two states of an adapter is like, as figures; see landscape_verdict.py.

Knows nothing of networks, verdicts and pages.

Shapes: P strengths, evenly spaced from 0 to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOTAL = "total"


@dataclass(frozen=True, kw_only=True)
class Way:
    """The straight way from one state of an adapter to another.

    Attributes:
        begins: Where, in words.
        ends: Where, in words.
        losses: By term, before weighting, and their weighted `total`, (P,) each.
        likeness: Mean best cosine with photographs of about the asked age, (P,).
        age_error: Mean absolute years between asked and apparent age, (P,).
        plateau: The last strength up to which the total stays within 5 % of where it began.
        barrier: How far the total rises above the worse end, in parts of it.
        still_falling: What of the total's fall another twentieth of the way in the same direction
            would bring; below 0 where it would rise.
        wavering: Terms that neither only rise nor only fall: what they go back by, in parts of
            their span.
    """

    begins: str
    ends: str
    losses: Mapping[str, Sequence[float]]
    likeness: Sequence[float]
    age_error: Sequence[float]
    plateau: float
    barrier: float
    still_falling: float
    wavering: Mapping[str, float]

    @property
    def total(self) -> Sequence[float]:
        """The weighted total, (P,)."""
        return self.losses[TOTAL]


@dataclass(frozen=True, kw_only=True)
class Stand:
    """What one state is worth: weighted total, likeness and age error, as in `Way`."""

    total: float
    likeness: float
    age_error: float


@dataclass(frozen=True, kw_only=True)
class Slider:
    """How the version looks between prior and adapter.

    Attributes:
        course: Where evenly spaced strengths lie on the line; empty where that was not measured.
        departure: From a straight line, of what is seen, 0-1; None where it was not measured.
        plain_departure: The same without the course.
    """

    course: Sequence[float]
    departure: float | None
    plain_departure: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class LandscapeReport:
    """All that was measured of one version.

    Attributes:
        actor: Whose.
        version: As `v003`, or `new` before it is registered.
        prior: Which it personalises.
        num_photographs: That it was judged on.
        is_own_collection: Whether these are the ones that it was trained on.
        steps: Of its training, on pictures.
        from_start: From what it was before training.
        from_previous: From the version before, if any.
        without_biases: Its weights with the biases of its start.
        slider: Of its strength.
        strip: Faces at evenly spaced strengths, uint8, (H, W, 3).
        digests: By name, SHA-256 (hex) of what this rests on.
    """

    actor: str
    version: str
    prior: str
    num_photographs: int
    is_own_collection: bool
    steps: int
    from_start: Way
    from_previous: Way | None
    without_biases: Stand
    slider: Slider
    strip: NDArray[np.uint8]
    digests: Mapping[str, str]
