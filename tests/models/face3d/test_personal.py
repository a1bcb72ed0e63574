import copy

import pytest
import torch

from models.ageing.personal_pass import PhotoBatch
from models.continual.personal_edit import direction_weights, edited
from models.continual.personal_hull import InversionRecipe, PersonalHull
from models.continual.rehearsal import UpdateRecipe, learn_increment
from models.face3d.personal import PersonalFace
from models.face3d.recipe import BETAS, Face3DRecipe
from models.lora.adapter import LowRankAdapter
from models.lora.layer import LoRAConfig
from tests.tri_planes import some_cameras, tiny_generator

COUNT = 4


def absolute(a, b):
    return (a - b).abs().mean(dim=(1, 2, 3))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def generator():
    return tiny_generator()


@pytest.fixture
def photos(generator):
    """Photographs of an actor whose weights are not quite the generator's."""
    cameras = some_cameras(COUNT)
    codes = generator.latents(torch.randn(COUNT, 8, generator=seeded(4)), cameras)
    actor = copy.deepcopy(generator)
    for number, parameter in enumerate(actor.backbone.synthesis.parameters()):
        spread = 0.2 * parameter.std().nan_to_num(0)
        parameter.add_(spread * torch.randn(parameter.shape, generator=seeded(number)))
    with torch.no_grad():
        crops = actor.view(actor.identity(codes), cameras, sampling="even")
    return PhotoBatch(crops=crops, ages=torch.full((COUNT,), 40.0), codes=codes, cameras=cameras)


def low_rank(generator, rank=1):
    adapter = LowRankAdapter(generator, LoRAConfig(rank=rank, lora_alpha=rank), rng=seeded())
    return PersonalFace.low_rank(generator, adapter, perceptual=absolute)


def taught(learner, photos, path, *, steps=20, kept=None):
    told = []
    recipe = UpdateRecipe(steps=steps, batch_size=2, learning_rate=0.01, betas=BETAS)
    learn_increment(
        learner, photos, kept, recipe, checkpoint=path,
        report=lambda _stage, _done, _steps, terms: told.append(terms["new"]),
    )  # fmt: skip
    return told


@pytest.mark.parametrize("kind", ["low_rank", "tuned"])
def test_a_person_is_learnt_and_what_is_everyones_stays(kind, generator, photos, tmp_path):
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    own = generator if kind == "low_rank" else copy.deepcopy(generator)
    learner = low_rank(own) if kind == "low_rank" else PersonalFace.tuned(own, perceptual=absolute)
    losses = taught(learner, photos, tmp_path / "c.pt")
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    for name, value in own.state_dict().items():
        is_personal = kind == "tuned" and name.startswith(generator.PERSONAL_PARTS)
        assert is_personal or torch.equal(value, before[name]), name
    assert all(p.grad is None for p in own.backbone.mapping.parameters())


def test_an_untrained_adapter_shows_the_generators_own_views(generator, photos):
    with torch.no_grad():
        raw, made = low_rank(generator).views(photos.codes, photos.cameras, sampling="even")
        identity = generator.identity(photos.codes)
        rendering = generator.render(identity, photos.cameras, sampling="even")
    assert torch.allclose(raw, rendering.raw_picture, atol=1e-5)
    assert torch.allclose(made, generator.picture(identity, rendering), atol=1e-5)


def test_only_low_rank_and_small_numbers_learn(generator):
    learner = low_rank(generator, rank=2)
    adapter = learner.parts["adapter"]
    assert learner.num_trained == adapter.num_low_rank + adapter.num_own
    tuned = PersonalFace.tuned(copy.deepcopy(generator), perceptual=absolute)
    everything = sum(p.numel() for p in generator.parameters())
    assert learner.num_trained < tuned.num_trained < everything


def test_a_killed_training_goes_on_as_if_it_had_not_been(generator, photos, tmp_path):
    whole = low_rank(generator)
    taught(whole, photos, tmp_path / "whole.pt", steps=6)
    first = low_rank(generator)
    taught(first, photos, tmp_path / "part.pt", steps=3)
    second = low_rank(generator)
    taught(second, photos, tmp_path / "part.pt", steps=6)
    wanted = whole.parts["adapter"].state_dict()
    found = second.parts["adapter"].state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_nightly_increment_rehearses_photographs_with_their_cameras(generator, photos, tmp_path):
    new, kept = photos.rows(torch.tensor([0, 1])), photos.rows(torch.tensor([2, 3]))
    assert torch.equal(new.cameras, photos.cameras[:2])
    learner = low_rank(generator)
    terms = []
    learn_increment(
        learner, new, kept, UpdateRecipe(steps=2, betas=BETAS), checkpoint=tmp_path / "c.pt",
        report=lambda _stage, _done, _steps, told: terms.append(dict(told)),
    )  # fmt: skip
    assert set(terms[0]) == {"new", "rehearsed"}


def test_photographs_without_cameras_are_refused(generator, photos):
    bare = PhotoBatch(crops=photos.crops, ages=photos.ages, codes=photos.codes)
    with pytest.raises(ValueError, match="cameras: got none, expected the label of each"):
        low_rank(generator).loss(bare, generator=seeded())
    without = PhotoBatch(crops=photos.crops, ages=photos.ages, cameras=photos.cameras)
    with pytest.raises(ValueError, match="codes: got none"):
        low_rank(generator).loss(without, generator=seeded())


def test_jitter_comes_from_the_generator_given(generator, photos):
    learner = low_rank(generator)
    losses = [float(learner.loss(photos, generator=seeded(n))) for n in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_a_look_is_inverted_into_the_hull_and_edited_there(generator, photos):
    hull = PersonalHull(photos.codes)
    camera, noise = photos.cameras[:1], "even"
    wanted = hull.mix(torch.tensor([[0.7, 0.3, 0.0, 0.0]]))

    def decode(w_plus):
        return generator.view(generator.identity(w_plus), camera, sampling=noise)

    with torch.no_grad():
        picture, middle = decode(wanted), decode(hull.mix(torch.full((1, 4), 0.25)))
    recipe = InversionRecipe(steps=120, learning_rate=0.05, shared_layers=9)
    found = hull.invert(picture, decode, absolute, recipe)
    with torch.no_grad():
        assert absolute(decode(found), picture) < 0.5 * absolute(middle, picture)
    weights = hull.weights_near(found, dilation=hull.dilation)
    change = direction_weights(hull, photos.codes[1] - photos.codes[0])
    moved = edited(hull, weights, change, 5.0, outside="project")
    assert float(moved.min()) >= -hull.dilation - 1e-4
    assert float(moved[0, 1]) > float(weights[0, 1])


def test_recipe_is_the_published_one():
    update = Face3DRecipe().update()
    assert (update.learning_rate, update.batch_size) == (pytest.approx(0.002), 4)
    assert update.betas == (0.0, pytest.approx(0.99199, abs=1e-5))
    assert Face3DRecipe().plain()["projection"]["map_weight"] == 1e5
