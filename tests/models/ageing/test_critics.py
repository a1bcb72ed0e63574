import pytest
import torch

from models.ageing.critics import critics_of, latent_average


def test_critics_of_a_compact_prior_are_its_own_networks(moving_prior, four_crops):
    critics = critics_of(moving_prior)
    torch.testing.assert_close(
        critics.apparent_age(four_crops), moving_prior.regressor(four_crops).age
    )
    torch.testing.assert_close(critics.embed(four_crops), moving_prior.embedder(four_crops))


def test_perceptual_distance_is_nothing_between_equals_and_has_a_slope(moving_prior, four_crops):
    perceptual = critics_of(moving_prior).perceptual
    assert perceptual(four_crops, four_crops).abs().max() == 0
    made = four_crops.flip(0).requires_grad_(True)
    distance = perceptual(made, four_crops)
    assert distance.shape == (4,)
    assert (distance > 0).all()
    [slope] = torch.autograd.grad(distance.sum(), made)
    assert slope.abs().max() > 0


def test_mean_latent_has_the_shape_of_a_latent(moving_prior, four_crops):
    average = latent_average(moving_prior)
    assert average.shape == moving_prior.encode(four_crops)[0].shape


def test_prior_without_features_of_its_own_needs_lpips(moving_prior):
    class Other(torch.nn.Module):
        config = moving_prior.config

    with pytest.raises(ValueError, match="lpips: got none"):
        critics_of(Other())
