"""The adversarial stage: the discriminator learns age and realness, the players answer."""

import pytest
import torch

from models.ageing.age_discriminator import AgeDiscriminator
from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment
from models.ageing.recipe import AdversarySettings
from models.losses import hinge_discriminator_loss
from tasks.prior_adversary import Adversary
from tasks.prior_discriminators import RealFaces
from tasks.prior_game import Batch, wrong_ages

ALIGNMENT = TemplateAlignment(landmark_indices=(1, 2), template=((8.0, 8.0), (24.0, 8.0)), size=32)


def faces_of(ages: torch.Tensor, generator: torch.Generator, *, size: int = 32) -> torch.Tensor:
    """Noise whose brightness is its age: a world in which age is easily seen."""
    grain = 0.2 * torch.randn(len(ages), 3, size, size, generator=generator)
    return ((ages - 50) / 50)[:, None, None, None] + grain


def test_discriminator_learns_that_a_wrong_age_is_a_negative() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    network = AgeDiscriminator((8, 16), blocks=1, min_age=18, max_age=90)
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(40):
        ages = torch.rand(16, generator=generator) * 60 + 20
        wrong = wrong_ages(ages, torch.rand(16, generator=generator) * 60 + 20, apart_years=25)
        fakes = -faces_of(ages, generator, size=8)
        real, mismatched = network(faces_of(ages, generator, size=8), ages, wrong)
        (fake,) = network(fakes, ages)
        optimiser.zero_grad()
        hinge_discriminator_loss(real, fake, mismatched).backward()
        optimiser.step()
    young = torch.full((8,), 25.0)
    right, asked_old = network(faces_of(young, generator, size=8), young, young + 50)
    assert right.mean() > asked_old.mean() + 0.5


def test_trunk_norms_keep_the_statistics_they_came_with() -> None:
    network = AgeDiscriminator((8, 16), blocks=1, min_age=18, max_age=90)
    network.train()
    before = {k: v.clone() for k, v in network.trunk.state_dict().items() if "running" in k}
    network(torch.randn(4, 3, 32, 32), torch.full((4,), 30.0))
    after = network.trunk.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("alone", [True, False])
def test_a_step_moves_the_players_unless_the_discriminator_is_alone(alone: bool) -> None:
    torch.manual_seed(0)
    prior = CompactPrior(tiny_config(), ALIGNMENT).eval()
    prior.path.table.normal_()
    prior.path.basis.normal_()
    settings = AdversarySettings(steps=1, batch_size=4, learning_rate=1e-3)
    game = Adversary(prior, settings)
    generator = torch.Generator().manual_seed(0)
    ages = torch.tensor([25.0, 40.0, 55.0, 70.0])
    batch = Batch(
        crops=faces_of(ages, generator).clamp(-1, 1),
        source_ages=ages,
        cells=torch.full((4, 10), 0.1),
        target_ages=ages.flip(0),
        real=RealFaces(faces_of(ages, generator).clamp(-1, 1), ages, ages.roll(1)),
    )
    before = [p.detach().clone() for p in game.players.parameters()]
    judged = [p.detach().clone() for p in game.discriminators.parameters()]
    frozen = [p.detach().clone() for p in prior.regressor.parameters()]
    game.step(batch, rate=1.0, generator=generator, alone=alone)
    moved = [not torch.equal(a, b) for a, b in zip(before, game.players.parameters(), strict=True)]
    assert any(moved) != alone
    assert any(
        not torch.equal(a, b) for a, b in zip(judged, game.discriminators.parameters(), strict=True)
    )
    assert all(torch.equal(a, b) for a, b in zip(frozen, prior.regressor.parameters(), strict=True))
