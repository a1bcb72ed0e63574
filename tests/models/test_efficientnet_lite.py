"""EfficientNet-Lite0: TensorFlow's padding, what is looked at, and the published file."""

import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from models.efficientnet_lite import (
    CropViewer,
    EfficientNetLite,
    load_efficientnet_lite,
)
from models.published_file import CheckpointError

PUBLISHED = "REAGE_EFFICIENTNET_LITE"


@pytest.fixture(scope="module")
def network() -> EfficientNetLite:
    torch.manual_seed(0)
    return EfficientNetLite().eval().requires_grad_(False)


def test_a_halving_convolution_pads_below_and_to_the_right(network: EfficientNetLite) -> None:
    pictures = torch.rand(1, 3, 20, 21, generator=torch.Generator().manual_seed(0))
    stem = network._conv_stem
    wanted = F.conv2d(F.pad(pictures, (1, 1, 0, 1)), stem.weight, stride=2)
    torch.testing.assert_close(stem(pictures), wanted)
    assert wanted.shape[2:] == (10, 11)


def test_features_are_of_the_sizes_said(network: EfficientNetLite) -> None:
    last, earlier = network(torch.zeros(2, 3, 64, 96))
    assert last.shape == (2, 1280, 2, 3)
    assert earlier.shape == (2, 112, 4, 6)


def test_a_viewer_looks_at_the_face_in_the_middle_of_a_crop(network: EfficientNetLite) -> None:
    crops = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    crops.requires_grad_(True)
    last, earlier = CropViewer(network)(crops)
    assert last.shape == (2, 1280)
    assert earlier.shape == (2, 112)
    earlier.sum().backward()
    assert crops.grad is not None
    seen = crops.grad.abs().sum(dim=(0, 1)) > 0
    assert not seen[:4].any()
    assert not seen[:, :8].any()
    assert not seen[60:].any()
    assert not seen[:, 56:].any()
    assert seen[4:60, 8:56].float().mean() > 0.9


def test_a_file_is_loaded_without_the_layer_that_names_things(
    network: EfficientNetLite, tmp_path: Path
) -> None:
    path = tmp_path / "lite.pth"
    torch.save(network.state_dict() | {"_fc.weight": torch.zeros(1000, 1280)}, path)
    pictures = torch.rand(1, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(load_efficientnet_lite(path)(pictures), network(pictures))


@pytest.mark.parametrize("lacks", ["_conv_head.weight", "_blocks.3._bn1.running_mean"])
def test_a_file_that_lacks_something_is_refused(
    network: EfficientNetLite, tmp_path: Path, lacks: str
) -> None:
    path = tmp_path / "lite.pth"
    torch.save({k: v for k, v in network.state_dict().items() if k != lacks}, path)
    with pytest.raises(CheckpointError, match=rf"lite\.pth.*{lacks}"):
        load_efficientnet_lite(path)


@pytest.mark.skipif(PUBLISHED not in os.environ, reason=f"{PUBLISHED} names no published file")
def test_the_published_file_gives_the_published_numbers() -> None:
    """Features of three ramps, as the package efficientnet_lite_pytorch 0.1.0 gives them."""
    across = torch.linspace(-1, 1, 224).expand(224, 224)
    pictures = torch.stack([across, across.T, across.flip(1)])[None]
    last, _ = load_efficientnet_lite(Path(os.environ[PUBLISHED]))(pictures)
    told = last.mean(dim=(2, 3))[0]
    largest = {113: 5.0132, 897: 4.7634, 930: 4.0645, 755: 3.6758, 782: 2.8554}
    assert told.argsort(descending=True)[:5].tolist() == list(largest)
    wanted = torch.tensor(list(largest.values()))
    torch.testing.assert_close(told[list(largest)], wanted, atol=1e-3, rtol=0)
    assert float(told.mean()) == pytest.approx(0.107, abs=1e-4)
