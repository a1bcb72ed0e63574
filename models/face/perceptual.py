"""Perceptual distances: how differently two pictures look, sample by sample.

LPIPS on AlexNet as published, and the same idea on any network's feature maps, without learnt
weights. Knows nothing of training.
Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
version 0.1; Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Networks".

Shapes: B batch, C channels, H W pixels.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from models.shapes import check_shape

Features = Callable[[Tensor], Sequence[Tensor]]

_CHANNELS = (64, 192, 384, 256, 256)
_TAPS = (1, 4, 7, 9, 11)  # the activations, in AlexNet's own numbering
_EPSILON = 1e-10


class AlexNetFeatures(nn.Module):
    """The five activations of AlexNet's convolutions; state-dict names as in published LPIPS."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four, five = _CHANNELS
        self.layers = nn.Sequential(
            nn.Conv2d(3, one, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(one, two, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(two, three, 3, padding=1), nn.ReLU(),
            nn.Conv2d(three, four, 3, padding=1), nn.ReLU(),
            nn.Conv2d(four, five, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        # ImageNet's statistics, for pictures in [-1, 1].
        self.register_buffer("mean", torch.tensor([-0.030, -0.088, -0.188])[None, :, None, None])
        self.register_buffer("std", torch.tensor([0.458, 0.448, 0.450])[None, :, None, None])

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Returns five feature maps of pictures (B, 3, H, W), RGB in [-1, 1]."""
        x = (pictures - self.mean) / self.std
        taps = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in _TAPS:
                taps.append(x)
        return taps


class LPIPS(nn.Module):
    """The learnt perceptual distance of two pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.net = AlexNetFeatures()
        # The published weights lie behind a dropout, which nothing here trains through.
        self.lin = nn.ModuleList(
            nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))
            for channels in _CHANNELS
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Returns the distances (B,), 0 for equal ones, of pictures a and b.

        Args:
            a: Floating, (B, 3, H, W), RGB in [-1, 1]; at least 31 px a side.
            b: Like `a`.

        Raises:
            ShapeError: The shapes differ.
        """
        check_shape("b", b, "B C H W", B=len(a), C=3, H=a.shape[2], W=a.shape[3])
        total = a.new_zeros(len(a))
        for one, other, weigh in zip(self.net(a), self.net(b), self.lin, strict=True):
            apart = (unit_channels(one) - unit_channels(other)).square()
            total = total + weigh(apart).mean(dim=(1, 2, 3))
        return total


def unit_channels(feature: Tensor) -> Tensor:
    """Brings the channels of every place of a map (B, C, H, W) to unit length; 0 stays 0."""
    # The clamp is below rounding; without it the slope at an all-zero place is not a number.
    length = feature.square().sum(dim=1, keepdim=True).clamp_min(_EPSILON**2).sqrt()
    return feature / (length + _EPSILON)


def feature_metric(features: Features) -> Callable[[Tensor, Tensor], Tensor]:
    """Returns a perceptual distance on a network's feature maps, every map counting alike.

    Args:
        features: Maps pictures (B, 3, H, W) to some feature maps (B, C', H', W').

    Returns:
        A function of two batches of pictures; it returns the distances (B,), 0 for equal ones and
        at most 4: squared differences of unit channel vectors, mean over places and maps.
    """

    def distance(a: Tensor, b: Tensor) -> Tensor:
        check_shape("b", b, "B C H W", B=len(a), C=a.shape[1], H=a.shape[2], W=a.shape[3])
        apart = [
            (unit_channels(one) - unit_channels(other)).square().sum(dim=1).mean(dim=(1, 2))
            for one, other in zip(features(a), features(b), strict=True)
        ]
        return torch.stack(apart).mean(dim=0)

    return distance


def lpips_state(linear: Mapping[str, Tensor], alexnet: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Joins the two published state dicts that LPIPS is made of, under our module names.

    Args:
        linear: LPIPS v0.1 for AlexNet: `lin0.model.1.weight` ... `lin4.model.1.weight`.
        alexnet: AlexNet trained on ImageNet: `features.0.weight` and so on; other keys are its
            classifier and left out.

    Returns:
        What `LPIPS` loads; its input statistics, `net.mean` and `net.std`, included.
    """
    state = {
        key.replace("features.", "net.layers."): value
        for key, value in alexnet.items()
        if key.startswith("features.")
    }
    for key, value in linear.items():
        state[key.replace("lin", "lin.", 1).replace("model.", "", 1)] = value
    own = AlexNetFeatures().state_dict()
    return {"net.mean": own["mean"], "net.std": own["std"]} | state
