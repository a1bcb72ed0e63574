import copy

import pytest
import torch

from models.ageing.personal_pass import PhotoBatch
from models.continual.personal_generator import PersonalGenerator
from models.continual.rehearsal import UpdateRecipe, learn_increment
from models.lora.adapter import LowRankAdapter
from models.lora.layer import LoRAConfig
from models.stylegan2.config import SynthesisConfig
from models.stylegan2.synthesis import SynthesisNetwork

STYLEGAN = SynthesisConfig(channels=(8, 8, 4, 4), latent_size=8)  # 32 px


def _copied(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _same(network, state):
    return all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def _losses(learner, photos, path, *, rate):
    told = []
    learn_increment(
        learner, photos, photos.rows(torch.tensor([0])),
        UpdateRecipe(steps=12, learning_rate=rate), checkpoint=path,
        report=lambda _stage, _done, _steps, terms: told.append(terms["new"]),
    )  # fmt: skip
    return told


def _stylegan():
    torch.manual_seed(0)
    network = SynthesisNetwork(STYLEGAN).eval().requires_grad_(False)
    codes = torch.randn(4, STYLEGAN.num_layers, 8)
    return network, codes


def test_the_compact_priors_synthesis_learns_a_person_and_the_prior_stays(
    prior, critics, photos, tmp_path
):
    before = _copied(prior)
    learner = PersonalGenerator.tuned(
        copy.deepcopy(prior.synthesis), encode=prior.encode, perceptual=critics.perceptual
    )
    losses = _losses(learner, photos, tmp_path / "c.pt", rate=1e-2)
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert _same(prior, before)
    assert all(p.grad is None for p in prior.parameters())


def test_stylegans_synthesis_learns_a_person(critics, photos, tmp_path):
    network, codes = _stylegan()
    learner = PersonalGenerator.tuned(
        network, encode=lambda crops: codes[: len(crops)], perceptual=critics.perceptual
    )
    own = PhotoBatch(crops=photos.crops, ages=photos.ages, codes=codes)
    losses = _losses(learner, own, tmp_path / "c.pt", rate=1e-2)
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_low_rank_weights_learn_a_person_and_the_generator_stays(critics, photos, tmp_path):
    network, codes = _stylegan()
    before, adapter = _copied(network), LowRankAdapter(network, LoRAConfig())
    learner = PersonalGenerator.low_rank(
        network, adapter, encode=lambda crops: codes[: len(crops)], perceptual=critics.perceptual
    )
    own = PhotoBatch(crops=photos.crops, ages=photos.ages, codes=codes)
    untrained = learner.decode(codes)
    losses = _losses(learner, own, tmp_path / "c.pt", rate=1e-2)
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])
    assert _same(network, before)
    # It carries no adapter, and a new one adds nothing; gradients sum in another order.
    assert torch.allclose(untrained, network(codes), atol=1e-5)
    assert not torch.equal(untrained, learner.decode(codes))


def test_a_coarser_level_learns_from_averaged_crops(prior, critics, photos):
    synthesis = copy.deepcopy(prior.synthesis)
    learner = PersonalGenerator.tuned(
        synthesis,
        encode=prior.encode,
        perceptual=critics.perceptual,
        decode=lambda w: synthesis(w, size=16),
    )
    averaged = PhotoBatch(
        crops=torch.nn.functional.avg_pool2d(photos.crops, 2), ages=photos.ages, codes=photos.codes
    )
    generator = torch.Generator()
    wanted = learner.loss(averaged, generator=generator)
    assert float(learner.loss(photos, generator=generator)) == pytest.approx(float(wanted))


def test_codes_that_are_known_are_not_encoded_again(prior, critics, photos):
    def encode(_crops):
        raise AssertionError

    learner = PersonalGenerator.tuned(
        copy.deepcopy(prior.synthesis), encode=encode, perceptual=critics.perceptual
    )
    assert float(learner.loss(photos, generator=torch.Generator())) > 0
