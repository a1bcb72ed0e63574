from dataclasses import replace

import pytest
import torch

from models.ageing.anchors import Anchors, anchor_latents
from models.ageing.personal_pass import PhotoBatch, general_latents
from models.ageing.personal_path import PersonalPath
from models.ageing.targets import AgeRange

AGES = torch.tensor([30.0, 40.0, 50.0, 60.0])


@pytest.fixture
def photos(moving_prior, four_crops):
    codes = moving_prior.encode(four_crops)
    anchors = anchor_latents(moving_prior, four_crops, codes, AGES)
    return PhotoBatch(crops=four_crops, ages=AGES, codes=codes, anchors=anchors)


@pytest.fixture
def path(moving_prior, photos):
    return PersonalPath(moving_prior, Anchors(photos.anchors, AGES), AgeRange(30, 60), 3.0)


def along(path, photos, target):
    return path(photos, target, general_latents(path.prior, photos, target))


def test_at_its_own_age_a_photograph_lies_at_its_anchor(path, photos):
    assert torch.equal(along(path, photos, AGES), photos.anchors)


def test_between_the_ages_the_centre_moves_and_the_rest_is_kept(path, photos):
    target = torch.tensor([40.0, 50.0, 60.0, 30.0])
    apart = along(path, photos, target) - path.anchors.centre(target, window_years=3.0)
    before = photos.anchors - path.anchors.centre(AGES, window_years=3.0)
    torch.testing.assert_close(apart, before)


def test_beyond_the_ages_the_prior_carries_on(moving_prior, path, photos):
    target = torch.tensor([20.0, 45.0, 80.0, 80.0])
    edge = target.clamp(30, 60)
    moved = along(path, photos, target) - along(path, photos, edge)
    expected = general_latents(moving_prior, photos, target)
    torch.testing.assert_close(moved, expected - general_latents(moving_prior, photos, edge))
    assert moved[1].abs().max() == 0
    assert moved[2].abs().max() > 0


def test_photographs_without_anchors_are_refused(path, photos):
    with pytest.raises(ValueError, match=r"photos.anchors: got None"):
        along(path, replace(photos, anchors=None), AGES)
