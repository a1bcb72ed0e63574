import json

import pytest
import torch

from models.face3d.loading import load_face3d
from models.published_file import CheckpointError, write_tensors
from tests.tri_planes import drawn, some_cameras, tiny_generator, write_tiny_prior


def test_a_generator_alone_is_loaded_without_age_or_encoder(tmp_path):
    folder = write_tiny_prior(tmp_path / "tiny")
    loaded = load_face3d(folder, "eg3d", None)
    assert (loaded.aged, loaded.encode) == (None, None)
    latents = loaded.generator.latents(drawn(2, 8), some_cameras())
    assert torch.equal(latents, tiny_generator().latents(drawn(2, 8), some_cameras()))


def test_age_moves_latents_by_years_times_the_direction(tmp_path):
    year = drawn(6, 8)
    folder = write_tiny_prior(tmp_path / "tiny", age_direction=year)
    aged = load_face3d(folder, "eg3d", folder / "directions.safetensors").aged
    w_plus = drawn(2, 6, 8, seed=3)
    assert torch.allclose(aged(w_plus, 40.0, 60.0), w_plus + 20 * year)
    assert torch.equal(aged(w_plus, 40.0, 40.0), w_plus)


def test_directions_without_age_leave_the_prior_without(tmp_path):
    folder = write_tiny_prior(tmp_path / "tiny")
    write_tensors(folder / "directions.safetensors", {"smile": drawn(8)})
    assert load_face3d(folder, "eg3d", folder / "directions.safetensors").aged is None


def test_what_is_no_3d_prior_is_refused_in_a_sentence(tmp_path):
    folder = write_tiny_prior(tmp_path / "tiny", age_direction=drawn(5))
    with pytest.raises(CheckpointError, match=r"age: got shape \(5,\), expected \(8,\) or"):
        load_face3d(folder, "eg3d", folder / "directions.safetensors")
    with pytest.raises(CheckpointError, match="kind: got sam, expected eg3d"):
        load_face3d(folder, "sam", None)
    (folder / "config.json").write_text(json.dumps({"config": {}}))
    with pytest.raises(CheckpointError, match="got no config"):
        load_face3d(folder, "eg3d", None)
