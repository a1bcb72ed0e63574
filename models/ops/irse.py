"""The IR-SE trunk: residual units with squeeze and excitation, as in ArcFace's IR-SE50.

Knows nothing of what is read from it; the encoder and the identity network add their own ends.
Source: Deng et al. 2019, "ArcFace" (improved residual unit); Hu et al. 2018,
"Squeeze-and-Excitation Networks". State-dict names as in the published IR-SE50.

Shapes: B batch, C channels, H W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class IRSEConfig:
    """Sizes of a trunk. Every stage is (channels, units); its first unit halves the picture."""

    in_channels: int = 3
    stem_channels: int = 64
    stages: tuple[tuple[int, int], ...] = ((64, 3), (128, 4), (256, 14), (512, 3))
    squeeze: int = 16

    def __post_init__(self) -> None:
        counts = [self.in_channels, self.stem_channels, self.squeeze, *sum(self.stages, ())]
        if not self.stages or min(counts) < 1:
            raise ValueError(f"IRSEConfig: sizes: got {self}, expected stages and positive counts")
        if any(channels < self.squeeze for channels, _ in self.stages):
            raise ValueError(
                f"IRSEConfig.stages: got {self.stages}, expected at least {self.squeeze} channels"
            )

    @property
    def stage_ends(self) -> tuple[int, ...]:
        """Index of the last unit of every stage."""
        ends, total = [], 0
        for _, units in self.stages:
            total += units
            ends.append(total - 1)
        return tuple(ends)


class SqueezeExcitation(nn.Module):
    """Scales every channel by a gate computed from all channel means."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // squeeze, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // squeeze, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Gates x (B, C, H, W)."""
        gate = self.fc2(torch.relu(self.fc1(x.mean(dim=[2, 3], keepdim=True))))
        return x * torch.sigmoid(gate)


class IRSEUnit(nn.Module):
    """One residual unit; no activation after the sum."""

    def __init__(self, in_channels: int, channels: int, *, stride: int, squeeze: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module
        if in_channels == channels:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            SqueezeExcitation(channels, squeeze),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, channels, H / stride, W / stride)."""
        return self.res_layer(x) + self.shortcut_layer(x)


def irse_stem(config: IRSEConfig) -> nn.Sequential:
    """Returns the input layer: convolution, normalisation, PReLU; resolution kept."""
    return nn.Sequential(
        nn.Conv2d(config.in_channels, config.stem_channels, 3, 1, 1, bias=False),
        nn.BatchNorm2d(config.stem_channels),
        nn.PReLU(config.stem_channels),
    )


def irse_body(config: IRSEConfig) -> nn.Sequential:
    """Returns all units of all stages in one sequence."""
    units, in_channels = [], config.stem_channels
    for channels, count in config.stages:
        for index in range(count):
            stride = 2 if index == 0 else 1
            units.append(IRSEUnit(in_channels, channels, stride=stride, squeeze=config.squeeze))
            in_channels = channels
    return nn.Sequential(*units)
