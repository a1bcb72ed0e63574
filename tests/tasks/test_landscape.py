"""Small real trainings on a small prior: what the diagnosis says of each."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.ageing.adapter_files import adapter_bytes, adapter_network
from models.ageing.adapter_recipe import preset_recipe
from models.ageing.compact_prior import CompactPrior, save_prior, tiny_config
from models.ageing.critics import critics_of
from models.ageing.prior import TemplateAlignment
from models.training import pictures
from reage.errors import RegistryError
from reage.storage import file_digest
from reage.workspace import Workspace
from tasks.adapter_training import School, new_adapter, untrained_adapter
from tasks.gpu import loaded_prior
from tasks.landscape import draw_landscape
from tasks.photo_set import PhotoSet
from tasks.refs import CollectionRef, PriorRef
from tasks.states import StateRef

NUM_PHOTOS, LATENT_STEPS = 8, 400
AGES = np.linspace(30, 70, NUM_PHOTOS).astype(np.float32)


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """A prior of 32 px that does not age anybody: what happens with age is the person's own."""
    torch.manual_seed(11)
    template = ((8.0, 12.0), (24.0, 12.0), (16.0, 26.0))
    alignment = TemplateAlignment(landmark_indices=(33, 263, 13), template=template, size=32)
    folder = tmp_path_factory.mktemp("priors") / "ageless"
    digest = save_prior(CompactPrior(tiny_config(), alignment), folder)
    return PriorRef(name="ageless", folder=str(folder), digest=digest)


@pytest.fixture(scope="module")
def network(prior):
    return loaded_prior(prior)


@pytest.fixture(scope="module")
def people(network, tmp_path_factory):
    """Collections of two people: faces of the prior, of latents that lie apart."""
    folder, config = tmp_path_factory.mktemp("people"), network.config
    found = {}
    for seed, name in enumerate(("ada", "eva")):
        rng = torch.Generator().manual_seed(seed)
        shape = (config.num_layers, config.latent_size)
        face, drift = torch.randn(2, *shape, generator=rng)
        own = torch.linspace(-1, 1, NUM_PHOTOS)[:, None, None] * drift
        taken = 0.1 * torch.randn(NUM_PHOTOS, *shape, generator=rng)
        with torch.no_grad():
            crops = pictures(network.decode(face + own + taken))
        path = folder / f"{name}.npz"
        np.savez(path, crops=crops, ages=AGES)
        found[name] = CollectionRef(
            path=str(path), digest=name * 10, num_photos=NUM_PHOTOS, min_age=30, max_age=70,
            num_refused=0, report="",
        )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def trained(network, people, tmp_path_factory):
    """Trains an adapter on somebody's photographs and points to it."""

    def run(name, *, latent_steps=LATENT_STEPS, latent_rate=1e-2):
        recipe = preset_recipe(crop_size=network.config.crop_size, steps=1)
        recipe = replace(
            recipe, latent_steps=latent_steps, latent_rate=latent_rate, learning_rate=1e-5
        )
        with np.load(people[name].path) as arrays:
            crops, ages = arrays["crops"], arrays["ages"]
        critics = critics_of(network)
        photos = PhotoSet.of(network, critics, crops, ages, with_anchors=True)
        adapter, folder = new_adapter(network, recipe), tmp_path_factory.mktemp("trained")
        school = School.of_adapter(network, critics, adapter, photos, recipe)
        school.run(folder / "checkpoint.pt", lambda *_: None)
        (folder / "weights.safetensors").write_bytes(adapter_bytes(adapter))
        described = {
            "network": adapter_network(adapter.config), "recipe": recipe.plain(), "metrics": {},
            "strength_course": [0.0, 0.4, 1.0],
        }  # fmt: skip
        (folder / "adapter.json").write_text(json.dumps(described))
        made = SimpleNamespace(folder=str(folder), digest="")
        return StateRef.of_training("ada", "v001", made, people[name])

    return run


@pytest.fixture(scope="module")
def good(trained):
    return trained("ada")


@pytest.fixture(scope="module")
def diagnosed(people, prior, tmp_path_factory):
    workspace = Workspace.of_actor(tmp_path_factory.mktemp("work"), "ada")

    def run(state, previous=None):
        return draw_landscape.fn(state, previous, people["ada"], prior, workspace=workspace)

    return run


