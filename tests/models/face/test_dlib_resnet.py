"""dlib's recogniser: its file is read strictly, and its numbers are dlib's own."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from models.dlib_file import load_dlib_resnet
from models.face.dlib_resnet import CHIP, CropRecogniser
from models.published_file import CheckpointError
from tests.dlib_file import seeded, written

ASSETS = Path(__file__).parents[2] / "assets"


def test_a_file_gives_back_the_network_that_was_written(tmp_path: Path) -> None:
    network = seeded()
    read = load_dlib_resnet(written(network, tmp_path / "resnet.dat"))
    for name, values in network.state_dict().items():
        assert torch.equal(read.state_dict()[name], values), name
    chips = torch.rand(2, 3, 150, 150) * 2 - 1
    assert read(chips).shape == (2, 128)
    assert torch.equal(read(chips), network(chips))


@pytest.mark.parametrize("damage", ["cut", "short", "text"])
def test_what_is_not_dlibs_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = written(seeded(), tmp_path / "resnet.dat", left_out=damage == "short")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    if damage == "text":
        path.write_text("no weights")
    with pytest.raises(CheckpointError, match=r"resnet\.dat: tensors: got \d+ with .* expected 59"):
        load_dlib_resnet(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.dat: got No such file"):
        load_dlib_resnet(tmp_path / "none.dat")


def test_a_crop_that_lies_like_a_chip_is_seen_as_it_is() -> None:
    network, chips = seeded(), torch.rand(2, 3, 150, 150) * 2 - 1
    assert len(CHIP) == 5
    as_it_is = CropRecogniser(network, np.eye(2, 3), 150)
    embedded, *fields = as_it_is(chips)
    assert torch.allclose(embedded, network(chips), atol=1e-4)
    assert [field.shape[1] for field in fields] == [64 * 2**2, 128 * 3**2, 256 * 3**2]
    deepest = network.features(chips)[3]
    corner = deepest[:, :, :2, :2].mean(dim=(2, 3))
    assert torch.allclose(fields[2][:, :: 3 * 3], corner, atol=1e-4)


def test_a_larger_crop_is_shrunk_to_the_chip_and_passes_gradients() -> None:
    network, size = seeded(), 300
    crops = torch.linspace(-1, 1, size).expand(1, 3, size, size).clone().requires_grad_()
    seen = CropRecogniser(network, np.array([[2.0, 0, 0.5], [0, 2.0, 0.5]]), size)(crops)
    small = torch.linspace(-1, 1, size)[:300].view(150, 2).mean(dim=1)
    assert torch.allclose(seen[0], network(small.expand(1, 3, 150, 150)), atol=1e-4)
    torch.cat(seen, dim=1).sum().backward()
    assert crops.grad is not None
    assert crops.grad.abs().sum() > 0


@pytest.mark.skipif("REAGE_DLIB_RESNET" not in os.environ, reason="REAGE_DLIB_RESNET: dlib's file")
def test_embeddings_are_those_that_dlib_itself_computes() -> None:
    """The chips are the demo portrait and its mirror image; dlib 20.0.1 embedded the same."""
    network = load_dlib_resnet(Path(os.environ["REAGE_DLIB_RESNET"]))
    face = cv2.resize(astronaut()[40:250, 130:320], (150, 150), interpolation=cv2.INTER_AREA)
    chips = np.stack([face, face[:, ::-1]]).astype(np.float32) / 127.5 - 1
    expected = np.load(ASSETS / "dlib_resnet_embeddings.npy")
    embedded = network(torch.from_numpy(chips).permute(0, 3, 1, 2))
    assert np.abs(embedded.numpy() - expected).max() < 2e-6
