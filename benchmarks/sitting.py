"""People who sit for the comparison: photographs that teach, that are asked, and that judge.

A synthetic actor (`models/ageing/synthetic_actor.py`) can be photographed at any age, so all three
are fresh. Of a real collection a quarter of what lies in the trained ages is held out, and all that
lies outside of them; what is held out is asked and judged by.

Shapes: N photographs, R crop size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ageing.synthetic_actor import SyntheticActor
from models.training import Augmentation, augment, pictures

TRAINED_AGES = (30, 70)
TARGETS = (20, 30, 40, 50, 60, 70, 80)
INPUT_AGES = (40, 70)  # as the paper: progression from 40, regression from 70
DRIFT = 0.7
_TAKES = Augmentation(soften=0.2, erase=0.0)
_TAKES_A_REFERENCE, _REFERENCE_YEARS = 2, (-2, 0, 2)
_INPUT_TAKES = 2
_HELD_OUT = 4  # every so many-eth photograph in the trained ages
_WINDOW = 3  # years
_LEAST = 10  # photographs that teach


@dataclass(frozen=True, eq=False)
class Portrait:
    """One photograph: uint8, (R, R, 3), and the age it shows, years."""

    crop: NDArray[np.uint8]
    age: float


@dataclass(frozen=True, eq=False)
class Sitting:
    """One person's photographs.

    Attributes:
        crops: That teach, uint8, (N, R, R, 3).
        ages: Years, (N,).
        asked: That are shown at all target ages.
        references: Of about each target age that there is any of, uint8, (K, R, R, 3).
        truth: Photographs of the person at all target ages, where these can be taken, each uint8
            (A, R, R, 3).
    """

    crops: NDArray[np.uint8]
    ages: NDArray[np.float32]
    asked: Sequence[Portrait]
    references: Mapping[int, NDArray[np.uint8]]
    truth: Sequence[NDArray[np.uint8]] = ()

    def fewer(self, count: int) -> "Sitting":
        """Returns the sitting with `count` photographs that teach, evenly spread over the ages."""
        order = np.argsort(self.ages, kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, count).round().astype(int)]
        return Sitting(
            self.crops[chosen], self.ages[chosen], self.asked, self.references, self.truth
        )


def photographed(actor: SyntheticActor, ages: Tensor, *, seed: int) -> NDArray[np.uint8]:
    """Returns pictures of the actor at ages (N,), each taken differently, uint8 (N, R, R, 3)."""
    generator = torch.Generator().manual_seed(seed)
    return pictures(augment(actor.faces(ages).clamp(-1, 1), _TAKES, generator=generator))


def synthetic_sitting(actor: SyntheticActor, *, photographs: int, seed: int) -> Sitting:
    """Photographs an actor: `photographs` that teach, evenly spread over the trained ages."""
    spread = torch.linspace(*TRAINED_AGES, photographs).round()
    shuffled = torch.randperm(photographs, generator=torch.Generator().manual_seed(seed))
    ages = spread[shuffled]
    asked = [
        Portrait(photographed(actor, torch.tensor([float(age)]), seed=9000 + take)[0], float(age))
        for age in INPUT_AGES
        for take in range(_INPUT_TAKES)
    ]
    whole = torch.tensor([float(age) for age in TARGETS])
    return Sitting(
        crops=photographed(actor, ages, seed=1000 + seed),
        ages=ages.numpy(),
        asked=asked,
        references={age: _references(actor, age) for age in TARGETS},
        truth=[photographed(actor, whole, seed=7000 + take) for take in range(len(asked))],
    )


def _references(actor: SyntheticActor, age: int) -> NDArray[np.uint8]:
    ages = torch.tensor([float(age + years) for years in _REFERENCE_YEARS])
    return np.concatenate(
        [photographed(actor, ages, seed=5000 + take) for take in range(_TAKES_A_REFERENCE)]
    )


def collected_sitting(crops: NDArray[np.uint8], ages: NDArray[np.float32]) -> Sitting:
    """Parts a real collection (N, R, R, 3) with ages (N,), years.

    Raises:
        ValueError: Too few photographs lie in the trained ages.
    """
    order = np.argsort(ages, kind="stable")
    crops, ages = crops[order], ages[order]
    low, high = TRAINED_AGES
    inside = np.flatnonzero((ages >= low) & (ages <= high))
    held_out = np.setdiff1d(np.arange(len(ages)), inside)
    held_out = np.union1d(held_out, inside[_HELD_OUT // 2 :: _HELD_OUT])
    teaching = np.setdiff1d(np.arange(len(ages)), held_out)
    if len(teaching) < _LEAST:
        raise ValueError(
            f"collection: got {len(teaching)} photographs of ages {low} to {high} to learn from, "
            f"expected at least {_LEAST}: add photographs of these ages"
        )
    nearest = {
        int(row)
        for age in INPUT_AGES
        for row in held_out[np.argsort(np.abs(ages[held_out] - age), kind="stable")][:_INPUT_TAKES]
    }
    near = {t: held_out[np.abs(ages[held_out] - t) <= _WINDOW] for t in TARGETS}
    return Sitting(
        crops=crops[teaching],
        ages=ages[teaching],
        asked=[Portrait(crops[row], float(ages[row])) for row in sorted(nearest)],
        references={age: crops[rows] for age, rows in near.items() if len(rows)},
    )
