"""Which age a training sample is to be shown at, and whether the photographs cover it.

Source: Qu et al. 2025, "MyTimeMachine", sec. 4.2, and its released code.

Shapes: B batch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor


class AgeMode(IntEnum):
    """What a target age asks of a sample."""

    NO_AGEING = 0  # the source's own age: the source itself must come back
    INTERPOLATION = 1  # within the ages of the person's photographs
    EXTRAPOLATION = 2  # beyond them: only the general prior knows


@dataclass(frozen=True, slots=True)
class AgeRange:
    """Ages from `low` to `high`, years, inclusive."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"AgeRange: got {self.low} to {self.high}, expected 0 <= low <= high")

    @classmethod
    def covering(cls, ages: Iterable[float]) -> "AgeRange":
        """Returns the range of some ages, years."""
        known = list(ages)
        return cls(min(known), max(known))

    @classmethod
    def published(cls, ages: Iterable[float]) -> "AgeRange":
        """Returns the range as the released code takes it.

        It multiplies shares of a century by 100 and cuts: 57 years become 56, 29 become 28.
        """
        keys = [round(age / 100, 2) for age in ages]
        return cls(int(100 * min(keys)), int(100 * max(keys)))

    def distance(self, ages: Tensor) -> Tensor:
        """Returns how far ages (B,) lie from the nearer end, years, inside or outside."""
        return torch.minimum((ages - self.low).abs(), (ages - self.high).abs())


def draw_targets(
    source_age: Tensor,
    *,
    training: AgeRange,
    limits: AgeRange,
    generator: torch.Generator,
    one_mode_a_batch: bool = False,
) -> tuple[Tensor, Tensor]:
    """Draws target ages: a third none, a third inside the photographs' ages, a third outside.

    Args:
        source_age: Years, (B,).
        training: Ages of the person's photographs.
        limits: Ages that the general prior may be asked for.
        generator: On the CPU: what is drawn is then the same on every device.
        one_mode_a_batch: Whether all samples share a mode, as in the released code, whose limits
            are 0 and 100.

    Returns:
        Target ages, years, (B,), whole but for no ageing; and modes, int64, (B,). Outside, the
        younger and the older side are equally likely where both exist; where neither does, the
        target lies inside.
    """
    count = len(source_age)
    drawn = torch.randint(3, (1 if one_mode_a_batch else count,), generator=generator)
    modes = drawn.expand(count).clone()
    sides = _outside(training, limits)
    if not sides:
        modes[modes == AgeMode.EXTRAPOLATION] = AgeMode.INTERPOLATION
    targets = source_age.detach().float().cpu().clone()
    for row, mode in enumerate(modes.tolist()):
        if mode == AgeMode.INTERPOLATION:
            span = (int(training.low), max(int(training.high), int(training.low) + 1))
        elif mode == AgeMode.EXTRAPOLATION:
            span = sides[int(torch.randint(len(sides), (), generator=generator))]
        else:
            continue
        targets[row] = int(torch.randint(*span, (), generator=generator))
    return targets.to(source_age.device), modes.to(source_age.device)


def _outside(training: AgeRange, limits: AgeRange) -> list[tuple[int, int]]:
    """Half-open spans of whole ages on either side of the training range, those that exist.

    The upper one starts with the oldest photograph's own age, as in the released code, unless
    nothing lies beyond it.
    """
    spans = []
    if limits.low < training.low:
        spans.append((int(limits.low), int(training.low)))
    if training.high < limits.high:
        spans.append((int(training.high), int(limits.high) + 1))
    return [span for span in spans if span[0] < span[1]]
