import pytest
import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.adapter_files import (
    AdapterFileError,
    adapter_bytes,
    adapter_network,
    load_adapter,
)

CONFIG = AdapterConfig(num_layers=3, latent_size=8, bottleneck_size=4, is_zero_at_start=False)


def test_adapter_returns_from_its_file_bit_for_bit(tmp_path):
    adapter = Adapter(CONFIG)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(adapter_bytes(adapter))
    loaded = load_adapter(path, adapter_network(CONFIG))
    for name, tensor in adapter.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert not any(p.requires_grad for p in loaded.parameters())
    assert not loaded.training


def test_file_of_another_size_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(adapter_bytes(Adapter(CONFIG)))
    with pytest.raises(AdapterFileError, match="expected an adapter of"):
        load_adapter(path, {**adapter_network(CONFIG), "num_layers": 4})


def test_damaged_file_is_one_sentence(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(adapter_bytes(Adapter(CONFIG))[:50])
    with pytest.raises(AdapterFileError, match="train the adapter anew") as caught:
        load_adapter(path, adapter_network(CONFIG))
    assert "\n" not in str(caught.value)
