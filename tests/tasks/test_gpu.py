import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.ageing.compact_prior import save_prior
from reage.errors import RegistryError
from tasks.gpu import _cpu_has_bfloat16, device, loaded_prior, mixed_precision


@pytest.fixture
def copied(tiny_prior, tmp_path):
    """The tiny prior in a folder of its own, to be tampered with."""
    folder = tmp_path / "copied"
    shutil.copytree(tiny_prior.folder, folder)
    return replace(tiny_prior, folder=str(folder))


def test_prior_is_loaded_for_inference_on_the_device(tiny_prior):
    prior = loaded_prior(tiny_prior)
    assert not prior.training
    assert {p.device.type for p in prior.parameters()} == {device().type}
    assert not any(p.requires_grad for p in prior.parameters())
    assert prior.digest == tiny_prior.digest


def test_prior_first_asked_for_in_inference_mode_can_be_trained_through(copied):
    with torch.inference_mode():
        prior = loaded_prior(copied)
    config = prior.config
    w_plus = torch.zeros(1, config.num_layers, config.latent_size, requires_grad=True)
    prior.decode(w_plus).sum().backward()
    assert w_plus.grad is not None


def test_prior_is_loaded_once_for_a_ref(tiny_prior):
    assert loaded_prior(tiny_prior) is loaded_prior(replace(tiny_prior))


def test_weights_that_differ_from_the_refs_are_refused(copied):
    folder = Path(copied.folder)
    other = loaded_prior(copied)
    with torch.no_grad():
        other.path.table.add_(0.5)
    changed = save_prior(other, folder)
    with pytest.raises(RegistryError) as caught:
        loaded_prior(replace(copied, folder=f"{folder}/."))  # another ref, so loaded anew
    assert str(caught.value) == (
        f"prior tiny: weights: got {changed[:12]}…, expected {copied.digest[:12]}…; "
        "register the changed weights under a new name"
    )


def test_weights_file_that_is_damaged_is_refused(copied):
    weights = Path(copied.folder) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(RegistryError, match=r"prior tiny: .*weights\.safetensors: digest: got"):
        loaded_prior(copied)


def test_folder_without_a_prior_is_refused(tiny_prior, tmp_path):
    with pytest.raises(RegistryError, match=r"prior tiny: .*got no such file, expected a prior's"):
        loaded_prior(replace(tiny_prior, folder=str(tmp_path)))


def test_prior_of_another_format_is_refused(copied):
    config = Path(copied.folder) / "config.json"
    described = json.loads(config.read_text())
    config.write_text(json.dumps({**described, "format": 99}))
    with pytest.raises(RegistryError, match="format: got 99, expected 1"):
        loaded_prior(copied)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_processor_without_bfloat16_units_computes_in_float32(monkeypatch, found, expected):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: found)
    _cpu_has_bfloat16.cache_clear()
    matrix = torch.ones(2, 2)
    with mixed_precision(matrix):
        assert (matrix @ matrix).dtype == expected
    _cpu_has_bfloat16.cache_clear()
