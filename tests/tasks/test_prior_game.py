"""What both stages against discriminators share: what is held against a change, and wrong ages."""

import pytest
import torch

from models.ageing.recipe import FinishSettings
from tasks.prior_game import asymmetry, change_terms, wrong_ages


def test_asymmetry_is_of_paint_and_not_of_wrinkles() -> None:
    change = torch.zeros(1, 3, 128, 128)
    wrinkles, paint = change.clone(), change.clone()
    wrinkles[..., 10:60, 10:50:2], wrinkles[..., 10:60, 11:51:2] = 0.2, -0.2
    paint[..., 10:60, 10:50] = 0.2
    assert asymmetry(wrinkles) < 1e-6
    assert asymmetry(paint) > 0.02
    assert asymmetry(paint + paint.flip(3)) < 1e-6


def test_wrong_ages_are_apart_and_far_ones_are_kept() -> None:
    ages, drawn = torch.tensor([30.0, 60.0, 40.0]), torch.tensor([35.0, 58.0, 80.0])
    wrong = wrong_ages(ages, drawn, apart_years=12)
    assert ((wrong - ages).abs() >= 12).all()
    assert wrong[2] == 80


def test_a_lighter_face_costs_less_the_larger_the_shift_that_is_free() -> None:
    lighter = torch.full((1, 3, 32, 32), 0.012)  # 0.006 of display units
    stage = {"steps": 1, "batch_size": 1, "learning_rate": 1e-3}
    free, held = (
        change_terms(FinishSettings(**stage, free_shift=shift), lighter)["colour"][1].item()
        for shift in (0.01, 0.003)
    )
    assert held - free == pytest.approx(0.003, abs=1e-5)
