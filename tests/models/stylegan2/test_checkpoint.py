import pytest
import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.stylegan2.checkpoint import CheckpointError, load_state, read_published
from models.stylegan2.config import GeneratorConfig, MappingConfig, SynthesisConfig
from models.stylegan2.synthesis import Generator


def _generator():
    return Generator(
        GeneratorConfig(
            synthesis=SynthesisConfig(channels=(4, 4), latent_size=8),
            mapping=MappingConfig(latent_size=8, depth=2),
        )
    )


def _adapter():
    return Adapter(AdapterConfig(num_layers=4, latent_size=8, bottleneck_size=2, global_size=3))


def test_checkpoint_of_stylegan2_comes_back_exactly(tmp_path):
    source, target = _generator(), _generator()
    path = tmp_path / "ffhq.pt"
    torch.save({"g_ema": source.state_dict(), "latent_avg": torch.arange(8.0)}, path)
    checkpoint = read_published(path)
    checkpoint.load_into(target, "decoder")
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value)
    assert torch.equal(checkpoint.mean_latent(4), torch.arange(8.0).expand(4, 8))


def test_checkpoint_of_mytm_is_split_by_network(tmp_path):
    generator, adapter = _generator(), _adapter()
    state = {f"decoder.{k}": v for k, v in generator.state_dict().items()}
    state |= {f"blender.{k}": v for k, v in adapter.state_dict().items()}
    path = tmp_path / "mytm.pt"
    opts = {"output_size": 8, "start_from_encoded_w_plus": True, "device": "cuda:0"}
    torch.save({"state_dict": state, "opts": opts, "latent_avg": torch.ones(4, 8)}, path)
    checkpoint = read_published(path)
    assert sorted(checkpoint.parts) == ["blender", "decoder"]
    target = _adapter()
    checkpoint.load_into(target, "blender")
    assert torch.equal(target.age_mlp[0].weight, adapter.age_mlp[0].weight)
    assert checkpoint.mean_latent(4).shape == (4, 8)
    with pytest.raises(CheckpointError, match=r"encoder: got nothing, expected one of \['blender'"):
        checkpoint.load_into(target, "encoder")
    with pytest.raises(CheckpointError, match=r"got shape \(4, 8\), expected"):
        checkpoint.mean_latent(6)


def test_load_state_names_every_key_that_does_not_fit_and_changes_nothing():
    adapter = _adapter()
    before = adapter.age_mlp[0].bias.clone()
    state = {key: torch.ones_like(value) for key, value in adapter.state_dict().items()}
    state["stranger"] = state.pop("fc_0.0.bias")
    state["age_mlp.2.bias"] = torch.zeros(5)
    with pytest.raises(CheckpointError) as error:
        load_state(adapter, state, place="adapter ada_v004")
    message = str(error.value)
    assert message.startswith("adapter ada_v004: keys: got missing fc_0.0.bias; ")
    assert "unexpected stranger; shape of age_mlp.2.bias (5,) for (16,)" in message
    assert torch.equal(adapter.age_mlp[0].bias, before)


class _Trap:
    def __reduce__(self):
        return (open, ("executed", "w"))


def test_checkpoint_is_never_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"g_ema": {}, "opts": _Trap()}, tmp_path / "trap.pt")
    with pytest.raises(CheckpointError, match="expected tensors and plain values"):
        read_published(tmp_path / "trap.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_checkpoint_that_is_none_is_a_named_error(tmp_path, content):
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.pt: file: got"):
        read_published(tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="got FileNotFoundError"):
        read_published(tmp_path / "absent.pt")


def test_checkpoint_of_another_layout_names_the_keys_it_has(tmp_path):
    torch.save({"generator": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"got keys \['generator'\], expected state_dict or"):
        read_published(tmp_path / "other.pt")
