"""The residual discriminator of StyleGAN2, with an optional projection head for a condition.

Knows nothing of losses. Twice differentiable everywhere, so that R1 works on it.
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN"; projection:
Miyato & Koyama 2018, "cGANs with Projection Discriminator". State-dict names of the plain part as
in the published checkpoints.

Shapes: B batch, C channels, H W R pixels, E condition size.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.ops.equalised import BiasedLeakyReLU, EqualConv, EqualLinear
from models.ops.implementation import Implementation
from models.ops.upfirdn import Blur
from models.shapes import check_shape
from models.stylegan2.config import DiscriminatorConfig


def _conv_layer(
    in_channels: int,
    out_channels: int,
    *,
    size: int,
    implementation: Implementation,
    downsample: bool = False,
    activated: bool = True,
) -> nn.Sequential:
    layers: list[nn.Module] = []
    stride, padding = 1, size // 2
    if downsample and size == 1:
        # A 1x1 convolution commutes with dropping pixels: drop them while filtering.
        layers.append(Blur(pad=(1, 1), down=2, implementation=implementation))
    elif downsample:
        layers.append(Blur(pad=(2, 2), implementation=implementation))
        stride, padding = 2, 0
    layers.append(EqualConv(in_channels, out_channels, size=size, stride=stride, padding=padding))
    if activated:
        layers.append(BiasedLeakyReLU(out_channels))
    return nn.Sequential(*layers)


class _ResidualBlock(nn.Module):
    """Two convolutions and a linear shortcut; halves the resolution."""

    def __init__(
        self, in_channels: int, out_channels: int, *, implementation: Implementation
    ) -> None:
        super().__init__()
        self.conv1 = _conv_layer(in_channels, in_channels, size=3, implementation=implementation)
        self.conv2 = _conv_layer(
            in_channels, out_channels, size=3, downsample=True, implementation=implementation
        )
        self.skip = _conv_layer(
            in_channels,
            out_channels,
            size=1,
            downsample=True,
            activated=False,
            implementation=implementation,
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


def append_stddev(x: Tensor, *, group: int) -> Tensor:
    """Appends the mean deviation within groups of the batch as one more channel.

    Args:
        x: Floating, (B, C, H, W).
        group: Largest group; the largest divisor of B up to it is used, so that any batch works
            (published networks ask for a B that 4 divides). Samples b, b + B/G, b + 2 B/G, ...
            form a group.

    Returns:
        (B, C + 1, H, W).
    """
    batch, _, height, width = x.shape
    group = next(size for size in range(min(group, batch), 0, -1) if batch % size == 0)
    grouped = x.reshape(group, -1, *x.shape[1:]).float()
    deviation = torch.sqrt(grouped.var(0, unbiased=False) + 1e-8).mean([1, 2, 3])
    channel = deviation.to(x.dtype).repeat(group)[:, None, None, None]
    return torch.cat([x, channel.expand(-1, 1, height, width)], dim=1)


class Discriminator(nn.Module):
    """Scores pictures of config.resolution; higher means more real."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels[::-1]
        implementation = config.implementation
        self.convs = nn.Sequential(
            _conv_layer(config.image_channels, channels[0], size=1, implementation=implementation),
            *(
                _ResidualBlock(above, below, implementation=implementation)
                for above, below in pairwise(channels)
            ),
        )
        last = channels[-1]
        self.final_conv = _conv_layer(last + 1, last, size=3, implementation=implementation)
        self.final_linear = nn.Sequential(
            EqualLinear(last * config.base_size**2, last, activated=True), EqualLinear(last, 1)
        )
        self.projection = (
            EqualLinear(config.condition_size, last) if config.condition_size else None
        )

    @property
    def num_features(self) -> int:
        """C of `features`."""
        return self.config.channels[0]

    def features(self, pictures: Tensor) -> Tensor:
        """Returns what the last linear layer reads, for heads built on top.

        Args:
            pictures: Floating, (B, image_channels, R, R), [-1, 1].

        Returns:
            (B, num_features).

        Raises:
            ShapeError: `pictures` has another shape.
        """
        size = self.config.resolution
        check_shape("pictures", pictures, "B C H W", C=self.config.image_channels, H=size, W=size)
        if self.config.implementation == "fast":
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        x = append_stddev(self.convs(pictures), group=self.config.stddev_group)
        return self.final_linear[0](self.final_conv(x).flatten(1))

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Scores pictures, given a condition if the network has a projection head.

        Args:
            pictures: Floating, (B, image_channels, R, R), [-1, 1].
            condition: Floating, (B, E), about unit variance.

        Returns:
            Logits, (B, 1).

        Raises:
            ShapeError: A tensor has another shape.
            ValueError: A condition is given to a network without projection, or missing.
        """
        if (condition is None) != (self.projection is None):
            got = "none" if condition is None else "one"
            raise ValueError(
                f"discriminator: condition: got {got}, "
                f"expected one of size {self.config.condition_size}; 0 means none"
            )
        features = self.features(pictures)
        logits = self.final_linear[1](features)
        if self.projection is None or condition is None:
            return logits
        check_shape("condition", condition, "B E", B=len(pictures), E=self.config.condition_size)
        match = (self.projection(condition) * features).sum(dim=1, keepdim=True)
        return logits + match / math.sqrt(self.num_features)
