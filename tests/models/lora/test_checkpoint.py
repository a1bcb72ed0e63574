from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.eg3d.config import TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.lora.adapter import LowRankAdapter
from models.lora.checkpoint import AdapterFileError, load_adapter, read_beside, save_adapter
from models.lora.inject import inject
from models.lora.layer import LoRAConfig
from tests.tri_planes import drawn, tiny_generator

BASE = "3f9c" * 16


@pytest.fixture
def generator():
    return tiny_generator()


@pytest.fixture
def adapter(generator):
    adapter = LowRankAdapter(generator, LoRAConfig(rank=2, lora_alpha=3.0))
    for index, parameter in enumerate(adapter.parameters()):
        parameter.data.copy_(drawn(*parameter.shape, seed=index))
    return adapter


def _states_agree(one, other):
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in one.state_dict().items())


def test_adapter_survives_the_file_exactly(tmp_path, generator, adapter):
    save_adapter(adapter, tmp_path / "ada.safetensors", base_digest=BASE)
    loaded = load_adapter(tmp_path / "ada.safetensors", generator, base_digest=BASE)
    assert loaded.config == adapter.config
    assert _states_agree(adapter, loaded)


def test_injected_adapter_is_saved_as_the_detached_one(tmp_path, generator, adapter):
    save_adapter(adapter, tmp_path / "a.safetensors", base_digest=BASE)
    with inject(generator, adapter) as injection:
        injection.merge()
        save_adapter(adapter, tmp_path / "b.safetensors", base_digest=BASE)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_half_precision_rounds_every_number_once(tmp_path, generator, adapter):
    save_adapter(adapter, tmp_path / "ada.safetensors", base_digest=BASE, is_half=True)
    loaded = load_adapter(tmp_path / "ada.safetensors", generator, base_digest=BASE)
    assert _states_agree(adapter.half().float(), loaded)


def test_file_of_a_published_generators_person_is_within_a_megabyte(tmp_path):
    with torch.device("meta"):
        adapter = LowRankAdapter(TriPlaneGenerator(TriPlaneConfig()), LoRAConfig())
    adapter = adapter.to_empty(device="cpu")
    for is_half, limit in ((False, 1_000_000), (True, 500_000)):
        path = tmp_path / f"{is_half}.safetensors"
        save_adapter(adapter, path, base_digest=BASE, is_half=is_half)
        assert path.stat().st_size <= limit
        assert sum(t.numel() for t in load_file(path).values()) == 243_965


def test_adapter_of_another_base_is_refused_with_both_digests(tmp_path, generator, adapter):
    save_adapter(adapter, tmp_path / "ada.safetensors", base_digest=BASE)
    with pytest.raises(AdapterFileError) as caught:
        load_adapter(tmp_path / "ada.safetensors", generator, base_digest="81aa" * 16)
    assert str(caught.value) == (
        "adapter ada.safetensors: made for base 3f9c3f9c…, loaded base 81aa81aa…; load the base "
        "named in the adapter"
    )


def test_adapter_of_other_layers_is_refused(tmp_path, generator, adapter):
    generator.superresolution.block2 = deepcopy(generator.superresolution.block1)
    save_adapter(adapter, tmp_path / "ada.safetensors", base_digest=BASE)
    with pytest.raises(AdapterFileError, match=r"layout: got .*, expected .* of TriPlaneGenerator"):
        load_adapter(tmp_path / "ada.safetensors", generator, base_digest=BASE)


def test_files_that_are_no_adapters_are_one_sentence(tmp_path, generator, adapter):
    path = tmp_path / "ada.safetensors"
    with pytest.raises(AdapterFileError, match=r"adapter ada\.safetensors: file: got .*restore"):
        load_adapter(path, generator, base_digest=BASE)
    save_adapter(adapter, path, base_digest=BASE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with pytest.raises(AdapterFileError, match=r"ada\.safetensors: file: got "):
        load_adapter(path, generator, base_digest=BASE)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(AdapterFileError, match=r"content: got None with a, expected reage\.lora/1"):
        load_adapter(path, generator, base_digest=BASE)
    adapter.own_by_name()["backbone.synthesis.b4.const"].data[0] = float("nan")
    save_adapter(adapter, path, base_digest=BASE)
    with pytest.raises(AdapterFileError, match="content: got numbers that are none in own"):
        load_adapter(path, generator, base_digest=BASE)
    path.write_bytes(whole.replace(b'rank\\": 2', b'rank\\": 0'))
    with pytest.raises(AdapterFileError, match=r"LoRAConfig\.rank: got 0"):
        load_adapter(path, generator, base_digest=BASE)


def test_tensors_beside_an_adapter_come_back_and_change_nothing_of_it(tmp_path, generator, adapter):
    anchors, path = drawn(3, 6, 8), tmp_path / "face.safetensors"
    save_adapter(adapter, path, base_digest=BASE, beside={"anchors": anchors})
    assert torch.equal(read_beside(path)["anchors"], anchors)
    assert _states_agree(adapter, load_adapter(path, generator, base_digest=BASE))