def with_tensors(state, folder, change):
    """Points to a copy of a version whose tensors `change` has had its way with."""
    from safetensors.torch import load_file

    path = folder / "weights.safetensors"
    save_file({name: change(name, t) for name, t in load_file(state.weights).items()}, path)
    return replace(state, weights=str(path), digest=file_digest(path))


def scrambled(name, tensor):
    """Biases in another order than their weights."""
    if not name.endswith("bias"):
        return tensor
    order = torch.randperm(len(tensor), generator=torch.Generator().manual_seed(len(tensor)))
    return tensor[order].contiguous()


def plots_of(landscape):
    return json.loads((landscape.page.parent / "landscape.json").read_text())


def test_good_adapter_is_sound_and_its_page_needs_nothing_but_itself(good, diagnosed):
    found = diagnosed(good)
    assert (found.is_sound, found.headline, found.barrier) == (True, "sound", None)
    figures = plots_of(found)
    way = figures["from_start"]
    assert way["losses"]["total"][-1] < 0.5 * way["losses"]["total"][0]
    assert len(way["losses"]["total"]) == 11
    assert figures["from_previous"] is None
    page = found.page.read_text()
    assert "<h1>ada <span>v001</span></h1>" in page
    assert "data:image/jpeg;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_report_tells_under_trained_wrong_and_scrambled_adapters_apart(
    trained, good, diagnosed, tmp_path
):
    verdicts = {
        "short": diagnosed(trained("ada", latent_steps=25, latent_rate=3e-3)),
        "wrong": diagnosed(replace(trained("eva"), collection="eva" * 10)),
        "scrambled": diagnosed(with_tensors(good, tmp_path, scrambled)),
    }
    assert {name: found.headline for name, found in verdicts.items()} == {
        "short": "under-trained",
        "wrong": "learnt from another face",
        "scrambled": "biases out of step",
    }
    assert not any(found.is_sound for found in verdicts.values())
    for found in verdicts.values():
        assert f"<strong>{found.headline.capitalize()}</strong>" in found.page.read_text()
    assert "judged on other photographs" in " ".join(verdicts["wrong"].findings)


def test_update_that_goes_on_from_the_version_before_has_no_barrier(good, diagnosed, tmp_path):
    start = untrained_adapter(good.network, seed=good.recipe.seed).state_dict()
    halfway = with_tensors(good, tmp_path, lambda name, t: torch.lerp(start[name].cpu(), t, 0.9))
    found = diagnosed(replace(good, version="v002"), halfway)
    assert found.barrier == pytest.approx(0, abs=1e-6)
    assert "connected to v001: no barrier above 5%" in found.findings


def test_update_that_lies_elsewhere_is_behind_a_barrier(good, diagnosed, tmp_path):
    """The same function with its hidden units in another order."""
    sizes = good.network

    def reordered(name, tensor):
        number, _, part = name.partition(".")
        if not number.startswith("fc_"):
            return tensor
        order = torch.randperm(sizes.latent_size, generator=torch.Generator().manual_seed(7))
        return (
            (tensor[:, order] if part == "2.weight" else tensor[order]).contiguous()
            if (part != "2.bias")
            else tensor
        )

    elsewhere = replace(with_tensors(good, tmp_path, reordered), version="v002")
    found = diagnosed(elsewhere, good)
    way = plots_of(found)["from_previous"]["losses"]["total"]
    assert way[0] == pytest.approx(way[-1], rel=1e-3)
    assert found.barrier > 0.05
    assert found.headline == "behind a barrier"


def test_second_diagnosis_finds_the_first(good, diagnosed, monkeypatch):
    first = diagnosed(good)
    monkeypatch.setattr("tasks.landscape.Ground", None)
    assert diagnosed(good) == first


def test_versions_of_other_sizes_have_no_line_between_them(good, diagnosed):
    other = replace(good, network=replace(good.network, age_size=3), version="v000", digest="0")
    with pytest.raises(RegistryError, match=r"adapter ada v000: got .* expected the sizes of v001"):
        diagnosed(good, other)
