from dataclasses import replace

import pytest
import torch

from models.ageing.path import colour_directions
from models.ageing.synthetic_actor import PACE_AGES, SyntheticActor, ageing_directions, without


@pytest.fixture
def actor(moving_prior, four_crops):
    identity, *others = four_crops.split(1)
    return SyntheticActor.between(moving_prior, identity, others[:2], age=45.0, amount=0.5)


def test_actor_without_drift_stays_on_the_priors_path(moving_prior, four_crops):
    crop = four_crops[:1]
    still = SyntheticActor.between(moving_prior, crop, [four_crops[1:2]], age=45.0, amount=0.0)
    expected = moving_prior.change(
        crop.expand(3, -1, -1, -1), torch.full((3,), 45.0), still.path_ages[3:6]
    )
    torch.testing.assert_close(still.changes(PACE_AGES[3:6]), expected)
    assert (still.path_ages.diff() >= 0).all()


def test_pace_makes_the_actor_look_its_age_to_the_prior(moving_prior, actor):
    def error(someone):
        seen = moving_prior.estimate_age(someone.faces(PACE_AGES).clamp(-1, 1))
        return (seen - PACE_AGES).abs().mean()

    assert error(actor) <= error(replace(actor, path_ages=PACE_AGES))


def test_drift_is_nothing_in_the_middle_and_grows_to_both_sides(actor):
    sizes = actor.drift(torch.tensor([50.0, 60.0, 70.0, 40.0, 30.0])).flatten(1).norm(dim=1)
    assert sizes[0] == 0
    assert sizes[1] < sizes[2]
    assert sizes[3] < sizes[4]


def test_drift_neither_ages_nor_tints(moving_prior, actor):
    ages = ageing_directions(moving_prior, actor.crop, actor.code, actor.age)
    tints = colour_directions(actor.code, moving_prior.decode)
    taken_out = torch.cat([ages, tints]).flatten(1)
    drift = actor.drift(torch.tensor([30.0, 70.0])).flatten(1)
    lengths = drift.norm(dim=1)[:, None] * taken_out.norm(dim=1)[None]
    assert ((drift @ taken_out.t()) / lengths).abs().max() < 1e-4
    assert (drift.norm(dim=1) > 0).all()


def test_what_is_taken_out_is_orthogonal_and_the_rest_stays():
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(2, 3, 8, generator=generator)
    removed = torch.randn(4, 3, 8, generator=generator)
    left = without(directions, removed)
    assert (left.flatten(1) @ removed.flatten(1).t()).abs().max() < 1e-4
    torch.testing.assert_close(without(left, removed), left)


def test_faces_are_decoded_from_the_true_latents(moving_prior, actor):
    ages = torch.tensor([30.0, 50.0, 70.0])
    torch.testing.assert_close(actor.faces(ages), moving_prior.decode(actor.latents(ages)))
