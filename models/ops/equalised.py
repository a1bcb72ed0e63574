"""Layers with equalised learning rate, and the scaled leaky ReLU that goes with them.

Weights are stored with unit variance (divided by the learning-rate multiplier) and scaled at
run time by 1 / sqrt(fan_in), so that one learning rate suits all layers.
Source: Karras et al. 2018, "Progressive Growing of GANs", sec. 4.1.

Shapes: B batch, C I O channels, H W pixels, K taps.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ops.adaptable import AdaptableLayer

NEGATIVE_SLOPE = 0.2


def biased_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """Returns leaky_relu(x + bias, 0.2) * sqrt(2); x (B, C, ...), bias (C,), in x's dtype."""
    bias = bias.to(x.dtype).reshape(1, -1, *[1] * (x.dim() - 2))
    return F.leaky_relu(x + bias, NEGATIVE_SLOPE) * math.sqrt(2)


class BiasedLeakyReLU(nn.Module):
    """Bias per channel, leaky ReLU, gain sqrt(2); state-dict name `bias`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Activates x (B, C, ...)."""
        return biased_leaky_relu(x, self.bias)


class EqualLinear(AdaptableLayer):
    """Linear layer with equalised learning rate; optionally activated.

    Args of the constructor:
        learning_rate_multiplier: Multiplies weight and bias at run time (0.01 in mapping).
        bias_init: Value of the effective bias at initialisation.
        activated: Whether the scaled leaky ReLU follows.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        learning_rate_multiplier: float = 1.0,
        bias_init: float = 0.0,
        activated: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(out_features, in_features) / learning_rate_multiplier
        )
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / learning_rate_multiplier))
        self.weight_gain = learning_rate_multiplier / math.sqrt(in_features)
        self.bias_gain = learning_rate_multiplier
        self.activated = activated

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, I) to (B, O)."""
        weight = self.adapted_weight() * self.weight_gain
        bias = self.bias * self.bias_gain
        if self.activated:
            return biased_leaky_relu(F.linear(x, weight), bias)
        return F.linear(x, weight, bias)


class EqualConv(nn.Module):
    """Convolution with equalised learning rate and no bias; state-dict name `weight`."""

    def __init__(
        self, in_channels: int, out_channels: int, *, size: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.gain = 1 / math.sqrt(in_channels * size**2)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Convolves x (B, I, H, W)."""
        return F.conv2d(x, self.weight * self.gain, stride=self.stride, padding=self.padding)


class PixelNorm(nn.Module):
    """Brings every sample's channels to unit mean square."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises x (B, C, ...) over C."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)
