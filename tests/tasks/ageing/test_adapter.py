import numpy as np
import pytest
import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.adapter_files import adapter_bytes, adapter_network
from reage.registry.adapter_facts import TrainedFacts
from reage.registry.adapters import register_adapter
from tasks.ageing import age_chunk
from tasks.crops import to_tensor
from tasks.refs import AdapterRef
from tests.tasks.ageing.entries import FRAMES, entry


@pytest.fixture
def adapter_of(network, tmp_path, monkeypatch):
    """Registers an adapter for the tiny prior and returns its ref."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    config = network.config

    def make(*, is_zero, course=()):
        torch.manual_seed(1)
        sizes = AdapterConfig(
            num_layers=config.num_layers, latent_size=config.latent_size, is_zero_at_start=is_zero
        )
        facts = TrainedFacts(
            prior_name="tiny",
            prior_digest=network.digest,
            licence="none",
            collection_digest="",
            num_photographs=1,
            min_age=30,
            max_age=70,
            consent_document="CONSENT-1",
            network=adapter_network(sizes),
            recipe={},
            strength_course=course,
        )
        return AdapterRef.of(register_adapter("ada", adapter_bytes(Adapter(sizes)), facts))

    return make


def test_adapter_that_adds_nothing_ages_as_the_prior_alone(plan, adapter_of):
    adapter = adapter_of(is_zero=True)
    alone, beside = plan(entry()), plan(entry(), adapter=adapter)
    assert (alone.adapter, beside.adapter) == (None, adapter)
    assert alone.digest != beside.digest
    one, other = np.load(alone.path), np.load(beside.path)
    assert np.array_equal(one["offsets"], other["offsets"])
    np.testing.assert_allclose(one["offsets"], other["personal_offsets"], atol=1e-5)


def test_adapter_leads_elsewhere_and_changes_nothing_where_the_ages_agree(
    plan, adapter_of, tiny_prior, workspace
):
    adapter = adapter_of(is_zero=False)
    resting = plan(entry(40), adapter=adapter)
    data = np.load(resting.path)
    resting_there = data["personal_source_offset"]
    np.testing.assert_allclose(data["personal_offsets"][0], resting_there, atol=1e-5)
    assert np.abs(resting_there).max() > 1e-3
    still = age_chunk.fn(resting, tiny_prior, FRAMES, workspace=workspace)
    assert np.abs(np.load(still.path)).max() < 1e-4
    moved = [
        np.load(age_chunk.fn(made, tiny_prior, FRAMES, workspace=workspace).path)
        for made in (plan(entry()), plan(entry(), adapter=adapter))
    ]
    assert np.abs(moved[0] - moved[1]).max() > 1e-3


@pytest.fixture
def changes(plan, tiny_prior, workspace):
    """Renders an actor's entry and returns the changes, (T, S, S, 3)."""

    def run(actor, adapter=None):
        ref = plan(actor, adapter=adapter)
        return np.load(age_chunk.fn(ref, tiny_prior, FRAMES, workspace=workspace).path)

    return run


def followed(strength, target_age=70, **settings):
    return entry(target_age, adapter="latest", adapter_strength=strength, **settings)


def test_strength_0_is_the_prior_and_strength_1_the_adapter_to_the_bit(
    changes, plan, adapter_of, network
):
    adapter = adapter_of(is_zero=False, course=(0.0, 0.4, 1.0))
    assert np.array_equal(changes(followed(0), adapter), changes(entry()))
    ref = plan(followed(1), adapter=adapter)
    data = np.load(ref.path)
    [aged] = data["personal_offsets"]
    latents = [data["w_plus"][:8] + move for move in (data["personal_source_offset"], aged)]
    with torch.inference_mode():
        decoded = [network.decode(torch.from_numpy(w)) for w in latents]
        crops = np.load(ref.latents[0].path)["crops"][:8]
        mattes = torch.from_numpy(np.load(ref.latents[0].path)["faces"][:8, None] / 255)
        alone = network.difference(*decoded, to_tensor(crops), mattes)
        alone = alone.permute(0, 2, 3, 1).numpy()
    assert np.array_equal(changes(followed(1), adapter)[:8], alone)


def test_strength_lies_where_the_adapters_own_course_says(plan, adapter_of):
    adapter = adapter_of(is_zero=False, course=(0.0, 0.4, 1.0))
    assert adapter.strength_course == (0.0, 0.4, 1.0)
    assert np.load(plan(followed(0.5), adapter=adapter).path)["place"].tolist() == [0.4] * 16


def test_strength_follows_its_keyframes_frame_by_frame(changes, plan, adapter_of):
    adapter = adapter_of(is_zero=False, course=(0.0, 0.5, 1.0))
    rising = {"keyframes": {1001: 0, 1016: 1}, "interpolation": "linear"}
    places = np.load(plan(followed(rising), adapter=adapter).path)["place"]
    assert places.tolist() == pytest.approx(np.linspace(0, 1, 16).tolist())
    moving, prior, own = (
        changes(*asked)
        for asked in ((followed(rising), adapter), (entry(),), (followed(1), adapter))
    )
    assert np.array_equal(moving[0], prior[0])
    assert np.array_equal(moving[15], own[15])
    steps = np.abs(np.diff(moving, axis=0)).mean(axis=(1, 2, 3))
    assert steps.min() > 0.2 * steps.max() > 0


def test_ages_that_agree_change_nothing_at_any_strength(changes, adapter_of):
    still = changes(followed(0.5, target_age=40), adapter_of(is_zero=False))
    assert np.abs(still).max() < 1e-4


def test_strength_that_was_never_measured_is_followed_as_it_is_and_says_so(
    plan, adapter_of, caplog
):
    adapter = adapter_of(is_zero=False)
    assert np.load(plan(followed(0.5), adapter=adapter).path)["place"].tolist() == [0.5] * 16
    assert "strength not measured for this adapter" in caplog.text
    caplog.clear()
    plan(followed(1), adapter=adapter)
    assert caplog.text == ""
