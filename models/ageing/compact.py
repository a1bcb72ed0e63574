"""A compact encoder and StyleGAN2-like synthesis, small enough to train on a CPU.

The synthesis is StyleGAN2's (modulated convolutions, skip RGB) thinned for a processor that is
bound by passes over memory: no noise, a bilinear doubling after the convolution instead of inside,
RGB layers without style, the finest level made by a sub-pixel convolution. Any size base * 2^n will
do. It starts from a grid that says where in the picture things are, so that a face comes back as
itself; the grid is part of w+: its first S rows are styles, the others the grid, row by row.
Sources: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN"; Kim et al.
2021, "Exploiting Spatial Dimensions of Latent in GAN for Real-time Image Editing" (the grid); Shi
et al. 2016, "Real-Time Single Image and Video Super-Resolution" (the sub-pixel convolution).

Shapes: B batch, C channels, H W R pixels, L rows of w+, S styles, D latent size.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ops.adaptable import AdaptableLayer
from models.ops.equalised import NEGATIVE_SLOPE, EqualConv, EqualLinear
from models.shapes import check_shape

RESIDUAL_GAIN = 1 / math.sqrt(2)


class StyledConv(AdaptableLayer):
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
        weight = self.adapted_weight() * (1 / math.sqrt(self.weight[0].numel()))
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
        structure_channels: Of the grid, which has the coarsest level's size.
    """

    # What is trained for one person; where the grid's channels and the constant lead stays.
    PERSONAL_PARTS = ("first", "convs", "to_rgbs")

    def __init__(
        self,
        channels: tuple[int, ...],
        *,
        resolution: int,
        latent_size: int,
        structure_channels: int,
    ) -> None:
        super().__init__()
        doublings = len(channels) - 1
        if resolution % 2**doublings:
            raise ValueError(
                f"CompactSynthesis.resolution: got {resolution}, expected a multiple of "
                f"{2**doublings} for {len(channels)} levels"
            )
        base = resolution // 2**doublings
        self.resolution, self.latent_size = resolution, latent_size
        self.grid_shape = (structure_channels, base, base)
        self.num_styles = num_style_layers(channels)
        self.num_layers = self.num_styles + num_structure_rows(self.grid_shape, latent_size)
        self.of_structure = EqualConv(structure_channels, channels[0], size=1)
        self.constant = nn.Parameter(torch.randn(1, channels[0], base, base))
        self.first = StyledConv(channels[0], channels[0], latent_size=latent_size, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList([nn.Conv2d(channels[0], 3, 1)])
        for level, (before, after) in enumerate(pairwise(channels), start=1):
            if level < doublings:
                self.convs.append(StyledConv(before, after, latent_size=latent_size, upsample=True))
                self.convs.append(StyledConv(after, after, latent_size=latent_size, upsample=False))
                self.to_rgbs.append(nn.Conv2d(after, 3, 1))
            else:
                self.convs.append(
                    StyledConv(before, 4 * after, latent_size=latent_size, upsample=False)
                )
                self.to_rgbs.append(nn.Conv2d(after, 3, 3, padding=1))

    def forward(self, w_plus: Tensor, *, size: int | None = None) -> Tensor:
        """Synthesises crops (B, 3, R, R), about [-1, 1], from w_plus (B, L, D).

        Args:
            w_plus: Styles and grid.
            size: Of a coarser level, pixels: (B, 3, size, size) is made, and what is finer is not.
        """
        check_shape("w_plus", w_plus, "B L D", L=self.num_layers, D=self.latent_size)
        wanted = self._level_of(size)
        styles, grid = w_plus.split([self.num_styles, self.num_layers - self.num_styles], dim=1)
        grid = grid.reshape(-1, *self.grid_shape).contiguous(memory_format=torch.channels_last)
        x = self.first(self.constant + self.of_structure(grid), styles[:, 0])
        rgb = self.to_rgbs[0](x)
        for level, to_rgb in enumerate(self.to_rgbs[1 : wanted + 1], start=1):
            layer = 2 * level - 1
            x = self.convs[layer - 1](x, styles[:, layer])
            rgb = F.interpolate(rgb, scale_factor=2, mode="bilinear", align_corners=False)
            if level < len(self.to_rgbs) - 1:
                x = self.convs[layer](x, styles[:, layer + 1])
                rgb = rgb + to_rgb(x)
            else:
                x = F.pixel_shuffle(x, 2).contiguous(memory_format=torch.channels_last)
                rgb = rgb + _without_pattern(to_rgb(x))
        return rgb.float()

    def _level_of(self, size: int | None) -> int:
        sizes = [self.grid_shape[1] << level for level in range(len(self.to_rgbs))]
        if size is not None and size not in sizes:
            raise ValueError(f"CompactSynthesis.size: got {size}, expected one of {sizes}")
        return sizes.index(size or self.resolution)


def _without_pattern(rgb: Tensor) -> Tensor:
    """Takes what changes from pixel to pixel out of pictures (B, 3, H, W), by a binomial filter.

    A sub-pixel convolution's four phases never agree quite: they leave lines two pixels apart.
    """
    taps = rgb.new_tensor([0.25, 0.5, 0.25])
    kernel = (taps[:, None] * taps).expand(rgb.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(rgb, (1, 1, 1, 1), mode="replicate"), kernel, groups=rgb.shape[1])


def num_style_layers(channels: tuple[int, ...]) -> int:
    """Returns S of a synthesis with these levels: one w for each convolution."""
    return 2 * len(channels) - 2


def num_structure_rows(grid_shape: tuple[int, int, int], latent_size: int) -> int:
    """Returns how many rows of w+ a grid (C, H, W) fills.

    Raises:
        ValueError: They would not be filled evenly.
    """
    numbers = math.prod(grid_shape)
    if numbers % latent_size:
        raise ValueError(
            f"structure_channels: got a grid of {numbers} numbers, expected a multiple of the "
            f"latent size ({latent_size})"
        )
    return numbers // latent_size


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
    """Crops to w+: styles from the flattened last feature map, the grid from that map as it is.

    Args of the constructor:
        channels: Of the levels, finest (half the crop's size) first; the last has the grid's size.
        grid_shape: Of the synthesis, (C, H, W).
        grid_channels: Kept of every cell of the last feature map.
        hidden_size: Of the layer between the grid and w+.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        *,
        resolution: int,
        num_styles: int,
        latent_size: int,
        grid_shape: tuple[int, int, int],
        grid_channels: int,
        hidden_size: int,
    ) -> None:
        super().__init__()
        self.num_styles, self.latent_size, self.resolution = num_styles, latent_size, resolution
        last = resolution // 2 ** len(channels)
        if grid_shape[1:] != (last, last):
            raise ValueError(
                f"CompactEncoder.channels: got {len(channels)} levels, which end at {last} x "
                f"{last}, expected {grid_shape[1]} x {grid_shape[2]} as the synthesis begins"
            )
        cells = last**2
        self.stem = EqualConv(3, channels[0], size=5, stride=2, padding=2)
        self.stem_bias = nn.Parameter(torch.zeros(channels[0]))
        self.blocks = nn.Sequential(*(DownBlock(a, b) for a, b in pairwise(channels)))
        self.to_grid = EqualConv(channels[-1], grid_channels, size=1)
        self.to_hidden = EqualLinear(cells * grid_channels, hidden_size, activated=True)
        self.to_styles = EqualLinear(hidden_size, num_styles * latent_size)
        self.to_structure = EqualConv(channels[-1], grid_shape[0], size=1)

    def forward(self, crops: Tensor) -> Tensor:
        """Encodes crops (B, 3, R, R), in [-1, 1], as w_plus (B, L, D), float32."""
        check_shape("crops", crops, "B C H W", C=3, H=self.resolution, W=self.resolution)
        x = crops.contiguous(memory_format=torch.channels_last)
        x = self.blocks(_activated_conv(self.stem, x, self.stem_bias))
        hidden = self.to_hidden(self.to_grid(x).flatten(1))
        rows = torch.cat([self.to_styles(hidden), self.to_structure(x).flatten(1)], dim=1)
        return rows.float().view(len(crops), -1, self.latent_size)
