import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from models.ageing.critics import critics_of
from models.ageing.objectives import (
    AgedBatch,
    AgeingObjective,
    Critics,
    ObjectiveConfig,
    identity_weight,
    norm_weight,
)
from models.ageing.reference_set import ReferenceSet
from models.ageing.targets import AgeMode, AgeRange
from models.face.region import Region
from models.shapes import ShapeError

REGION = Region(top=2, bottom=14, left=3, right=13)
AVERAGE = torch.full((4, 8), 0.25)
TRAINING = AgeRange(30, 70)
MIX = [AgeMode.EXTRAPOLATION, AgeMode.NO_AGEING, AgeMode.INTERPOLATION, AgeMode.EXTRAPOLATION]


def _embed(pictures):
    return F.normalize(F.adaptive_avg_pool2d(pictures, 2).flatten(1), dim=1)


def _apparent_age(pictures):
    return 50 + 100 * pictures.mean(dim=(1, 2, 3))


def _perceptual(a, b):
    return (F.avg_pool2d(a, 2) - F.avg_pool2d(b, 2)).abs().mean(dim=(1, 2, 3))


JUDGES = Critics(embed=_embed, apparent_age=_apparent_age, perceptual=_perceptual)


def _references():
    generator = torch.Generator().manual_seed(5)
    embeddings = F.normalize(torch.randn(4, 12, generator=generator), dim=1)
    return ReferenceSet(embeddings, torch.tensor([30.0, 40.0, 50.0, 70.0]))


def _objective(config, **changes):
    settings = {
        "latent_average": AVERAGE, "references": _references(), "training_range": TRAINING
    }  # fmt: skip
    return AgeingObjective(config, JUDGES, **(settings | changes))


def _batch(modes=MIX, **changes):
    generator = torch.Generator().manual_seed(0)
    count = len(modes)

    def pictures():
        return torch.rand(count, 3, 16, 16, generator=generator) * 2 - 1

    fields = {
        "picture": pictures().requires_grad_(True),
        "w_plus": torch.randn(count, 4, 8, generator=generator).requires_grad_(True),
        "source": pictures(),
        "source_age": torch.tensor([45.0, 60.0, 35.0, 50.0])[:count],
        "target_age": torch.tensor([20.0, 60.0, 48.0, 85.0])[:count],
        "mode": torch.tensor([int(m) for m in modes]),
        "prior_picture": pictures(),
    }
    return AgedBatch(**(fields | changes))


def _row(batch, row):
    """Returns one sample as a batch of its own."""
    return AgedBatch(**{
        f.name: None if getattr(batch, f.name) is None else getattr(batch, f.name)[row : row + 1]
        for f in dataclasses.fields(batch)
    })  # fmt: skip


PRESETS = [
    ObjectiveConfig(region=REGION),
    dataclasses.replace(ObjectiveConfig.paper(), region=REGION),
    ObjectiveConfig(region=None),
]


@pytest.mark.parametrize("config", PRESETS)
def test_a_mixed_batch_is_judged_like_its_samples_alone(config):
    config = dataclasses.replace(config, sums_norm=False)  # the one term that knows the batch
    batch, objective = _batch(), _objective(config)
    together = objective(batch).per_sample
    alone = torch.cat([objective(_row(batch, row)).per_sample for row in range(len(MIX))])
    torch.testing.assert_close(together, alone)


