import json
from pathlib import Path

import pytest
import torch

from models.ageing.encoder import EncoderConfig, GradualStyleEncoder
from models.ops.irse import IRSEConfig, IRSEUnit, irse_body
from models.shapes import ShapeError

GOLDEN = Path(__file__).parents[2] / "assets" / "golden"
TINY = EncoderConfig(
    resolution=32,
    num_layers=6,
    num_coarse=2,
    num_medium=2,
    latent_size=8,
    trunk=IRSEConfig(stem_channels=4, stages=((4, 1), (8, 2), (8, 1), (8, 1)), squeeze=2),
)


def _tiny(config=TINY):
    torch.manual_seed(0)
    return GradualStyleEncoder(config).eval()


@pytest.mark.parametrize(("prefix", "channels"), [("encoder.", 4), ("pretrained_encoder.", 3)])
def test_encoder_at_published_size_has_the_published_keys_and_shapes(prefix, channels):
    keys = json.loads((GOLDEN / "sam_keys.json").read_text())["keys"]
    published = {k.removeprefix(prefix): v for k, v in keys.items() if k.startswith(prefix)}
    with torch.device("meta"):
        state = GradualStyleEncoder(EncoderConfig.published(in_channels=channels)).state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == published


def test_encoder_treats_samples_apart_in_eval_mode():
    encoder, order = _tiny(), torch.tensor([2, 0, 1])
    crops = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    latents = encoder(crops)
    assert latents.shape == (3, 6, 8)
    torch.testing.assert_close(encoder(crops[order]), latents[order])


def test_encoder_coarse_heads_do_not_see_the_pyramid_and_fine_heads_do():
    encoder = _tiny()
    crops = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    before = encoder(crops)
    torch.nn.init.constant_(encoder.latlayer2.bias, 3.0)
    after = encoder(crops)
    assert torch.equal(after[:, :4], before[:, :4])
    assert (after[:, 4:] - before[:, 4:]).abs().amin(dim=(0, 2)).max() > 0


@pytest.mark.parametrize("resolution", [48, 96])
def test_encoder_takes_sizes_that_are_no_powers_of_two(resolution):
    config = EncoderConfig(
        resolution=resolution, num_layers=6, num_coarse=2, num_medium=2, latent_size=8,
        trunk=TINY.trunk,
    )  # fmt: skip
    assert _tiny(config)(torch.zeros(1, 3, resolution, resolution)).shape == (1, 6, 8)


def test_encoder_config_refuses_what_does_not_divide():
    with pytest.raises(ValueError, match="got 40, expected a multiple of 16"):
        EncoderConfig(resolution=40, trunk=TINY.trunk)
    with pytest.raises(ValueError, match=r"got 6, expected at least .* \(7\)"):
        EncoderConfig(num_layers=6)


def test_encoder_refuses_crops_of_another_size():
    with pytest.raises(ShapeError, match=r"crops: got shape \(1, 4, 32, 32\), expected \(B, 3,"):
        _tiny()(torch.zeros(1, 4, 32, 32))


def test_irse_trunk_has_the_published_units():
    with torch.device("meta"):
        body = irse_body(IRSEConfig())
    assert len(body) == 24
    assert IRSEConfig().stage_ends == (2, 6, 20, 23)


def test_irse_unit_of_equal_channels_takes_its_shortcut_by_subsampling():
    unit = IRSEUnit(4, 4, stride=2, squeeze=2).eval()
    torch.nn.init.zeros_(unit.res_layer[4].weight)
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(unit(x), x[:, :, ::2, ::2])
