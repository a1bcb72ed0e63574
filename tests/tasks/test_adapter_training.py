import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.ageing.adapter_recipe import preset_recipe
from models.ageing.critics import critics_of
from models.ageing.judges import Judges
from models.ageing.sam import SamNetworks, SamPrior
from models.ageing.targets import AgeRange
from models.face.perceptual import LPIPS
from models.published_file import load_state
from models.training import load_checkpoint
from reage.errors import TrainingError
from reage.registry.priors import find_prior
from tasks.adapter_training import PairedTurns, School, new_adapter
from tasks.gpu import loaded_prior
from tasks.latent_lesson import LatentLesson
from tasks.photo_set import PhotoSet
from tasks.refs import PriorRef
from tasks.training_watch import Watch
from tests.published_files import CROP, SMALL, small_state

LATENT_STEPS = 3
STEPS = 5


@pytest.fixture(scope="module")
def network(tiny_prior):
    return loaded_prior(tiny_prior)


@pytest.fixture(scope="module")
def photos(network):
    rng = np.random.default_rng(5)
    size = network.config.crop_size
    crops = rng.integers(0, 255, (6, size, size, 3), np.uint8)
    critics = critics_of(network)
    return PhotoSet.of(network, critics, crops, np.linspace(30, 70, 6), with_anchors=True)


def recipe_of(network, **changes):
    recipe = preset_recipe(crop_size=network.config.crop_size, steps=STEPS)
    return replace(recipe, **{"batch_size": 3, "latent_steps": LATENT_STEPS} | changes)


def train(network, photos, recipe, path, report=lambda *_: None):
    adapter = new_adapter(network, recipe)
    School.of_adapter(network, critics_of(network), adapter, photos, recipe).run(path, report)
    return adapter


class Killed(Exception):
    """Stands for a process that ends between two steps."""


def test_killed_training_resumes_to_the_same_bits(network, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.adapter_training.SAVE_EVERY", 2)
    recipe = recipe_of(network)
    whole = train(network, photos, recipe, tmp_path / "whole.pt")

    def killer(step, steps, losses):
        assert steps == LATENT_STEPS + STEPS
        if step == LATENT_STEPS + 3:
            raise Killed

    with pytest.raises(Killed):
        train(network, photos, recipe, tmp_path / "cut.pt", killer)
    assert load_checkpoint(tmp_path / "cut.pt")["step"] == 2
    seen = []
    resumed = train(
        network, photos, recipe, tmp_path / "cut.pt", lambda step, *_: seen.append(step)
    )
    assert seen == [LATENT_STEPS + 3, LATENT_STEPS + 4, LATENT_STEPS + 5]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_killed_latent_lesson_resumes_to_the_same_bits(network, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.latent_lesson._SAVE_EVERY", 2)
    recipe = recipe_of(network, latent_steps=6, steps=1)
    whole = train(network, photos, recipe, tmp_path / "whole.pt")

    def killer(step, *_):
        if step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(network, photos, recipe, tmp_path / "cut.pt", killer)
    assert load_checkpoint(tmp_path / "cut-latents.pt")["step"] == 4
    assert not (tmp_path / "cut.pt").exists()
    resumed = train(network, photos, recipe, tmp_path / "cut.pt")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_latent_lesson_brings_the_adapter_near_the_persons_path(network, photos, tmp_path):
    recipe = recipe_of(network, latent_steps=150)
    adapter, limits = new_adapter(network, recipe), photos.range
    path = photos.path(network, window_years=3.0)
    lesson = LatentLesson(adapter, photos, path, limits, recipe)
    losses = []
    lesson.run(tmp_path / "l.pt", lambda step, steps, found: losses.append(found["total"]))
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])


