"""Weight files are read without executing anything, and written whole."""

import collections
import errno
import io
import re

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.ageing.adapter import Adapter, AdapterConfig
from models.published_file import (
    CheckpointError,
    load_state,
    read_content,
    read_tensors,
    write_tensors,
)
from tests.published_files import Trap


@pytest.fixture
def tensors():
    return {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(3)}


def same(found, expected):
    return set(found) == set(expected) and all(torch.equal(found[k], expected[k]) for k in found)


def test_pickle_of_tensors_and_plain_options_is_read(tmp_path, tensors):
    options = {"lr": [1e-4], "device": "cuda:0", "resume": None, "nested": {"a": (1, True)}}
    torch.save({"state_dict": collections.OrderedDict(tensors), "opts": options}, tmp_path / "a.pt")
    content = read_content(tmp_path / "a.pt")
    assert same(content["state_dict"], tensors)
    assert content["opts"] == options


def test_pickle_of_the_old_format_is_read(tmp_path, tensors):
    torch.save(tensors, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert same(read_content(tmp_path / "a.pth"), tensors)


def test_safetensors_are_read_whatever_the_file_is_called(tmp_path, tensors):
    write_tensors(tmp_path / "a.safetensors", tensors)
    write_tensors(tmp_path / "a.pt", tensors)
    for name in ("a.safetensors", "a.pt"):
        assert same(read_content(tmp_path / name), tensors)
    assert same(read_tensors(tmp_path / "a.safetensors"), tensors)


@pytest.mark.parametrize("is_archive", [True, False])
def test_pickle_that_would_execute_is_refused_with_what_it_asked_for(tmp_path, is_archive):
    place = tmp_path / "executed"
    path = tmp_path / "hostile.pt"
    torch.save({"opts": Trap(place)}, path, _use_new_zipfile_serialization=is_archive)
    with pytest.raises(CheckpointError) as caught:
        read_content(path)
    assert str(caught.value) == (
        f"{path}: content: got io.open, expected tensors and plain values only; nothing was "
        "executed: save the file anew without it, or fetch it from its author"
    )
    assert not place.exists()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_archive_is_called_so(tmp_path, tensors, share):
    whole = tmp_path / "whole.pt"
    torch.save(tensors, whole)
    data = whole.read_bytes()
    cut = tmp_path / "cut.pt"
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"cut\.pt: file: got \d+ bytes without their end"):
        read_content(cut)


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pt"])
def test_truncated_safetensors_are_one_sentence(tmp_path, tensors, name):
    write_tensors(tmp_path / "whole.safetensors", tensors)
    (tmp_path / name).write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=rf"{name}: file: got .*, expected tensors"):
        read_content(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "an empty file"),
        (b"PK", "2 bytes that begin with b'PK'"),
        (b"not weights at all", "18 bytes that begin with b'not weigh'"),
        (b"# a readme\n\nof weights\n", "23 bytes that begin with b'# a readm'"),
        (b"config: yes\nor: no\n", "19 bytes that begin with b'config: y'"),
        (b"<!DOCTYPE html>\n<html></html>\n", "30 bytes that begin with b'<!DOCTYPE'"),
        (b"Rivers\n", "7 bytes that begin with b'Rivers\\n'"),
        (bytes(64), f"64 bytes that begin with {bytes(9)!r}"),
    ],
    ids=["empty", "short", "text", "readme", "global", "html", "reduce", "zeros"],
)
def test_file_of_something_else_is_told_in_our_own_words(tmp_path, content, got):
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_content(path)
    assert str(caught.value) == (
        f"{path}: file: got {got}, expected tensors and plain values as torch.save writes them, or "
        "safetensors; fetch it again"
    )


def check_it_loads_or_is_our_sentence(path, content):
    path.write_bytes(content)
    try:
        read_content(path)
    except CheckpointError as error:
        form = re.escape(str(path)) + r": (file|content): got .+, expected [^\n]+"
        assert re.fullmatch(form, str(error))
        assert "weights_only" not in str(error)


fuzzed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(st.binary(max_size=40) | st.text("cRbtqhXKM(}]u.soe0\n", max_size=40).map(str.encode))
@fuzzed
def test_any_bytes_are_one_sentence_or_load(tmp_path, content):
    check_it_loads_or_is_our_sentence(tmp_path / "any.pt", content)
    check_it_loads_or_is_our_sentence(tmp_path / "any.pt", b"\x80\x02" + content)


@pytest.mark.parametrize("is_archive", [True, False])
@given(data=st.data())
@fuzzed
def test_damaged_or_cut_pickle_is_one_sentence_or_loads(tmp_path, is_archive, data):
    whole = io.BytesIO()
    torch.save({"a": torch.arange(6.0)}, whole, _use_new_zipfile_serialization=is_archive)
    content = bytearray(whole.getvalue())
    end = len(content)
    for place in data.draw(st.lists(st.integers(0, end - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, end) | st.just(end))
    check_it_loads_or_is_our_sentence(tmp_path / "damaged.pt", bytes(content[:cut]))


def test_content_that_is_no_dict_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match=r"content: got list, expected a dict"):
        read_content(tmp_path / "list.pt")


def test_full_disk_is_what_the_system_calls_it(tmp_path, tensors, monkeypatch):
    from safetensors import SafetensorError

    def full(*_arguments):
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    monkeypatch.setattr("models.published_file.save_file", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_tensors(tmp_path / "a.safetensors", tensors)
    assert caught.value.errno == errno.ENOSPC


def test_load_state_names_every_key_that_does_not_fit_and_changes_nothing():
    adapter = Adapter(AdapterConfig(num_layers=4, latent_size=8, bottleneck_size=2, global_size=3))
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
