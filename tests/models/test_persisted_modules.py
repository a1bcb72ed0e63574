"""Pickles of modules give up their tensors and nothing else."""

import collections
import os
import pickle

import pytest
import torch

from models.persisted_modules import is_pickle_of_modules, read_persisted_state
from models.published_file import CheckpointError
from tests.persisted_pickles import Family
from tests.published_files import Trap, small_state


@pytest.fixture
def family(monkeypatch):
    return Family(monkeypatch)


@pytest.fixture
def state():
    return small_state("eg3d")


def test_state_dict_comes_back_tensor_by_tensor(tmp_path, family, state):
    path = family.write(tmp_path / "a.pkl", state)
    found = read_persisted_state(path)
    assert set(found) == set(state)
    assert all(torch.equal(found[key], state[key]) for key in state)
    assert {type(value) for value in found.values()} == {torch.Tensor}


def test_views_and_other_types_come_back_as_they_were(tmp_path, family):
    whole = torch.arange(24.0).reshape(4, 6)
    state = {
        "a.weight": whole[1:, ::2],
        "a.noise_const": whole.t().half(),
        "b.w_avg": torch.tensor(7),
        "b.bias": torch.zeros(0, 3),
    }
    found = read_persisted_state(family.write(tmp_path / "a.pkl", state))
    assert all(torch.equal(found[key], state[key]) for key in state)
    assert [found[key].dtype for key in state] == [value.dtype for value in state.values()]


def test_kind_of_file_is_told_by_its_beginning(tmp_path, family, state):
    modules = family.write(tmp_path / "a.pkl", state)
    torch.save(state, tmp_path / "new.pt")
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert is_pickle_of_modules(modules)
    assert not any(is_pickle_of_modules(tmp_path / n) for n in ("new.pt", "old.pt", "none.pt"))


def test_file_that_asks_for_more_is_refused_by_name_and_executes_nothing(tmp_path, family, state):
    place = tmp_path / "executed"
    path = family.write(tmp_path / "hostile.pkl", state, callback=Trap(place))
    with pytest.raises(CheckpointError) as caught:
        read_persisted_state(path)
    assert str(caught.value) == (
        f"{path}: content: got io.open, expected modules of a tri-plane generator and their "
        "tensors only; nothing was executed: fetch the file from its author"
    )
    assert not place.exists()


def _calling(name, *arguments):
    class Call:
        def __reduce__(self):
            return name, arguments

    return Call()


@pytest.mark.parametrize(
    ("what", "named"),
    [
        (_calling(os.system, "true"), "posix.system"),
        (_calling(eval, "1"), "builtins.eval"),
        (_calling(getattr, 1, "real"), "builtins.getattr"),
        (_calling(torch.load, "x"), "torch.serialization.load"),
        (collections.Counter, "collections.Counter"),
        (torch.nn.Linear, "torch.nn.modules.linear.Linear"),
    ],
)
def test_every_global_that_is_not_needed_is_refused(tmp_path, family, state, what, named):
    path = family.write(tmp_path / "a.pkl", state, extra=what)
    with pytest.raises(CheckpointError, match=f"content: got {named}, expected"):
        read_persisted_state(path)


def test_storage_that_would_execute_is_refused(tmp_path, family):
    import io

    place, inner = tmp_path / "executed", io.BytesIO()
    torch.save(Trap(place), inner, _use_new_zipfile_serialization=False)
    hostile = _calling(torch.storage._load_from_bytes, inner.getvalue())
    path = family.write(tmp_path / "a.pkl", {}, extra=hostile)
    with pytest.raises(CheckpointError, match=r"a\.pkl: file: got UnpicklingError"):
        read_persisted_state(path)
    assert not place.exists()


def _tensor(size, stride, offset=0):
    storage = torch.zeros(4).storage()
    return _calling(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, {})


@pytest.mark.parametrize(
    "tensor",
    [
        _tensor((5,), (1,)),
        _tensor((2,), (4,)),
        _tensor((4,), (1,), offset=2),
        _tensor((10**12,), (0,)),
        _tensor((2,), (-1,), offset=3),
        _calling(torch._utils._rebuild_tensor_v2, b"1234", 0, (1,), (1,), False, {}),
    ],
)
def test_tensor_beyond_its_storage_is_refused(tmp_path, family, tensor):
    path = family.write(tmp_path / "a.pkl", {}, extra=tensor)
    with pytest.raises(CheckpointError, match=r"a\.pkl: file: got \w+Error"):
        read_persisted_state(path)


def test_state_that_would_change_the_reader_is_refused(tmp_path):
    # BUILD with the slots of a function, which plain Python would set on it.
    data = b"\x80\x04ctorch._utils\n_rebuild_parameter\n(N}\x8c\x0c__defaults__N\x85su\x86b."
    data = b"\x80\x04ctorch._utils\n_rebuild_parameter\nN}\x8c\x0c__defaults__)s\x86b."
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(CheckpointError, match="state for a function"):
        read_persisted_state(tmp_path / "a.pkl")


def test_modules_that_contain_themselves_are_refused(tmp_path, family):
    root = family.generator({})
    root._modules["again"] = root
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"G_ema": root}))
    with pytest.raises(CheckpointError, match=r"a\.pkl: (file|content): got "):
        read_persisted_state(tmp_path / "a.pkl")


def test_deep_modules_are_refused(tmp_path, family):
    key = ".".join(["a"] * 40) + ".weight"
    path = family.write(tmp_path / "a.pkl", {key: torch.zeros(1)})
    with pytest.raises(CheckpointError, match="more than 32 deep"):
        read_persisted_state(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_pickle_is_one_sentence(tmp_path, family, state, share):
    data = family.write(tmp_path / "whole.pkl", state).read_bytes()
    (tmp_path / "cut.pkl").write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"cut\.pkl: file: got .*fetch it again") as caught:
        read_persisted_state(tmp_path / "cut.pkl")
    assert "\n" not in str(caught.value)


def test_file_without_the_network_names_what_it_has(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"G": None, "D": None}))
    with pytest.raises(CheckpointError, match="content: got G, D, expected a module G_ema"):
        read_persisted_state(tmp_path / "a.pkl")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(CheckpointError, match="content: got list, expected a module G_ema"):
        read_persisted_state(tmp_path / "a.pkl")