def test_released_codes_extrapolation_is_its_sum_of_terms():
    config = dataclasses.replace(ObjectiveConfig.paper(adaptive_norm=7.0), region=REGION)
    batch = _batch([AgeMode.EXTRAPOLATION] * 3)
    y, y_g, x = batch.picture, batch.prior_picture, batch.source
    cut = REGION.cut
    outside = torch.tensor([10.0, 10.0, 18.0])  # of 20, 60 and 48 years from 30 or 70
    identity = 1 - (_embed(y) * _embed(x)).sum(1)
    identity = (0.25 * torch.cos(math.pi * outside / 100) + 0.75) * identity
    ages = ((_apparent_age(y) - batch.target_age) / 100) ** 2
    gap = (batch.target_age - batch.source_age).abs()
    a = (1 - (0.25 * torch.cos(math.pi * gap / 100) + 0.75)) * 7.0
    norms = (a * (batch.w_plus - AVERAGE).flatten(1).norm(dim=1)).sum()
    expected = (
        0.1 * identity.mean() + 10 * ages.mean() + 0.25 * F.mse_loss(y, y_g)
        + 0.1 * _perceptual(y, y_g).mean() + 0.6 * _perceptual(cut(y), cut(y_g)).mean()
        + F.mse_loss(cut(y), cut(y_g)) + 0.005 * norms
    )  # fmt: skip
    judgement = _objective(config)(batch)
    torch.testing.assert_close(judgement.total, expected)
    torch.testing.assert_close(judgement.terms["latent_norm"].mean(), norms.detach())


def test_clean_extrapolation_keeps_the_priors_identity_and_counts_age_once():
    config = ObjectiveConfig(region=None)
    batch = _batch([AgeMode.EXTRAPOLATION] * 2)
    y, y_g = batch.picture, batch.prior_picture
    gap = (batch.target_age - batch.source_age).abs()
    norms = (1 - torch.cos(math.pi * gap / 100)) * (batch.w_plus - AVERAGE).flatten(1).norm(dim=1)
    expected = (
        0.1 * (1 - (_embed(y) * _embed(y_g)).sum(1))
        + 5 * ((_apparent_age(y) - batch.target_age) / 100) ** 2
        + 0.25 * (y - y_g).square().mean(dim=(1, 2, 3)) + 0.1 * _perceptual(y, y_g)
        + 0.005 * norms
    )  # fmt: skip
    torch.testing.assert_close(_objective(config)(batch).per_sample, expected)


def test_interpolation_adds_the_likeness_to_photographs_of_that_age():
    batch = _batch([AgeMode.INTERPOLATION] * 3)
    with_it = _objective(ObjectiveConfig(region=REGION))(batch)
    without = _objective(ObjectiveConfig(region=REGION, personal=0.0))(batch)
    references = _references().embeddings
    # 20 is closest to 30, 60 to 50 and 70 alike, 48 to 50.
    near = [references[:1], references[2:], references[2:3]]
    likeness = [(r @ e).max() for r, e in zip(near, _embed(batch.picture), strict=True)]
    expected = 1 - torch.stack(likeness)
    torch.testing.assert_close(with_it.per_sample - without.per_sample, expected)
    torch.testing.assert_close(with_it.terms["personal"], expected.detach())


@pytest.mark.parametrize("config", PRESETS)
def test_no_ageing_is_least_where_the_source_comes_back(config):
    batch = _batch([AgeMode.NO_AGEING] * 2, target_age=torch.tensor([45.0, 60.0]))
    back = _batch(
        [AgeMode.NO_AGEING] * 2,
        picture=batch.source.clone().requires_grad_(True),
        target_age=_apparent_age(batch.source),
        source_age=_apparent_age(batch.source),
    )
    objective = _objective(dataclasses.replace(config, latent_norm=0.0))
    torch.testing.assert_close(objective(back).per_sample, torch.zeros(2), atol=1e-6, rtol=0)
    assert (objective(batch).per_sample > 0.1).all()


def test_priors_picture_is_made_for_extrapolated_rows_only_and_only_when_there_are_any():
    asked = []

    def decode(rows):
        asked.append(rows.tolist())
        return torch.zeros(len(rows), 3, 16, 16)

    objective = _objective(ObjectiveConfig(region=REGION))
    objective(_batch(prior_picture=decode))
    assert asked == [[0, 3]]
    objective(_batch([AgeMode.INTERPOLATION, AgeMode.NO_AGEING], prior_picture=decode))
    assert asked == [[0, 3]]


@pytest.mark.parametrize("config", PRESETS)
def test_priors_picture_is_the_same_whether_given_or_made_on_demand(config):
    given = _batch()
    made = dataclasses.replace(given, prior_picture=lambda rows: given.prior_picture[rows])
    objective = _objective(config)
    assert torch.equal(objective(given).per_sample, objective(made).per_sample)


