import pytest
import torch

from benchmarks.my3dgen.actors import KINDS, Actor, seeded_prior
from benchmarks.my3dgen.people import PhotographedPeople, SampledPeople
from benchmarks.my3dgen.rows import WAYS, Bench
from benchmarks.my3dgen.summary import summary, verdicts
from models.ageing.loading import load_prior
from reage.registry.priors import find_prior


@pytest.fixture(scope="module")
def bench():
    prior = seeded_prior()
    return Bench(prior, SampledPeople(prior), load_prior(find_prior().folder, {}), 2, 2, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_actor_is_the_same_for_the_same_seed_and_is_not_the_prior(kind, bench):
    one, other = (Actor.hidden_in(bench.prior, bench.people, kind, seed=3) for _ in range(2))
    assert torch.equal(one.photographs(2).crops, other.photographs(2).crops)
    weights = {n: p for n, p in one.truth.named_parameters() if n.endswith("torgb.weight")}
    own = dict(bench.prior.named_parameters())
    for name, weight in weights.items():
        change = (weight - own[name]).norm() / own[name].norm()
        assert float(change) == pytest.approx(0.15, rel=1e-3)


def test_ten_photographs_are_the_first_of_fifty(bench):
    actor = Actor.hidden_in(bench.prior, bench.people, "low rank", seed=0)
    few, many = actor.photographs(3), actor.photographs(5)
    assert torch.equal(few.codes, many.codes[:3])
    assert torch.equal(few.cameras, many.cameras[:3])


def test_the_truth_itself_is_as_like_as_can_be(bench):
    actor = Actor.hidden_in(bench.prior, bench.people, "low rank", seed=0)
    views = actor.novel_views(4)
    assert float(bench.likeness(views.crops, views.crops).min()) == pytest.approx(1, abs=1e-4)
    assert float(bench.row(actor, actor.photographs(2), "original")["likeness"]) < 0.99


def test_people_of_photographs_lie_between_their_codes_and_the_mean():
    people = PhotographedPeople(torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0)))
    drawn, near = (people.latents(7, torch.Generator().manual_seed(1), psi=p) for p in (1.0, 0.5))
    assert all((people.codes == code).all(dim=(1, 2)).any() for code in drawn)
    torch.testing.assert_close(near, (drawn + people.codes.mean(dim=0)) / 2)


def test_summary_judges_rank_one_by_the_better_full_fine_tuning(bench):
    likeness = {"original": 0.4, "full": 0.7, "full, slow": 0.9, "rank 1": 0.88}
    rows = [
        {
            "kind": "low rank", "photographs": 10, "way": way, "numbers": 1, "psnr": 20.0 + seed,
            "perceptual": 0.1, "likeness": likeness.get(way, 0.8), "processor_seconds": 1.0,
        }
        for way in WAYS
        for seed in (0, 2)
    ]  # fmt: skip
    lines = summary(rows)
    assert (lines[0]["psnr"], lines[0]["psnr_spread"]) == (21.0, 1.0)
    [verdict] = verdicts(lines)
    assert verdict["full"] == 0.9
    assert verdict["within_3_percent"]
    assert not verdict["better"]
