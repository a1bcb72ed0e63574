import json
from pathlib import Path

import pytest
import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.shapes import ShapeError

GOLDEN = Path(__file__).parents[2] / "assets" / "golden"
TINY = AdapterConfig(num_layers=4, latent_size=8, bottleneck_size=8, global_size=8, age_size=8)


def _latents(batch=3):
    return torch.randn(batch, 4, 8, generator=torch.Generator().manual_seed(0))


def _schooled():
    torch.manual_seed(1)
    adapter = Adapter(TINY)
    for parameter in adapter.parameters():
        torch.nn.init.normal_(parameter)
    return adapter


def test_adapter_at_published_size_has_the_published_keys_and_shapes():
    published = json.loads((GOLDEN / "blender_keys.json").read_text())
    with torch.device("meta"):
        state = Adapter(AdapterConfig.published()).state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == published


def test_adapter_changes_nothing_before_it_is_schooled():
    latents = _latents()
    assert torch.equal(Adapter(TINY)(latents, torch.tensor([20.0, 40.0, 60.0])), latents)


def test_adapter_as_published_starts_with_an_offset():
    config = AdapterConfig(num_layers=4, latent_size=8, is_zero_at_start=False)
    latents = _latents()
    assert not torch.allclose(Adapter(config)(latents, torch.full((3,), 40.0)), latents)


def test_adapter_at_zero_still_learns():
    adapter = Adapter(TINY)
    adapter(_latents(), torch.full((3,), 40.0)).square().sum().backward()
    assert adapter.get_submodule("fc_0")[2].weight.grad.abs().sum() > 0


def test_adapter_depends_on_age_and_on_every_layer():
    adapter, latents = _schooled(), _latents(1)
    young, old = (adapter(latents, torch.tensor([age])) for age in (30.0, 70.0))
    assert not torch.allclose(young, old)
    moved = latents.clone()
    moved[:, 3] += 1
    offset = adapter(latents, torch.tensor([30.0])) - latents
    moved_offset = adapter(moved, torch.tensor([30.0])) - moved
    assert not torch.allclose(offset[:, 0], moved_offset[:, 0])


def test_adapter_treats_samples_apart():
    adapter, latents, order = _schooled(), _latents(), torch.tensor([2, 0, 1])
    ages = torch.tensor([20.0, 40.0, 60.0])
    torch.testing.assert_close(adapter(latents[order], ages[order]), adapter(latents, ages)[order])


def test_adapter_refuses_one_age_for_many_latents():
    with pytest.raises(ShapeError, match=r"target_age: got shape \(1,\), expected \(3\)"):
        Adapter(TINY)(_latents(), torch.tensor([40.0]))
