import json
from dataclasses import asdict

import pytest
import torch

from models.eg3d.checkpoint import load_triplane_generator
from models.published import read_published_weights
from models.published_file import CheckpointError, write_tensors
from tests.persisted_pickles import Family
from tests.published_files import SMALL, small_state
from tests.tri_planes import TINY, drawn, some_cameras, tiny_generator


def test_generator_loaded_from_its_file_draws_the_same(tmp_path):
    generator = tiny_generator()
    write_tensors(tmp_path / "weights.safetensors", generator.state_dict())
    sizes = json.loads(json.dumps(asdict(TINY)))
    loaded = load_triplane_generator(tmp_path / "weights.safetensors", sizes)
    assert loaded.config == TINY
    w_plus, cameras = drawn(1, TINY.num_layers, 8), some_cameras(1)
    views = [g.view(g.identity(w_plus), cameras, sampling="even") for g in (generator, loaded)]
    assert torch.equal(*views)
    assert not any(p.requires_grad for p in loaded.parameters())


def test_sizes_that_are_none_are_said(tmp_path):
    sizes = asdict(TINY)
    for wrong in (
        {k: v for k, v in sizes.items() if k != "planes"},
        sizes | {"hidden_size": 0},
        sizes | {"colour": 1},
    ):
        with pytest.raises(CheckpointError, match=r"w\.safetensors: sizes: got "):
            load_triplane_generator(tmp_path / "w.safetensors", wrong)


def test_published_pickle_is_read_without_what_training_left_in_it(tmp_path, monkeypatch):
    state = small_state("eg3d")
    written = state | {"dataset_label_std": torch.ones(25)}
    path = Family(monkeypatch).write(tmp_path / "ffhq.pkl", written)
    found = read_published_weights(path, "eg3d", sizes=SMALL)
    assert set(found.state) == set(state)
    assert all(torch.equal(found.state[key], state[key]) for key in state)


def test_published_pickle_of_other_sizes_is_refused_by_key(tmp_path, monkeypatch):
    state = small_state("eg3d")
    state["decoder.net.0.bias"] = torch.zeros(7)
    path = Family(monkeypatch).write(tmp_path / "ffhq.pkl", state)
    with pytest.raises(CheckpointError, match=r"shape of decoder\.net\.0\.bias \(7,\) for \(6,\)"):
        read_published_weights(path, "eg3d", sizes=SMALL)
