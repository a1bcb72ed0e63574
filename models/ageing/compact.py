"""A compact encoder and StyleGAN2-like synthesis, small enough to train on a CPU.

The synthesis is StyleGAN2's (modulated convolutions, skip RGB) thinned for a processor that is
bound by passes over memory: no noise, a bilinear doubling after the convolution instead of inside,
RGB layers without style, a single convolution at the finest level. Any size base * 2^n will do.
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN".

Shapes: B batch, C channels, H W R pixels, L style layers, D latent size.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ops.equalised import NEGATIVE_SLOPE, EqualConv, EqualLinear
from models.shapes import check_shape

RESIDUAL_GAIN = 1 / math.sqrt(2)


class StyledConv(nn.Module):
    """A 3x3 modulated convolution, optionally doubling the picture, bias and activation."""

    def __init__(
        self, in_channels: int, out_channels: int, *, latent_size: int, upsample: bool
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.modulation = EqualLinear(latent_size, in_channels, bias_init=1.0)
        self.upsample = upsample

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Convolves x (B, C, H, W) in the style of w (B, D)."""
        # The gain of the activation is moved into the demodulation, which it commutes with: on a
        # CPU these layers are bound by passes over memory, not by the convolution.
        styles = self.modulation(w).float()
        weight = self.weight * (1 / math.sqrt(self.weight[0].numel()))
        energy = styles.square() @ weight.float().square().sum([2, 3]).t()
        gain = math.sqrt(2) * torch.rsqrt(energy + 1e-8)
        out = F.conv2d(x * styles[:, :, None, None].to(x.dtype), weight, padding=1)
        if self.upsample:
            out = F.interpolate(out, scale_factor=2, mode="bilinear", align_corners=False)
        bias = (self.bias * math.sqrt(2))[None, :, None, None].to(out.dtype)
        return F.leaky_relu(
            torch.addcmul(bias, out, gain[:, :, None, None].to(out.dtype)), NEGATIVE_SLOPE
        )


class CompactSynthesis(nn.Module):
    """w+ to a crop.

    Args of the constructor:
        channels: Of the levels, coarsest first; the picture doubles from level to level.
        resolution: Of the crop; divisible by 2 ** (levels - 1).
        latent_size: D.
    """

    def __init__(self, channels: tuple[int, ...], *, resolution: int, latent_size: int) -> None:
        super().__init__()
        doublings = len(channels) - 1
        if resolution % 2**doublings:
            raise ValueError(
                f"CompactSynthesis.resolution: got {resolution}, expected a multiple of "
                f"{2**doublings} for {len(channels)} levels"
            )
        self.resolution = resolution
        self.num_layers = num_style_layers(channels)
        self.latent_size = latent_size
        base = resolution // 2**doublings
        self.constant = nn.Parameter(torch.randn(1, channels[0], base, base))
        self.first = StyledConv(channels[0], channels[0], latent_size=latent_size, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList([nn.Conv2d(channels[0], 3, 1)])
        for level, (before, after) in enumerate(pairwise(channels), start=1):
            self.convs.append(StyledConv(before, after, latent_size=latent_size, upsample=True))
            if level < doublings:
                self.convs.append(StyledConv(after, after, latent_size=latent_size, upsample=False))
            self.to_rgbs.append(nn.Conv2d(after, 3, 1))

    def forward(self, w_plus: Tensor) -> Tensor:
        """Synthesises crops (B, 3, R, R), about [-1, 1], from w_plus (B, L, D)."""
        check_shape("w_plus", w_plus, "B L D", L=self.num_layers, D=self.latent_size)
        x = self.constant.expand(w_plus.shape[0], -1, -1, -1)
        x = self.first(x.contiguous(memory_format=torch.channels_last), w_plus[:, 0])
        rgb = self.to_rgbs[0](x)
        for layer, conv in enumerate(self.convs, start=1):
            x = conv(x, w_plus[:, layer])
            if layer % 2 == 0 or layer == self.num_layers - 1:
                rgb = F.interpolate(rgb, scale_factor=2, mode="bilinear", align_corners=False)
                rgb = rgb + self.to_rgbs[(layer + 1) // 2](x)
        return rgb.float()


def num_style_layers(channels: tuple[int, ...]) -> int:
    """Returns L of a synthesis with these levels: one w for each convolution."""
    return 2 * len(channels) - 2


def _activated_conv(conv: EqualConv, x: Tensor, bias: Tensor) -> Tensor:
    """Convolution, bias and scaled leaky ReLU in two passes over memory."""
    gain = conv.gain * math.sqrt(2)
    out = F.conv2d(
        x, conv.weight * gain, bias * math.sqrt(2), stride=conv.stride, padding=conv.padding
    )
    return F.leaky_relu(out, NEGATIVE_SLOPE)


class DownBlock(nn.Module):
    """Residual block that halves the picture, as in StyleGAN2's discriminator."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = EqualConv(in_channels, in_channels, size=3, padding=1)
        self.bias1 = nn.Parameter(torch.zeros(in_channels))
        self.conv2 = EqualConv(in_channels, out_channels, size=3, padding=1)
        self.bias2 = nn.Parameter(torch.zeros(out_channels))
        self.skip = EqualConv(in_channels, out_channels, size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H / 2, W / 2)."""
        out = F.avg_pool2d(_activated_conv(self.conv1, x, self.bias1), 2)
        out = _activated_conv(self.conv2, out, self.bias2)
        return (out + self.skip(F.avg_pool2d(x, 2))) * RESIDUAL_GAIN


class CompactEncoder(nn.Module):
    """Crops to w+, from a flattened grid of the last feature map.

    Args of the constructor:
        channels: Of the levels, finest (half the crop's size) first.
        grid_channels: Kept of every cell of the last feature map.
        hidden_size: Of the layer between the grid and w+.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        *,
        resolution: int,
        num_layers: int,
        latent_size: int,
        grid_channels: int,
        hidden_size: int,
    ) -> None:
        super().__init__()
        self.num_layers, self.latent_size, self.resolution = num_layers, latent_size, resolution
        cells = (resolution // 2 ** len(channels)) ** 2
        self.stem = EqualConv(3, channels[0], size=5, stride=2, padding=2)
        self.stem_bias = nn.Parameter(torch.zeros(channels[0]))
        self.blocks = nn.Sequential(*(DownBlock(a, b) for a, b in pairwise(channels)))
        self.to_grid = EqualConv(channels[-1], grid_channels, size=1)
        self.to_hidden = EqualLinear(cells * grid_channels, hidden_size, activated=True)
        self.to_w_plus = EqualLinear(hidden_size, num_layers * latent_size)

    def forward(self, crops: Tensor) -> Tensor:
        """Encodes crops (B, 3, R, R), in [-1, 1], as w_plus (B, L, D), float32."""
        check_shape("crops", crops, "B C H W", C=3, H=self.resolution, W=self.resolution)
        x = crops.contiguous(memory_format=torch.channels_last)
        x = self.blocks(_activated_conv(self.stem, x, self.stem_bias))
        hidden = self.to_hidden(self.to_grid(x).flatten(1))
        return self.to_w_plus(hidden).float().view(-1, self.num_layers, self.latent_size)
