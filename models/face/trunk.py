"""The small residual trunk that the age regressor and the identity embedder share.

Knows nothing of ages or people. Its stage outputs also serve as a feature space for losses.
Source: He et al. 2016, "Deep Residual Learning for Image Recognition".

Shapes: B batch, C channels, H W pixels.
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from models.shapes import check_shape


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut; halves the picture on demand."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride != 1 else nn.Identity(),
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H', W')."""
        out = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(out)) + self.shortcut(x))


class Trunk(nn.Module):
    """Crops to a list of feature maps, each half the size of the one before.

    Args of the constructor:
        channels: Of the stages; the first stage works at half the crop's size.
        blocks: Residual blocks in every stage but the first, which is one convolution.
    """

    def __init__(self, channels: tuple[int, ...], *, blocks: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels[0], 5, 2, 2, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()
        )
        self.stages = nn.ModuleList()
        for in_channels, out_channels in pairwise(channels):
            first = ResidualBlock(in_channels, out_channels, stride=2)
            rest = (ResidualBlock(out_channels, out_channels, stride=1) for _ in range(blocks - 1))
            self.stages.append(nn.Sequential(first, *rest))

    def forward(self, crops: Tensor) -> list[Tensor]:
        """Maps crops (B, 3, H, W), in [-1, 1], to one feature map a stage, finest first."""
        check_shape("crops", crops, "B C H W", C=3)
        features = [self.stem(crops)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features
