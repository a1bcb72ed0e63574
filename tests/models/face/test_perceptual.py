import json
from pathlib import Path

import pytest
import torch

from models.face.perceptual import LPIPS, feature_metric, lpips_state, unit_channels
from models.face.trunk import Trunk
from models.shapes import ShapeError

KEYS = json.loads((Path(__file__).parents[2] / "assets" / "golden" / "lpips_keys.json").read_text())


def _pair(size=48):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 2, 3, size, size, generator=generator).unbind(0)


@pytest.fixture(scope="module")
def lpips():
    torch.manual_seed(0)
    network = LPIPS().requires_grad_(False)
    for weight in network.lin.parameters():
        weight.abs_()
    return network


@pytest.fixture(scope="module")
def trunk_metric():
    torch.manual_seed(0)
    return feature_metric(Trunk((4, 8), blocks=1).eval())


def test_lpips_has_the_published_keys_and_shapes():
    with torch.device("meta"):
        state = LPIPS().state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == KEYS["keys"]


def test_lpips_loads_what_the_two_published_files_hold(lpips):
    linear = {k: torch.full(s, 2.0) for k, s in KEYS["file_lin_keys"].items()}
    alexnet = {k: torch.full(s, 3.0) for k, s in KEYS["torchvision_alexnet_feature_keys"].items()}
    alexnet["classifier.1.weight"] = torch.zeros(1)
    network = LPIPS()
    network.load_state_dict(lpips_state(linear, alexnet))
    assert float(network.lin[3][1].weight[0, 0]) == 2.0
    assert float(network.net.layers[8].bias[0]) == 3.0
    assert torch.equal(network.net.mean, lpips.net.mean)


@pytest.mark.parametrize("name", ["lpips", "trunk_metric"])
def test_distance_is_zero_for_equal_pictures_symmetric_and_sample_by_sample(name, request):
    distance = request.getfixturevalue(name)
    a, b = _pair()
    assert torch.equal(distance(a, a), torch.zeros(2))
    apart = distance(a, b)
    assert (apart > 0).all()
    torch.testing.assert_close(distance(b, a), apart)
    torch.testing.assert_close(distance(a[1:], b[1:]), apart[1:])


@pytest.mark.parametrize("name", ["lpips", "trunk_metric"])
def test_distance_sends_finite_gradients_even_where_all_features_are_off(name, request):
    distance = request.getfixturevalue(name)
    black, other = torch.full((1, 3, 48, 48), -1.0, requires_grad=True), _pair()[0][:1]
    distance(black, other).sum().backward()
    assert torch.isfinite(black.grad).all()


def test_unit_channels_leaves_zero_at_zero_with_no_slope():
    feature = torch.zeros(1, 3, 1, 2)
    feature[0, :, 0, 1] = torch.tensor([3.0, 0.0, 4.0])
    feature.requires_grad_(True)
    unit = unit_channels(feature)
    assert torch.equal(unit[0, :, 0, 0], torch.zeros(3))
    torch.testing.assert_close(unit[0, :, 0, 1], torch.tensor([0.6, 0.0, 0.8]))
    unit.sum().backward()
    assert torch.isfinite(feature.grad).all()


def test_distance_refuses_pictures_of_different_shapes(lpips):
    with pytest.raises(ShapeError, match=r"b: got shape \(2, 3, 40, 40\), expected \(2, 3, 48, 48"):
        lpips(_pair()[0], _pair(40)[0])
