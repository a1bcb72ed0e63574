from dataclasses import replace

import pytest
import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.personal_pass import (
    AdaptedLatents,
    PhotoBatch,
    ageing_pass,
    cycle_pass,
    general_latents,
    pooled_decode,
)
from models.ageing.targets import AgeMode

TARGETS = torch.tensor([30.0, 55.0, 70.0, 80.0])
MODE = torch.tensor([AgeMode.NO_AGEING, AgeMode.INTERPOLATION, AgeMode.EXTRAPOLATION, 1])


@pytest.fixture
def photos(four_crops):
    return PhotoBatch(crops=four_crops, ages=torch.tensor([30.0, 40.0, 50.0, 60.0]))


@pytest.fixture
def adapted(moving_prior):
    config = moving_prior.config
    adapter = Adapter(
        AdapterConfig(
            num_layers=config.num_layers, latent_size=config.latent_size, is_zero_at_start=False
        )
    )
    return AdaptedLatents(moving_prior, adapter)


def test_known_codes_give_the_same_latents_as_encoding_anew(moving_prior, photos):
    codes = moving_prior.encode(photos.crops)
    known = PhotoBatch(crops=photos.crops, ages=photos.ages, codes=codes)
    expected = general_latents(moving_prior, photos, TARGETS)
    assert torch.equal(general_latents(moving_prior, known, TARGETS), expected)


def test_general_latents_decode_to_what_the_prior_makes(moving_prior, photos):
    made = pooled_decode(moving_prior, general_latents(moving_prior, photos, TARGETS))
    before = moving_prior.decode(moving_prior.encode(photos.crops))
    change = moving_prior.change(photos.crops, photos.ages, TARGETS)
    torch.testing.assert_close(moving_prior.difference(before, made, photos.crops), change)


def test_untrained_adapter_that_starts_as_nothing_gives_the_general_picture(moving_prior, photos):
    config = moving_prior.config
    still = Adapter(AdapterConfig(num_layers=config.num_layers, latent_size=config.latent_size))
    aged = ageing_pass(moving_prior, AdaptedLatents(moving_prior, still), photos, TARGETS, MODE)
    rows = torch.arange(4)
    assert torch.equal(aged.picture, aged.prior_picture(rows))


def test_only_the_adapter_gets_gradients(moving_prior, adapted, photos):
    aged = ageing_pass(moving_prior, adapted, photos, TARGETS, MODE)
    assert aged.picture.requires_grad
    assert not aged.prior_picture(torch.tensor([2])).requires_grad
    aged.picture.sum().backward()
    assert all(p.grad is None for p in moving_prior.parameters())


def test_cycle_returns_to_the_photographs_ages_without_a_path_back(moving_prior, adapted, photos):
    aged = ageing_pass(moving_prior, adapted, photos, TARGETS, MODE)
    back = cycle_pass(moving_prior, adapted, photos, aged, keeps_mode=False)
    assert torch.equal(back.target_age, photos.ages)
    assert (back.mode == AgeMode.NO_AGEING).all()
    [gradient] = torch.autograd.grad(back.picture.sum(), aged.picture, allow_unused=True)
    assert gradient is None
    kept = cycle_pass(moving_prior, adapted, photos, aged, keeps_mode=True)
    assert torch.equal(kept.mode, MODE)


def test_persons_own_path_says_what_extrapolated_samples_are_held_to(moving_prior, adapted, photos):
    own = torch.randn(
        4, moving_prior.config.num_layers, moving_prior.config.latent_size,
        generator=torch.Generator().manual_seed(2),
    )  # fmt: skip
    asked = []

    def wanted(batch, target_age, general):
        asked.append((target_age, general))
        return own

    anchored = replace(photos, anchors=-own)
    aged = ageing_pass(moving_prior, adapted, anchored, TARGETS, MODE, wanted=wanted)
    back = cycle_pass(moving_prior, adapted, anchored, aged, keeps_mode=False)
    rows = torch.tensor([2, 0])
    assert torch.equal(aged.wanted, own)
    assert torch.equal(aged.prior_picture(rows), pooled_decode(moving_prior, own[rows]))
    assert torch.equal(back.wanted, anchored.anchors)
    [(target_age, general)] = asked
    assert torch.equal(target_age, TARGETS)
    assert torch.equal(general, general_latents(moving_prior, photos, TARGETS))
