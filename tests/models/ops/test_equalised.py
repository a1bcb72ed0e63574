import math

import torch

from models.ops.equalised import BiasedLeakyReLU, EqualConv, EqualLinear, PixelNorm


def test_equal_linear_has_its_effective_bias_at_the_start_whatever_the_multiplier():
    layer = EqualLinear(4, 3, learning_rate_multiplier=0.01, bias_init=1.0)
    torch.testing.assert_close(layer(torch.zeros(2, 4)), torch.ones(2, 3))


def test_equal_layers_keep_unit_variance():
    torch.manual_seed(0)
    # A thousand inputs: the variance of a variance is 2 / 1000, its deviation 4 %; five of them.
    out = EqualLinear(1000, 1000, learning_rate_multiplier=0.01)(torch.randn(8, 1000))
    assert abs(out.var() - 1) < 0.2
    out = EqualConv(64, 64, size=3, padding=0)(torch.randn(4, 64, 8, 8))
    assert abs(out.var() - 1) < 0.2


def test_biased_leaky_relu_scales_by_root_two():
    layer = BiasedLeakyReLU(2)
    layer.bias.data = torch.tensor([1.0, -1.0])
    out = layer(torch.zeros(1, 2, 1, 1)).flatten()
    torch.testing.assert_close(out, torch.tensor([math.sqrt(2), -0.2 * math.sqrt(2)]))


def test_pixel_norm_gives_unit_mean_square():
    out = PixelNorm()(torch.randn(3, 16) * 7)
    torch.testing.assert_close(out.square().mean(1), torch.ones(3))
