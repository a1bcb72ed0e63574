import numpy as np
import pytest
import torch
from torch import nn

from models.ageing.personal_pass import PhotoBatch
from models.continual.rehearsal import Rehearsal, Rounds, UpdateRecipe, learn_increment


class Mean:
    """Learns the mean of what it sees; notes which photographs those are."""

    def __init__(self):
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.parts = {"mean": self.network}
        self.seen = []

    def codes(self, crops):
        return crops.flatten(1)[:, None]

    def loss(self, photos, *, generator):
        self.seen.append((photos.ages.tolist(), float(torch.rand((), generator=generator))))
        return (self.network.weight - photos.crops.mean(dim=(1, 2, 3))).square().mean()


def _photos(values):
    crops = torch.tensor(values)[:, None, None, None].expand(-1, 3, 2, 2)
    return PhotoBatch(crops=crops, ages=torch.tensor(values))


def _learn(path, learner, kept, **settings):
    recipe = UpdateRecipe(**{"steps": 6, "learning_rate": 0.1, **settings})
    told = []

    def report(*line):
        told.append(line)

    learn_increment(learner, _photos([1.0, 2.0, 3.0]), kept, recipe, checkpoint=path, report=report)
    return told


def test_rounds_show_everything_once_before_anything_twice():
    rounds = Rounds(5, 2, [0])
    rows = torch.cat([rounds.at(step) for step in range(10)]).view(4, 5)
    assert all(sorted(row) == [0, 1, 2, 3, 4] for row in rows.tolist())
    assert len({tuple(row) for row in rows.tolist()}) > 1


def test_a_step_depends_on_seed_and_number_alone():
    one, other = (Rehearsal(20, 3, batch_size=2, seed=4) for _ in range(2))
    for step in (5, 0, 3):
        one.at(step)
    other.at(3)
    assert one.new_rows.equal(other.new_rows)
    assert one.kept_rows.equal(other.kept_rows)
    assert one.generator.initial_seed() == other.generator.initial_seed()
    strange = Rehearsal(20, 3, batch_size=2, seed=5)
    strange.at(3)
    assert one.generator.initial_seed() != strange.generator.initial_seed()


def test_every_step_pairs_new_with_rehearsed_photographs(tmp_path):
    learner = Mean()
    told = _learn(tmp_path / "c.pt", learner, _photos([-1.0]))
    assert len(learner.seen) == 12
    for (new, _), (kept, _) in zip(learner.seen[::2], learner.seen[1::2], strict=True):
        assert len(new) == len(kept) == 2
        assert set(kept) == {-1.0}
    assert set(told[0][3]) == {"new", "rehearsed"}


def test_new_and_rehearsed_weigh_the_same(tmp_path):
    """Whatever the sizes, the mean that is learnt lies midway."""
    learner = Mean()
    _learn(tmp_path / "c.pt", learner, _photos([-4.0]), steps=400, learning_rate=0.05)
    assert float(learner.network.weight) == pytest.approx((2.0 - 4.0) / 2, abs=0.1)


def test_without_a_buffer_only_new_photographs_are_seen(tmp_path):
    learner = Mean()
    told = _learn(tmp_path / "c.pt", learner, None)
    assert len(learner.seen) == 6
    assert set(told[0][3]) == {"new"}


def test_a_killed_increment_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr("models.training.SAVE_EVERY", 2)
    whole, cut = Mean(), Mean()
    _learn(tmp_path / "whole.pt", whole, _photos([-1.0, 5.0]))
    with pytest.raises(KeyboardInterrupt):
        _cut_at(tmp_path / "cut.pt", cut, step=5)
    again = Mean()
    _learn(tmp_path / "cut.pt", again, _photos([-1.0, 5.0]))
    assert torch.equal(whole.network.weight, again.network.weight)


def _cut_at(path, learner, *, step):
    def report(_stage, done, _steps, _terms):
        if done == step:
            raise KeyboardInterrupt

    recipe = UpdateRecipe(steps=6, learning_rate=0.1)
    learn_increment(
        learner, _photos([1.0, 2.0, 3.0]), _photos([-1.0, 5.0]), recipe, checkpoint=path,
        report=report,
    )  # fmt: skip


def test_an_increment_without_photographs_is_refused(tmp_path):
    nothing = PhotoBatch(crops=torch.zeros(0, 3, 2, 2), ages=torch.zeros(0))
    with pytest.raises(ValueError, match="new photographs: got 0, expected at least 1"):
        learn_increment(
            Mean(), nothing, None, UpdateRecipe(steps=1), checkpoint=tmp_path / "c.pt",
            report=lambda *_: None,
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"UpdateRecipe.steps: got 0, expected above 0"):
        UpdateRecipe(steps=0)


def test_rounds_of_a_buffer_smaller_than_a_batch_repeat_it():
    assert sorted(Rounds(1, 4, [0]).at(7).tolist()) == [0, 0, 0, 0]
    assert np.bincount(Rounds(3, 6, [0]).at(0).numpy()).tolist() == [2, 2, 2]
