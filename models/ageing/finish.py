"""The finish: draws a decoded change anew on the features that a photograph really has.

A decoder that sees a face as a few thousand numbers knows that cheeks fold, not where this cheek
does: its change is soft, and on a turned head beside the mark. The finish sees the crop too. Where
nothing changes it changes nothing, whatever the crop shows.
Sources: Ronneberger et al. 2015, "U-Net"; Zoss et al. 2022, "Production-Ready Face Re-Aging for
Visual Effects" (a per-pixel change from an image-to-image network).

Shapes: B batch, C channels, H W R pixels.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ops.equalised import BiasedLeakyReLU, EqualConv
from models.shapes import check_shape

HALF = 1 / math.sqrt(2)  # of the power of a sum of two
MOST = 0.5  # that is added to a change, [-1, 1] units
HALF_GATE = 0.01  # mean change, [-1, 1] units, at which the finish acts by half


class Finish(nn.Module):
    """A small U-Net that adds to a change.

    Args of the constructor:
        channels: Of the levels, finest (the crop's own size) first; each next one is half the size.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = _Conv(9, channels[0])
        self.downs = nn.ModuleList(_Level(a, b, stride=2) for a, b in pairwise(channels))
        self.bottom = _Level(channels[-1], channels[-1], stride=1)
        self.ups = nn.ModuleList(_Level(b, a, stride=1) for a, b in pairwise(channels))
        self.to_change = EqualConv(channels[0], 3, size=3, padding=1)
        nn.init.zeros_(self.to_change.weight)  # begins by leaving changes as they are

    def forward(self, crops: Tensor, source: Tensor, change: Tensor) -> Tensor:
        """Finishes changes.

        Args:
            crops: RGB in [-1, 1], (B, 3, R, R), R divisible by 2 ** (levels - 1).
            source: The same as synthesised at the source age.
            change: Of the synthesised crops, in the same units.

        Returns:
            (B, 3, R, R), float32: the change and what it lacks; exactly 0 for a change of 0.
        """
        check_shape("crops", crops, "B C H W", C=3)
        x = torch.cat([crops, source, change], dim=1).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)
        x = self.bottom(x)
        for up, skip in zip(reversed(self.ups), reversed(skips), strict=True):
            x = F.interpolate(up(x), scale_factor=2, mode="bilinear", align_corners=False)
            x = (x + skip) * HALF
        lacking = MOST * self.to_change(x).float().tanh()
        amount = change.float().abs().mean(dim=(1, 2, 3), keepdim=True)
        return change.float() + lacking * (amount / (amount + HALF_GATE))


class _Conv(nn.Module):
    """A 3x3 convolution with equalised learning rate, its bias and the scaled leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = EqualConv(in_channels, out_channels, size=3, stride=stride, padding=1)
        self.activate = BiasedLeakyReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H / stride, W / stride)."""
        return self.activate(self.conv(x))


class _Level(nn.Module):
    """A convolution and a residual one, at one size."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.enter = _Conv(in_channels, out_channels, stride=stride)
        self.stay = _Conv(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H / stride, W / stride)."""
        x = self.enter(x)
        return (x + self.stay(x)) * HALF
