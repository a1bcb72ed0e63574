"""MobileFace: its files are read strictly, and its numbers are those of the published layers."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from torch import Tensor

from models.face.mobile_face import CHIP, CropMobileFace, MobileFace
from models.published_file import CheckpointError
from models.tfjs_file import load_mobile_face
from tests.mobile_face_file import Weights, seeded, written

PUBLISHED = "REAGE_MOBILE_FACE"


def as_tensorflow(weights: Weights, chips: Tensor) -> Tensor:
    """The published layers one after the other, from the published weights as they lie."""

    def bent(x: Tensor, name: str) -> Tensor:
        gamma = torch.from_numpy(weights[name])[:, None, None]
        return x.clamp_min(0) + gamma * x.clamp_max(0)

    def each(x: Tensor, name: str, stride: int) -> Tensor:
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
        fields = padded.unfold(2, 3, stride).unfold(3, 3, stride)  # (B, C, H, W, 3, 3)
        return torch.einsum("bchwij,ijc->bchw", fields, torch.from_numpy(weights[name])[..., 0])

    x = ((chips + 1) * 127.5 - 127.5) * 0.0078125
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1)).unfold(2, 3, 2).unfold(3, 3, 2)
    x = torch.einsum("bchwij,ijco->bohw", padded, torch.from_numpy(weights["conv1_weight"]))
    x = bent(x, "prelu1_gamma")
    for number in range(1, 5):
        unit = f"stage{number}_unit1"
        mixing = torch.from_numpy(weights[f"{unit}_conv0_0_weight"])[0, 0]
        x = each(torch.einsum("bchw,co->bohw", x, mixing), f"{unit}_conv0_1_df", 2)
        halved = bent(x, f"{unit}_prelu0_gamma")
        x = bent(each(halved, f"{unit}_conv1_df", 1), f"{unit}_prelu1_gamma")
        x = bent(each(x, f"{unit}_conv2_df", 1), f"{unit}_prelu2_gamma") + halved
    flat = x.permute(0, 2, 3, 1).reshape(len(x), -1)
    dense = flat @ torch.from_numpy(weights["dense/kernel"])
    scale, shift = (torch.from_numpy(weights[f"batchnorm0/{part}"]) for part in ("mul", "sub"))
    return dense * scale + shift


@pytest.fixture
def chips() -> Tensor:
    return torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_a_file_gives_the_network_that_it_describes(tmp_path: Path, chips: Tensor) -> None:
    weights = seeded()
    told = load_mobile_face(written(weights, tmp_path / "face.json"))(chips)
    assert told.shape == (2, 256)
    assert told.std() > 0.5
    torch.testing.assert_close(told, as_tensorflow(weights, chips), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut", r"face\.bin: got 2,\d{3},\d{3} bytes, expected 2,\d{3},\d{3}, as face\.json says"),
        ("missing", r"face\.bin: got No such file"),
        ("text", r"face\.json: got .*expected the JSON file of a TensorFlow\.js graph model"),
        ("quantised", r"face\.json: got KeyError\('uint8'\), expected .* unquantised weights"),
        ("lacking", r"face\.json: got no fitting tensor 'batchnorm0/sub', expected those of Mob"),
        ("shaped", r"face\.json: .*stem\.weight \(16, 3, 3, 3\) for \(32, 3, 3, 3\)"),
    ],
)
def test_what_is_not_mobile_face_is_refused(tmp_path: Path, damage: str, message: str) -> None:
    weights = seeded()
    if damage == "lacking":
        del weights["batchnorm0/sub"]
    if damage == "shaped":
        weights["conv1_weight"] = weights["conv1_weight"][..., :16].copy()
    path = written(weights, tmp_path / "face.json")
    beside = path.with_suffix(".bin")
    if damage == "cut":
        beside.write_bytes(beside.read_bytes()[:-4])
    if damage == "missing":
        beside.unlink()
    if damage == "text":
        path.write_text("no model")
    if damage == "quantised":
        path.write_text(path.read_text().replace("float32", "uint8", 1))
    with pytest.raises(CheckpointError, match=message):
        load_mobile_face(path)


def test_a_file_elsewhere_is_not_read(tmp_path: Path) -> None:
    """A description may name a file of its own folder only."""
    (tmp_path / "deep").mkdir()
    path = written(seeded(), tmp_path / "deep" / "face.json")
    path.with_suffix(".bin").rename(tmp_path / "face.bin")
    described = json.loads(path.read_text())
    described["weightsManifest"][0]["paths"] = ["../face.bin"]
    path.write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match=r"deep/face\.bin: got No such file"):
        load_mobile_face(path)


def test_a_crop_that_lies_like_a_chip_is_met_as_it_is(chips: Tensor) -> None:
    torch.manual_seed(0)
    network = MobileFace().eval()
    assert len(CHIP) == 5
    [embedded] = CropMobileFace(network, np.eye(2, 3), 112)(chips.requires_grad_())
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(2))
    alike = torch.cosine_similarity(embedded, network(chips))
    torch.testing.assert_close(alike, torch.ones(2))
    embedded[0, 0].backward()
    assert chips.grad is not None
    assert chips.grad[0].any()


@pytest.mark.skipif(PUBLISHED not in os.environ, reason=f"{PUBLISHED} names no published file")
def test_the_published_network_tells_a_face_from_noise(chips: Tensor) -> None:
    """A face, its mirror image and it darkened are one person; noise is none."""
    network = load_mobile_face(Path(os.environ[PUBLISHED]))
    # Eyes and mouth of the astronaut's face lie about where chips have them.
    picture = torch.from_numpy(astronaut()[:, :, :3].copy()).permute(2, 0, 1).float()
    face = picture[None, :, 60:200, 155:295] / 127.5 - 1
    face = torch.nn.functional.interpolate(face, size=112, mode="area")
    shown = torch.cat([face, face.flip(3), face * 0.7 - 0.2, chips[:1]])
    told = torch.nn.functional.normalize(network(shown), dim=1)
    assert (told[0] @ told[1:].T > 0.6).tolist() == [True, True, False]
