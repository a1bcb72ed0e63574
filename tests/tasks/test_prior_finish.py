"""The finishing stage: only the finish learns, and what it learns shows in the prior's changes."""

from dataclasses import replace

import pytest
import torch

from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment
from models.ageing.recipe import FinishSettings, PriorRecipe
from tasks.prior_discriminators import RealFaces, new_reader
from tasks.prior_finish import Finishing
from tasks.prior_game import Batch

ALIGNMENT = TemplateAlignment(landmark_indices=(1, 2), template=((8.0, 8.0), (24.0, 8.0)), size=32)
SETTINGS = FinishSettings(steps=1, batch_size=8, learning_rate=2e-3, seen_size=16)
LINE = torch.zeros(32, 1)
LINE[10:14] = -0.8  # across the forehead
YOUNG, OLD = torch.full((8,), 25.0), torch.full((8,), 75.0)


@pytest.fixture
def prior() -> CompactPrior:
    torch.manual_seed(0)
    prior = CompactPrior(tiny_config(), ALIGNMENT).eval().requires_grad_(False)
    prior.path.table.normal_()
    prior.path.basis.normal_()
    return prior


def batch(generator: torch.Generator) -> Batch:
    """Young faces are plain, old ones have a line across the forehead."""
    plain = 0.1 * torch.randn(8, 3, 32, 32, generator=generator)
    return Batch(
        crops=plain,
        source_ages=YOUNG,
        cells=torch.full((8, 10), 0.1),
        target_ages=OLD,
        real=RealFaces(plain.flip(0) + LINE, OLD, YOUNG),
    )


@pytest.mark.parametrize("alone", [True, False])
def test_a_step_moves_the_finish_unless_the_discriminators_are_alone(
    prior: CompactPrior, alone: bool
) -> None:
    game = Finishing(prior, new_reader(prior), SETTINGS)
    generator = torch.Generator().manual_seed(0)
    before = {name: p.clone() for name, p in prior.state_dict().items()}
    judged = {name: p.clone() for name, p in game.discriminators.state_dict().items()}
    told = game.step(batch(generator), rate=1.0, generator=generator, alone=alone)
    after, judges = prior.state_dict(), game.discriminators.state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    learnt = {name.split(".")[0] for name in judged if not torch.equal(judged[name], judges[name])}
    assert moved == (set() if alone else {"finish"})
    assert learnt == {"whole", "fine"}
    assert ("fine" in told) != alone


def test_the_finish_learns_to_please_discriminators_that_stand_still(prior: CompactPrior) -> None:
    generator = torch.Generator().manual_seed(0)
    game = Finishing(prior, new_reader(prior), replace(SETTINGS, head_rate=0.01))
    for _ in range(40):
        game.step(batch(generator), rate=1.0, generator=generator, alone=True)
    game.settings = replace(game.settings, trunk_rate=0.0, head_rate=0.0)
    told = [game.step(batch(generator), rate=1.0, generator=generator) for _ in range(40)]
    for name in ("whole fake", "fine fake"):
        first, last = (sum(terms[name] for terms in part) / 5 for part in (told[:5], told[-5:]))
        assert last > first + 0.05


def test_a_phase_may_move_faces_farther_to_become_younger(prior: CompactPrior) -> None:
    prior.rejuvenation_gain.fill_(1.25)
    game = Finishing(prior, new_reader(prior), SETTINGS)
    older = batch(torch.Generator().manual_seed(0))
    younger = replace(older, source_ages=OLD, target_ages=YOUNG)
    plain = [game.render(moved).decoded for moved in (older, younger)]
    game.settings = replace(SETTINGS, rejuvenation_gain=2.5)
    farther = [game.render(moved).decoded for moved in (older, younger)]
    game.settings = SETTINGS
    assert torch.equal(farther[0], plain[0])
    assert farther[1].abs().mean() > 1.2 * plain[1].abs().mean()
    assert torch.equal(game.render(younger).decoded, plain[1])


def test_a_prior_without_a_finish_is_refused() -> None:
    plain = CompactPrior(replace(tiny_config(), finish_channels=()), ALIGNMENT)
    with pytest.raises(ValueError, match=r"prior\.finish: got none, expected a prior whose config"):
        Finishing(plain, new_reader(plain), SETTINGS)


def test_a_recipe_for_half_a_finish_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PriorRecipe\.finish: got 0 phases and prior"):
        PriorRecipe(prior=tiny_config())
