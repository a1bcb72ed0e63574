"""Calibration: the gain at which faces made younger are read as real ones of the ages asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment
from models.ageing.recipe import CalibrationSettings, PathSettings, PriorRecipe
from reage.face_set import FaceSet
from tasks.prior_calibration import calibrate

ALIGNMENT = TemplateAlignment(landmark_indices=(1, 2), template=((8.0, 8.0), (24.0, 8.0)), size=32)
RECIPE = PriorRecipe(
    prior=replace(tiny_config(), finish_channels=()), path=PathSettings(rejuvenation_gain=1.2)
)


class Plain(CompactPrior):
    """A face is as bright as it is old, and `reach` of a move of gain 1 is made."""

    def __init__(self, *, reach: float, older_reach: float = 1.0, witnessed: bool = True) -> None:
        config = RECIPE.prior if witnessed else replace(RECIPE.prior, witness=None)
        super().__init__(config, ALIGNMENT)
        self.rejuvenation_gain.fill_(1.2)
        self.reach, self.older_reach, self.num_read = reach, older_reach, 0

    def estimate_age(self, crops: Tensor) -> Tensor:
        """Returns how bright the crops are, 0-100."""
        return (crops.mean(dim=(1, 2, 3)) + 1) * 50

    def witnessed_age(self, crops: Tensor) -> Tensor:
        """Returns the same."""
        self.num_read += 1
        return self.estimate_age(crops)

    def encode(self, crops: Tensor) -> Tensor:
        """Returns the crops."""
        return crops

    def decode(self, w_plus: Tensor) -> Tensor:
        """Returns what was encoded and moved."""
        return w_plus

    def source_offset(self, crops: Tensor, w_plus: Tensor, source_age: Tensor) -> Tensor:
        """Returns none."""
        return torch.zeros_like(w_plus)

    def ageing_offset(
        self, crops: Tensor, w_plus: Tensor, source_age: Tensor, target_age: Tensor
    ) -> Tensor:
        """Returns by how much brighter the target is, as far as it is reached."""
        younger = self.reach * self.rejuvenation_gain
        older = self.older_reach * self.ageing_gain
        brighter = target_age - source_age
        brighter = torch.where(brighter < 0, younger, older) * brighter / 50
        return brighter[:, None, None, None].expand_as(w_plus)

    def difference(
        self, source: Tensor, aged: Tensor, crops: Tensor, faces: Tensor | None = None
    ) -> Tensor:
        """Returns that of the two."""
        return (aged - source) / 2


def face_set(*, fold: int = 1) -> FaceSet:
    """Two faces of every age of 18 to 77, as bright as they are old."""
    ages = np.arange(18, 78).repeat(2)
    bright = np.rint(ages / 100 * 255).astype(np.uint8)
    return FaceSet(
        crops=np.broadcast_to(bright[:, None, None, None], (120, 32, 32, 3)).copy(),
        ages=ages,
        genders=np.zeros(120, np.int64),
        groups=np.zeros(120, np.int64),
        folds=np.full(120, fold),
        names=np.array([f"{number}.png" for number in range(120)]),
        template=np.array(ALIGNMENT.template),
        indices=np.array(ALIGNMENT.landmark_indices),
    )


def gain_of(prior: CompactPrior, folder: Path, recipe: PriorRecipe = RECIPE) -> float:
    calibrate(prior, face_set(), recipe, folder, lambda *told: None)
    return float(prior.rejuvenation_gain)


@pytest.mark.parametrize("reach", [0.7, 0.8, 1.0])
def test_the_gain_makes_up_for_what_is_held_back(tmp_path: Path, reach: float) -> None:
    recipe = replace(RECIPE, calibration=CalibrationSettings(targets=(30.0, 40.0)))
    assert gain_of(Plain(reach=reach), tmp_path, recipe) == pytest.approx(1 / reach, abs=0.02)


def test_few_readings_find_it(tmp_path: Path) -> None:
    told: list[dict[str, float]] = []
    calibrate(Plain(reach=0.8), face_set(), RECIPE, tmp_path, lambda *said: told.append(said[-1]))
    gains = [terms["gain"] for terms in told if "gain" in terms]
    assert 2 < len(gains) <= 5  # its two bounds, then what lies between them


@pytest.mark.parametrize("reach", [0.85, 1.0, 1.2])
def test_moves_to_an_older_age_have_a_gain_of_their_own(tmp_path: Path, reach: float) -> None:
    prior = Plain(reach=1.0, older_reach=reach)
    recipe = replace(
        RECIPE, calibration=CalibrationSettings(targets=(30.0, 40.0), older_targets=(60.0, 70.0))
    )
    assert gain_of(prior, tmp_path, recipe) == pytest.approx(1, abs=0.02)
    assert float(prior.ageing_gain) == pytest.approx(1 / reach, abs=0.02)


@pytest.mark.parametrize(("reach", "bound"), [(0.3, 1.25), (3.0, 0.75)])
def test_neither_does_that_leave_its_bounds(tmp_path: Path, reach: float, bound: float) -> None:
    prior = Plain(reach=1.0, older_reach=reach)
    gain_of(prior, tmp_path)
    assert float(prior.ageing_gain) == pytest.approx(bound)


@pytest.mark.parametrize(("reach", "bound"), [(0.3, 1.5), (3.0, 0.9)])
def test_it_does_not_leave_its_bounds(tmp_path: Path, reach: float, bound: float) -> None:
    assert gain_of(Plain(reach=reach), tmp_path) == pytest.approx(bound)


def test_without_a_witness_or_ages_asked_for_the_path_s_gain_stays(tmp_path: Path) -> None:
    blind, unasked = (tmp_path / name for name in ("blind", "unasked"))
    for folder in (blind, unasked):
        folder.mkdir()
    assert gain_of(Plain(reach=0.5, witnessed=False), blind) == pytest.approx(1.2)
    recipe = replace(RECIPE, calibration=CalibrationSettings(targets=(), older_targets=()))
    prior = Plain(reach=0.5, older_reach=0.5)
    assert gain_of(prior, unasked, recipe) == pytest.approx(1.2)
    assert float(prior.ageing_gain) == 1


def test_without_validation_faces_the_path_s_gain_stays(tmp_path: Path) -> None:
    prior = Plain(reach=0.5)
    calibrate(prior, face_set(fold=2), RECIPE, tmp_path, lambda *told: None)
    assert float(prior.rejuvenation_gain) == pytest.approx(1.2)


def test_what_was_found_is_kept(tmp_path: Path) -> None:
    first, again = Plain(reach=0.7, older_reach=0.9), Plain(reach=0.9)
    assert gain_of(first, tmp_path) == gain_of(again, tmp_path)
    assert again.ageing_gain == first.ageing_gain != 1
    assert again.num_read == 0


def test_bounds_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 < least <= most"):
        CalibrationSettings(least=1.2, most=1.0)
