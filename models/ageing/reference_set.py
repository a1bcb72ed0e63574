"""The photographs that a re-aged face may resemble: those of about the target age.

Knows nothing of networks; embeddings come ready-made.
Source: Qu et al. 2025, "MyTimeMachine", sec. 4.2 (personalised ageing loss), and its released code.

Shapes: B batch, N photographs, E embedding size.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from models.shapes import check_shape

ReferenceRule = Literal["around target", "around closest key"]


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """Identity embeddings of a person's photographs with their ages.

    Attributes:
        embeddings: Unit, (N, E).
        ages: Years, (N,).
    """

    embeddings: Tensor
    ages: Tensor

    def __post_init__(self) -> None:
        check_shape("embeddings", self.embeddings, "N E")
        check_shape("ages", self.ages, "N", N=len(self.embeddings))
        if not len(self.ages):
            raise ValueError("ReferenceSet: photographs: got 0, expected at least 1")

    def near(self, target_age: Tensor, *, rule: ReferenceRule, window_years: float) -> Tensor:
        """Says which photographs count for which target age.

        Args:
            target_age: Years, (B,).
            rule: See `around_target` and `around_closest_key`.
            window_years: How far an age may lie off.

        Returns:
            bool, (B, N); at least one photograph for every target.
        """
        choose = around_target if rule == "around target" else around_closest_key
        return choose(self.ages, target_age, window_years=window_years)


def around_target(ages: Tensor, target_age: Tensor, *, window_years: float) -> Tensor:
    """Chooses ages (N,) within the window of a target (B,), else the closest; (B, N)."""
    apart = (ages.to(target_age)[None] - target_age[:, None]).abs()
    return apart <= apart.min(dim=1, keepdim=True).values.clamp_min(window_years)


def around_closest_key(ages: Tensor, target_age: Tensor, *, window_years: float) -> Tensor:
    """Chooses as the released code does, rounding included; (B, N) from (N,) and (B,).

    It keeps photographs by their age in shares of a century, rounded to two digits, looks for the
    key closest to the target in single precision, and takes all keys within the window *of that
    key*, in double precision: 33 years are not within 3 of 30, but of 36 they are.
    """
    keys = [round(age / 100, 2) for age in ages.tolist()]
    rows = []
    for target in (target_age.float() / 100).tolist():
        closest = min(keys, key=lambda key: abs(key - target))
        rows.append([abs(key - closest) <= window_years / 100 for key in keys])
    return torch.tensor(rows, dtype=torch.bool, device=target_age.device)


def least_distance(embeddings: Tensor, references: ReferenceSet, chosen: Tensor) -> Tensor:
    """Returns 1 minus the best cosine (B,) with the chosen photographs.

    Args:
        embeddings: Unit, (B, E).
        references: Of the person; no gradient flows into them.
        chosen: bool, (B, N), at least one in every row.
    """
    likeness = embeddings @ references.embeddings.detach().to(embeddings).t()
    return 1 - likeness.masked_fill(~chosen, -torch.inf).amax(dim=1)