def test_gradients_flow_into_picture_and_latents_alone():
    batch = _batch()
    source = batch.source.clone().requires_grad_(True)
    prior = batch.prior_picture.clone().requires_grad_(True)
    batch = dataclasses.replace(batch, source=source.detach(), prior_picture=prior)
    _objective(ObjectiveConfig(region=REGION))(batch).total.backward()
    assert prior.grad is None
    assert (batch.picture.grad.flatten(1).abs().amax(1) > 0).all()
    # The distance from the mean latent does not count where nothing is aged.
    moved = batch.w_plus.grad.flatten(1).abs().amax(1) > 0
    assert moved.tolist() == [True, False, True, True]


def test_known_source_embedding_changes_nothing():
    batch = _batch()
    known = dataclasses.replace(batch, source_embedding=_embed(batch.source))
    objective = _objective(dataclasses.replace(ObjectiveConfig.paper(), region=REGION))
    assert torch.equal(objective(batch).per_sample, objective(known).per_sample)


def test_compact_priors_own_networks_judge_as_well(moving_prior):
    prior = moving_prior
    shape = (prior.config.num_layers, prior.config.latent_size)
    objective = AgeingObjective(
        ObjectiveConfig(region=Region(top=4, bottom=28, left=4, right=28)),
        critics_of(prior),
        latent_average=torch.zeros(shape),
        references=ReferenceSet(torch.eye(3, 16), torch.tensor([30.0, 40.0, 50.0])),
        training_range=AgeRange(30, 50),
    )
    w_plus = torch.randn(4, *shape, requires_grad=True)
    batch = _batch(
        picture=prior.decode(w_plus), w_plus=w_plus, source=torch.rand(4, 3, 32, 32),
        prior_picture=lambda rows: prior.decode(w_plus.detach()[rows]),
    )  # fmt: skip
    objective(batch).total.backward()
    assert torch.isfinite(w_plus.grad).all()
    assert w_plus.grad.abs().max() > 0


def test_weights_over_a_gap_run_as_published():
    gaps = torch.tensor([0.0, 50.0, 100.0])
    torch.testing.assert_close(identity_weight(gaps), torch.tensor([1.0, 0.75, 0.5]))
    torch.testing.assert_close(norm_weight(gaps), torch.tensor([0.0, 1.0, 2.0]))


def test_objective_refuses_what_it_cannot_judge():
    objective = _objective(ObjectiveConfig(region=REGION))
    with pytest.raises(ValueError, match="prior_picture: got None, expected a picture"):
        objective(_batch(prior_picture=None))
    with pytest.raises(ShapeError, match=r"mode: got shape \(3,\), expected \(4\)"):
        objective(_batch(mode=torch.zeros(3, dtype=torch.int64)))
    with pytest.raises(ShapeError, match=r"w_plus: got shape"):
        _objective(ObjectiveConfig(), latent_average=torch.zeros(5, 8))(_batch())
    with pytest.raises(ValueError, match=r"ObjectiveConfig\.ageing: got -1, expected at least 0"):
        ObjectiveConfig(ageing=-1)


def test_distance_from_the_persons_path_counts_in_shares_of_its_own_reach():
    config = ObjectiveConfig(anchors=2.0, region=None)
    plain = dataclasses.replace(config, anchors=0.0)
    wanted = torch.randn(4, 4, 8, generator=torch.Generator().manual_seed(9))
    batch = _batch(wanted=wanted)
    judged = _objective(config)(batch)
    away = (batch.w_plus - wanted).flatten(1).norm(dim=1)
    share = away / (wanted - AVERAGE).flatten(1).norm(dim=1)
    torch.testing.assert_close(judged.terms["anchors"], share.detach())
    without = _objective(plain)(batch)
    assert "anchors" not in without.terms
    torch.testing.assert_close(judged.per_sample, without.per_sample + 2 * share)


def test_path_that_counts_must_be_given():
    with pytest.raises(ValueError, match="wanted: got None, expected latents of the person's own"):
        _objective(ObjectiveConfig(anchors=1.0, region=None))(_batch())
