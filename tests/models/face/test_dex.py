import json
from pathlib import Path

import pytest
import torch

from models.face.dex import DEX, DEXConfig, dex_state, expected_age
from models.shapes import ShapeError

GOLDEN = Path(__file__).parents[2] / "assets" / "golden"
TINY = DEXConfig(stages=((4, 1), (6, 2)), hidden_size=8, num_ages=11, picture_size=16)


def _tiny():
    torch.manual_seed(0)
    return DEX(TINY).eval()


def test_dex_at_published_size_has_the_published_keys_and_shapes():
    published = json.loads((GOLDEN / "dexvgg_keys.json").read_text())["keys"]
    with torch.device("meta"):
        network = DEX(DEXConfig())
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == published
    assert sum(p.numel() for p in network.parameters()) == 134_674_341


def test_dex_loads_the_names_that_published_files_write():
    network = _tiny()
    file = {key.replace("_", "-"): value + 1 for key, value in network.state_dict().items()}
    assert "fc8-101.bias" in file
    network.load_state_dict(dex_state(file))
    assert torch.equal(network.fc8_101.bias, file["fc8-101.bias"])


def test_expected_age_is_the_mean_of_the_distribution():
    logits = torch.full((2, 11), -100.0)
    logits[0, 7] = 0.0
    logits[1, [2, 3]] = 0.0
    torch.testing.assert_close(expected_age(logits), torch.tensor([7.0, 2.5]))


def test_apparent_age_takes_other_sizes_bilinearly_and_lets_gradients_through():
    network = _tiny()
    large = torch.randn(2, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    large.requires_grad_(True)
    age = network.apparent_age(large)
    age.sum().backward()
    assert age.shape == (2,)
    assert large.grad.abs().max() > 0
    # Every second pixel of a picture of halves is hit in the middle of four equal ones.
    small = torch.randn(1, 3, 16, 16)
    doubled = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(network.apparent_age(doubled), network.apparent_age(small))


def test_dex_refuses_pictures_and_sizes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"pictures: got shape \(1, 3, 20, 20\), expected"):
        _tiny()(torch.zeros(1, 3, 20, 20))
    with pytest.raises(ValueError, match=r"picture_size: got 100, expected a multiple of 32"):
        DEXConfig(picture_size=100)
