"""Schedules: how far every parameter is on its way at a strength.

A parameter is at `start + share * (end - start)`; a schedule gives the share. Biases are what the
last part of a parameter's name calls so (`bias`, `bias1`, `stem_bias`); all else are weights.
Source: Wang et al. 2023, "Plateau in Monotonic Linear Interpolation - A 'Biased' View of Loss
Landscape for Deep Networks"; the powers of hidden biases are ours, by the same argument.

Shapes: none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

End = Literal["start", "end"]
Course = Literal["moving", "start", "end", "zero"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What weights and biases do while the strength goes from 0 to 1.

    Args of the constructor:
        name: For tables and messages.
        weights, biases: Move, stay at an end of the line, or are left out (0 all along).
        powers: A moving bias's share is the strength to this power, by name, 1 or more; None moves
            all of them with the strength itself. Weights always move with the strength itself.
        only: Names of the parameters that move at all, the others staying at the end; None for
            all.
    """

    name: str
    weights: Course = "moving"
    biases: Course = "moving"
    powers: Mapping[str, int] | None = None
    only: Collection[str] | None = None

    def __post_init__(self) -> None:
        low = {name: power for name, power in (self.powers or {}).items() if power < 1}
        if low:
            raise ValueError(f"Schedule.powers: got {low}, expected at least 1 each")

    def share(self, name: str, strength: float) -> float | None:
        """Returns how far a parameter is, 0-1, at a strength of 0-1; None: it is left out."""
        if self.only is not None and name not in self.only:
            return 1.0
        course = self.biases if is_bias(name) else self.weights
        if course == "zero":
            return None
        if course != "moving":
            return 0.0 if course == "start" else 1.0
        power = (self.powers or {}).get(name, 1) if is_bias(name) else 1
        return float(strength) ** power


def is_bias(name: str) -> bool:
    """Tells whether a state-dict name is a bias's."""
    return "bias" in name.rpartition(".")[2]


def linear() -> Schedule:
    """Weights and biases move alike: the line of monotonic linear interpolation."""
    return Schedule(name="linear")


def weights_only(biases: End = "end") -> Schedule:
    """Weights move, biases stay at an end."""
    return Schedule(name=f"weights only, biases at {biases}", biases=biases)


def biases_only(weights: End = "end") -> Schedule:
    """Biases move, weights stay at an end."""
    return Schedule(name=f"biases only, weights at {weights}", weights=weights)


def no_bias() -> Schedule:
    """Weights move, biases are 0 all along: neither end of this line is a state that was given."""
    return Schedule(name="no bias", biases="zero")


def homogeneous(bias_depths: Mapping[str, int]) -> Schedule:
    """Weights move with the strength a, a bias of depth l with a ** l.

    From zero, a signal that has passed l layers of weights grows as a ** l: each bias then grows in
    step with the signal that it is added to, and never outruns it.

    Args:
        bias_depths: By name, as `bias_depths` derives them.
    """
    return Schedule(name="homogeneous", powers=dict(bias_depths))


def last_layers(names: Collection[str]) -> Schedule:
    """The last layers' weights and biases move with the strength, all before them is at the end.

    What comes out is then linear in the strength, and lies where the last layers' own start leads.

    Args:
        names: Of the last layers' parameters.
    """
    return Schedule(name="last layers", only=frozenset(names))
