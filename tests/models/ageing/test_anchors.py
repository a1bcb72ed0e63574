import pytest
import torch

from models.ageing.anchors import Anchors, anchor_latents

AGES = torch.tensor([30.0, 40.0, 50.0, 60.0])


def test_anchors_look_nearer_their_photographs_ages_than_codes_do(moving_prior, four_crops):
    codes = moving_prior.encode(four_crops)
    latents = anchor_latents(moving_prior, four_crops, codes, AGES)

    def error(w_plus):
        return (moving_prior.estimate_age(moving_prior.decode(w_plus).clamp(-1, 1)) - AGES).abs()

    assert (error(latents) <= error(codes) + 1e-4).all()
    assert error(latents).sum() < error(codes).sum()
    assert not torch.equal(latents, codes)


def test_photographs_do_not_depend_on_one_another(moving_prior, four_crops):
    codes = moving_prior.encode(four_crops)
    together = anchor_latents(moving_prior, four_crops, codes, AGES)
    alone = anchor_latents(moving_prior, four_crops[2:3], codes[2:3], AGES[2:3])
    torch.testing.assert_close(together[2:3], alone)


def test_centre_is_the_mean_of_what_lies_near():
    latents = torch.arange(4.0)[:, None, None].expand(4, 2, 3)
    anchors = Anchors(latents, torch.tensor([30.0, 31.0, 60.0, 90.0]))
    centre = anchors.centre(torch.tensor([30.5, 60.0, 120.0]), window_years=1.0)
    expected = torch.tensor([0.5, 2.0, 3.0])[:, None, None].expand(3, 2, 3)
    torch.testing.assert_close(centre, expected)


def test_far_from_all_photographs_the_closest_counts_and_nothing_overflows():
    anchors = Anchors(torch.tensor([1.0, 5.0])[:, None, None], torch.tensor([20.0, 21.0]))
    centre = anchors.centre(torch.tensor([2000.0]), window_years=0.5)
    torch.testing.assert_close(centre, torch.full((1, 1, 1), 5.0))


def test_no_photographs_are_refused():
    with pytest.raises(ValueError, match="Anchors: photographs: got 0, expected at least 1"):
        Anchors(torch.zeros(0, 2, 3), torch.zeros(0))
