"""Losses are least where they should be, and see what they are for."""

import torch

from models.losses import (
    age_distribution_loss,
    colour_shift_penalty,
    contrastive_loss,
    feature_distance,
    hinge_discriminator_loss,
    pyramid_l1,
    total_variation,
)


def test_pyramid_counts_a_shading_at_every_level_and_grain_at_one() -> None:
    zero = torch.zeros(1, 3, 16, 16)
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    grain = ((rows + columns) % 2 * 2 - 1).float().expand(1, 3, 16, 16)
    torch.testing.assert_close(pyramid_l1(zero + 1, zero, levels=3), torch.tensor(3.0))
    torch.testing.assert_close(pyramid_l1(grain, zero, levels=3), torch.tensor(1.0))


def test_feature_distance_sends_no_gradient_to_the_wanted_features() -> None:
    wanted = torch.randn(2, 3, 4, 4, requires_grad=True)
    got = torch.randn(2, 3, 4, 4, requires_grad=True)
    feature_distance([wanted], [got]).backward()
    assert wanted.grad is None
    assert got.grad is not None


def test_age_distribution_loss_prefers_the_nearer_age() -> None:
    years = torch.arange(18.0, 96.0)
    ages = torch.tensor([50.0])

    def loss(guess: float) -> torch.Tensor:
        logits = -((years - guess) ** 2)[None] / 8
        expected = (logits.softmax(1) * years).sum(1)
        return age_distribution_loss(logits, expected, ages, years=years)

    assert loss(50) < loss(53) < loss(70)


def test_contrastive_loss_is_low_only_for_matching_twins() -> None:
    views = torch.eye(4)
    matched = contrastive_loss(torch.cat([views, views]))
    exchanged = contrastive_loss(torch.cat([views, views.flip(0)]))
    assert matched < 0.01
    assert exchanged > 5


def test_hinge_loss_punishes_a_real_face_that_passes_for_a_wrong_age() -> None:
    sure, no = torch.full((2, 4), 2.0), torch.full((2, 4), -2.0)
    assert hinge_discriminator_loss(sure, no, no) == 0
    assert hinge_discriminator_loss(sure, no, sure) == 1.5
    assert hinge_discriminator_loss(sure, sure, no) == 3


def test_total_variation_of_a_ramp_is_its_slope() -> None:
    ramp = torch.arange(8.0).expand(1, 3, 8, 8) * 0.5
    torch.testing.assert_close(total_variation(ramp), torch.tensor(0.5))


def test_colour_penalty_sees_a_tint_and_not_a_wrinkle() -> None:
    tint = torch.zeros(1, 3, 16, 16)
    tint[:, 0] = 0.1
    wrinkle = torch.zeros(1, 3, 16, 16)
    wrinkle[:, :, 7], wrinkle[:, :, 8] = 0.1, -0.1
    face = (slice(4, 12), slice(4, 12))
    assert colour_shift_penalty(wrinkle, face=face, free=0.01) < 1e-6
    assert colour_shift_penalty(tint, face=face, free=0.01) > 0.05
