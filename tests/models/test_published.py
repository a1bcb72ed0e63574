"""A published file is taken for what it is, or refused with what is wrong."""

import json
from pathlib import Path

import pytest
import torch

from models.published import PUBLISHED, networks_of, read_published_weights
from models.published_file import CheckpointError, write_tensors
from reage.registry.weights import KINDS
from tests.published_files import SMALL, small_state, write_published

KEYS = Path(__file__).parents[1] / "assets" / "golden"


def read(path, kind, **others):
    return read_published_weights(path, kind, sizes=SMALL, **others)


@pytest.mark.parametrize("kind", KINDS)
def test_file_of_every_kind_comes_back_tensor_by_tensor(tmp_path, kind):
    state = small_state(kind)
    found = read(write_published(tmp_path / "published.pt", kind), kind)
    assert set(found.state) == set(state)
    assert all(torch.equal(found.state[key], state[key]) for key in state)
    json.dumps(found.config)


@pytest.mark.parametrize(
    ("kind", "file", "prefix"),
    [
        ("sam", "sam_keys.json", ""),
        ("mytm", "sam_keys.json", ""),
        ("mytm", "blender_keys.json", "blender."),
        ("irse50", "irse50_keys.json", ""),
        ("dex", "dexvgg_keys.json", ""),
        ("lpips", "lpips_keys.json", ""),
        ("stylegan2", "stylegan2_1024_keys.json", ""),
        ("eg3d", "eg3d_keys.json", ""),
    ],
)
def test_networks_have_the_published_keys_and_shapes(kind, file, prefix):
    listed = json.loads((KEYS / file).read_text())
    listed = listed.get("keys", listed)
    own = {k: list(v.shape) for k, v in networks_of(kind, PUBLISHED).state_dict().items()}
    for key, entry in listed.items():
        if not key.startswith("_"):
            shape = entry["shape"] if isinstance(entry, dict) else entry
            assert own[prefix + key.replace("-", "_") if kind == "dex" else prefix + key] == shape


def test_safetensors_with_published_keys_are_taken_as_they_are(tmp_path):
    state = small_state("sam")
    write_tensors(tmp_path / "studio.safetensors", state)
    found = read(tmp_path / "studio.safetensors", "sam")
    assert all(torch.equal(found.state[key], state[key]) for key in state)


def test_half_precision_is_widened_exactly(tmp_path):
    state = {k: v.half() if v.is_floating_point() else v for k, v in small_state("sam").items()}
    found = read(write_published(tmp_path / "half.pt", "sam", state=state), "sam").state
    assert {v.dtype for v in found.values()} == {torch.float32, torch.int64}
    assert all(torch.equal(found[key], state[key].to(found[key].dtype)) for key in state)


def test_one_mean_latent_serves_every_layer(tmp_path):
    state = small_state("sam")
    mean = state["latent_avg"][0].clone()
    path = write_published(tmp_path / "a.pt", "sam", state=state | {"latent_avg": mean})
    assert torch.equal(read(path, "sam").state["latent_avg"], mean.expand(10, 8))


@pytest.mark.parametrize(
    ("given", "said"),
    [("psp", "sam"), ("mytm", "sam"), ("sam", "mytm"), ("sam", "psp"), ("dex", "irse50")],
)
def test_file_of_another_kind_is_recognised(tmp_path, given, said):
    path = write_published(tmp_path / "a.pt", given)
    with pytest.raises(CheckpointError) as caught:
        read(path, said)
    assert str(caught.value) == (
        f"{path}: kind: got a file of {given}, expected one of {said}; import it --as {given}"
    )


def test_keys_and_shapes_that_differ_are_all_said_in_one_sentence(tmp_path):
    state = small_state("sam")
    for key in [key for key in state if key.startswith("encoder.body.")]:
        del state[key]
    state["decoder.stranger"] = torch.zeros(1)
    state["decoder.conv1.activate.bias"] = torch.zeros(9)
    with pytest.raises(CheckpointError) as caught:
        read(write_published(tmp_path / "a.pt", "sam", state=state), "sam")
    message = str(caught.value)
    assert "missing encoder.body.0" in message
    assert " more; unexpected decoder.stranger; " in message
    assert "shape of decoder.conv1.activate.bias (9,) for (8,)" in message
    assert len(message) < 1000


def test_file_without_mean_latent_is_refused(tmp_path):
    state = small_state("psp")
    path = tmp_path / "a.pt"
    torch.save({"state_dict": {k: v for k, v in state.items() if k != "latent_avg"}}, path)
    with pytest.raises(CheckpointError, match="got missing latent_avg, expected"):
        read(path, "psp")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_that_is_none_is_refused_by_key(tmp_path, value):
    state = small_state("irse50")
    state["output_layer.3.weight"][2, 1] = value
    path = write_published(tmp_path / "a.pt", "irse50", state=state)
    with pytest.raises(CheckpointError, match=r"numbers: got .* in output_layer\.3\.weight, exp"):
        read(path, "irse50")


def test_whole_numbers_where_weights_belong_are_refused(tmp_path):
    state = small_state("dex")
    state["fc7.bias"] = torch.zeros(16, dtype=torch.int64)
    path = write_published(tmp_path / "a.pt", "dex", state=state)
    with pytest.raises(CheckpointError, match=r"type: got torch.int64 for fc7.bias, expected"):
        read(path, "dex")


def test_network_of_another_formula_is_refused(tmp_path):
    content = {"state_dict": small_state("sam"), "opts": {"start_from_latent_avg": True}}
    content["latent_avg"] = content["state_dict"].pop("latent_avg")
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"opts.start_from_latent_avg: got True, expected F"):
        read(tmp_path / "a.pt", "sam")


@pytest.mark.parametrize(
    "content", [{}, {"state_dict": [1]}, {"g_ema": {"a": 1}}, {"generator": {}}]
)
def test_layout_that_is_none_of_the_published_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"a\.pt: content: got .*expected tensors by key"):
        read(tmp_path / "a.pt", "sam")


def test_lpips_is_joined_from_its_two_files_and_asks_for_the_second(tmp_path):
    state = small_state("lpips")
    linear = {f"lin{i}.model.1.weight": state[f"lin.{i}.1.weight"] for i in range(5)}
    layers = {k.replace("net.layers", "features"): v for k, v in state.items() if ".layers." in k}
    torch.save(linear, tmp_path / "alex.pth")
    torch.save(layers | {"classifier.1.weight": torch.zeros(1)}, tmp_path / "alexnet.pth")
    with pytest.raises(CheckpointError, match=r"got 5 tensors without AlexNet's, .* --alexnet"):
        read(tmp_path / "alex.pth", "lpips")
    found = read(tmp_path / "alex.pth", "lpips", alexnet=tmp_path / "alexnet.pth").state
    learnt = set(state) - {"net.mean", "net.std"}
    assert set(found) == set(state)
    assert all(torch.equal(found[key], state[key]) for key in learnt)
