import json
from pathlib import Path

import pytest
import torch

from models.face.irse50 import IRSE50, IRSE50Config
from models.face.region import FFHQ_FACE, Region
from models.ops.irse import IRSEConfig
from models.shapes import ShapeError

GOLDEN = Path(__file__).parents[2] / "assets" / "golden"
TINY = IRSE50Config(
    trunk=IRSEConfig(stem_channels=4, stages=((4, 1), (8, 1)), squeeze=2),
    embedding_size=6,
    face_size=8,
    picture_size=16,
    region=Region(top=2, bottom=14, left=1, right=15),
)


def _tiny():
    torch.manual_seed(0)
    return IRSE50(TINY).eval()


def _pictures(size, batch=3):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_irse50_at_published_size_has_the_published_keys_and_shapes():
    published = json.loads((GOLDEN / "irse50_keys.json").read_text())
    with torch.device("meta"):
        network = IRSE50(IRSE50Config())
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == published
    assert sum(p.numel() for p in network.parameters()) == 43_797_696


def test_irse50_embeds_as_unit_vectors_sample_by_sample():
    network, faces, order = _tiny(), _pictures(8), torch.tensor([2, 0, 1])
    embedding = network(faces)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(network(faces[order]), embedding[order])


def test_irse50_sees_the_region_of_a_picture_and_nothing_else():
    network, pictures = _tiny(), _pictures(16)
    painted = pictures.clone()
    painted[:, :, :2] = 5.0
    painted[:, :, 14:] = 5.0
    assert torch.equal(network.embed(painted), network.embed(pictures))
    painted[:, :, 2] = 5.0
    assert not torch.allclose(network.embed(painted), network.embed(pictures))


def test_irse50_takes_larger_pictures_by_their_means():
    network, pictures = _tiny(), _pictures(16)
    larger = pictures.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    torch.testing.assert_close(network.embed(larger), network.embed(pictures))


def test_irse50_refuses_faces_and_sizes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"faces: got shape \(1, 3, 9, 8\), expected \(B, 3, 8"):
        _tiny()(torch.zeros(1, 3, 9, 8))
    with pytest.raises(ValueError, match=r"face_size: got 100, expected a multiple of 16"):
        IRSE50Config(face_size=100)


def test_region_is_cut_as_published_and_refused_beyond_the_picture():
    rows = torch.arange(256.0).reshape(1, 1, 256, 1).expand(1, 1, 256, 256)
    cut = FFHQ_FACE.cut(rows)
    assert cut.shape == (1, 1, 188, 188)
    assert (cut[0, 0, 0, 0], cut[0, 0, -1, 0]) == (35, 222)
    with pytest.raises(ValueError, match=r"region: got \(35, 223, 32, 220\), expected one inside"):
        FFHQ_FACE.cut(torch.zeros(1, 3, 96, 96))
