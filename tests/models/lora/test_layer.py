import pytest
import torch

from models.lora.layer import LoRAConfig, LowRankWeight
from models.ops.equalised import EqualLinear
from models.ops.modulated_conv import ModulatedConv
from tests.tri_planes import drawn, tiny_generator


def _low_rank(layer, **config):
    part = LowRankWeight(layer, LoRAConfig(**config), rng=torch.Generator().manual_seed(1))
    part.up.data.copy_(drawn(*part.up.shape))
    return part


def test_low_rank_of_a_convolution_is_the_product_read_row_by_row():
    layer = tiny_generator().backbone.synthesis.b16.conv0
    assert layer.weight.shape == (6, 8, 3, 3)
    part = _low_rank(layer, rank=2, lora_alpha=3.0)
    assert (part.down.shape, part.up.shape) == ((6, 72), (6, 6))
    found = part()
    for out, into, row, column in ((0, 0, 0, 0), (5, 7, 2, 1), (3, 2, 0, 2)):
        flat = into * 9 + row * 3 + column
        expected = 1.5 * sum(part.up[out, r] * part.down[r, flat] for r in range(6))
        torch.testing.assert_close(found[out, into, row, column], expected)


def test_low_rank_of_a_convolution_fits_weights_with_a_leading_one():
    layer = ModulatedConv(4, 5, size=1, latent_size=8)
    part = _low_rank(layer, rank=3, lora_alpha=3.0)
    assert (part.down.shape, part.up.shape) == ((3, 4), (5, 3))
    torch.testing.assert_close(part(), (part.up @ part.down).reshape(1, 5, 4, 1, 1))


def test_low_rank_of_an_affine_is_added_without_the_layers_gain():
    layer, w = EqualLinear(16, 4, bias_init=1.0), drawn(3, 16)
    plain = layer(w)
    layer.weight_offset = part = _low_rank(layer, rank=2, lora_alpha=1.0)
    expected = plain + (w @ part.down.t()) @ part.up.t() * 0.5
    torch.testing.assert_close(layer(w), expected)


def test_new_low_rank_is_uniform_and_changes_nothing():
    part = LowRankWeight(
        EqualLinear(400, 50), LoRAConfig(rank=4), rng=torch.Generator().manual_seed(0)
    )
    assert torch.equal(part(), torch.zeros(50, 400))
    assert 0.045 < part.down.abs().max() <= 0.05
    again = LowRankWeight(
        EqualLinear(400, 50), LoRAConfig(rank=4), rng=torch.Generator().manual_seed(0)
    )
    assert torch.equal(part.down, again.down)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank: got 0, expected at least 1"),
        ({"lora_alpha": 0.0}, r"lora_alpha: got 0\.0, expected above 0"),
        ({"lora_alpha": float("nan")}, "lora_alpha: got nan"),
    ],
)
def test_config_refuses_impossible_values(settings, message):
    with pytest.raises(ValueError, match=message):
        LoRAConfig(**settings)
