"""What both stages against discriminators share: where a change is held back, and wrong ages."""

import pytest
import torch

from models.ageing.crop_regions import border_ramp, surroundings_weight
from tasks.prior_game import asymmetry, wrong_ages


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


def test_border_ramp_is_one_inside_and_falls_to_the_border() -> None:
    ramp = border_ramp(50)
    assert ramp[25, 25] == 1
    assert 0 < ramp[25, 0] < 0.2
    assert torch.equal(ramp, ramp.t())


def test_surroundings_are_what_lies_beside_the_face():
    weight = surroundings_weight(64)
    assert weight.mean().item() == pytest.approx(1.0, abs=1e-5)
    assert weight[18:46, 18:46].max() < 0.05  # brows to mouth
    assert weight[-4:, :8].min() > 1.5  # beside the jaw