def test_finished_training_is_only_loaded(network, photos, tmp_path):
    recipe = recipe_of(network)
    first = train(network, photos, recipe, tmp_path / "a.pt")
    seen = []
    again = train(network, photos, recipe, tmp_path / "a.pt", lambda *step: seen.append(step))
    assert seen == []
    assert torch.equal(first.state_dict()["fc_0.0.weight"], again.state_dict()["fc_0.0.weight"])


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_training_moves_the_adapter_and_nothing_else(network, photos, tmp_path, preset):
    recipe = replace(preset_recipe(preset, crop_size=96, steps=2), batch_size=2)
    if preset == "default":
        recipe = replace(recipe, latent_steps=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start = new_adapter(network, recipe)
    trained = train(network, photos, recipe, tmp_path / "a.pt")
    assert any(
        not torch.equal(tensor, start.state_dict()[name])
        for name, tensor in trained.state_dict().items()
    )
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_photographs_are_better_met_after_training_than_before(network, photos, tmp_path):
    recipe = recipe_of(network, steps=40, latent_steps=0, learning_rate=3e-3, extrapolates=False)
    totals = []
    train(network, photos, recipe, tmp_path / "a.pt", lambda s, n, x: totals.append(x["total"]))
    assert np.mean(totals[-10:]) < np.mean(totals[:10])


def test_loss_that_is_no_number_stops_and_keeps_the_last_good_state(
    network, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr("tasks.adapter_training.SAVE_EVERY", 1)
    recipe, path = recipe_of(network, latent_steps=0), tmp_path / "a.pt"
    adapter = new_adapter(network, recipe)
    school = School.of_adapter(network, critics_of(network), adapter, photos, recipe)

    def spoil(step, steps, losses):
        if step == 2:
            with torch.no_grad():
                adapter.get_submodule("fc_0")[2].weight.fill_(math.nan)

    with pytest.raises(TrainingError, match=r"step 2: loss: got nan.*the state before is kept"):
        school.run(path, spoil)
    assert load_checkpoint(path)["step"] == 2


def test_loss_that_runs_away_is_named():
    watch = Watch()
    for step in range(10):
        watch.see(step, 1.0)
    with pytest.raises(TrainingError, match="expected at most 20 times its best"):
        for step in range(10, 200):
            watch.see(step, 1000.0)


def test_photographs_are_mirrored_and_keep_their_ages(network, photos):
    assert len(photos.ages) == 12
    assert torch.equal(photos.crops[6:], photos.crops[:6].flip(3))
    assert torch.equal(photos.ages[:6], photos.ages[6:])
    assert (photos.range.low, photos.range.high) == (30.0, 70.0)


def test_adapter_of_a_published_prior_is_schooled_with_lpips(tmp_path):
    """The reduced SAM: other latents, crops and alignment, a decoder larger than its crops."""
    sizes = SMALL.sam(name="sam", licence="none")
    with torch.device("meta"):
        networks = SamNetworks(sizes)
    load_state(networks, small_state("sam"), place="sam", assign=True)
    compact = loaded_prior(PriorRef.of(find_prior()))
    judges = Judges(age=compact, likeness=compact, digests={"age": "a" * 64, "likeness": "b" * 64})
    sam = SamPrior(sizes, networks, judges, digest="d" * 64).eval().requires_grad_(False)
    torch.manual_seed(3)
    critics = critics_of(sam, LPIPS().eval().requires_grad_(False))
    crops = np.random.default_rng(6).integers(0, 255, (4, CROP, CROP, 3), np.uint8)
    photos = PhotoSet.of(sam, critics, crops, np.linspace(30, 70, 4), with_anchors=True)
    recipe = replace(preset_recipe(crop_size=CROP, steps=2), batch_size=2, latent_steps=2)
    adapter = new_adapter(sam, recipe)
    before = adapter.get_submodule("fc_0")[2].weight.clone()
    School.of_adapter(sam, critics, adapter, photos, recipe).run(tmp_path / "a.pt", lambda *_: None)
    after = adapter.get_submodule("fc_0")[2].weight
    assert torch.isfinite(after).all()
    assert not torch.equal(before, after)


def test_each_step_pairs_new_photographs_with_as_many_rehearsed_ones(network):
    pairs = PairedTurns(4, 3, recipe_of(network, batch_size=4))
    new, kept = {0, 1, 2, 3, 7, 8, 9, 10}, {4, 5, 6, 11, 12, 13}  # each also mirrored
    drawn = []
    for step in range(12):
        pairs.at(step)
        rows = pairs.rows.tolist()
        assert set(rows[:2]) <= new
        assert set(rows[2:]) <= kept
        drawn.append(rows)
    assert {row for rows in drawn for row in rows} == new | kept
    pairs.at(5)
    assert pairs.rows.tolist() == drawn[5]


def test_rehearsed_training_goes_on_from_where_it_was_killed(
    network, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr("tasks.adapter_training.SAVE_EVERY", 2)
    recipe = recipe_of(network, latent_steps=0, batch_size=2)

    def taught(path, report=lambda *_: None):
        adapter = new_adapter(network, recipe)
        pairs = PairedTurns(4, 2, recipe)
        school = School.of_adapter(network, critics_of(network), adapter, photos, recipe, pairs)
        school.run(path, report)
        return adapter.state_dict()

    def killer(step, *_):
        if step == 3:
            raise Killed

    whole = taught(tmp_path / "whole.pt")
    with pytest.raises(Killed):
        taught(tmp_path / "cut.pt", killer)
    for name, tensor in taught(tmp_path / "cut.pt").items():
        assert torch.equal(tensor, whole[name]), name


def test_ages_known_from_before_are_not_held_to_the_general_prior(network, photos):
    covers = AgeRange(20.0, 85.0)
    known = replace(photos, covers=covers)
    assert (photos.range, known.range) == (AgeRange(30.0, 70.0), covers)
