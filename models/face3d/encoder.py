"""The encoder of a 3D prior: a crop -> w+ of the tri-plane generator.

One global map from the last features of a residual trunk to all latents; where the head is turned
is the camera's to say, so that codes of two views of a face should agree.

Shapes: B batch, R crop size, L style layers, D latent size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.face.trunk import Trunk
from models.ops.shrink import shrunk
from models.shapes import check_shape


@dataclass(frozen=True, kw_only=True)
class FaceEncoderConfig:
    """Sizes of the encoder.

    Attributes:
        size: Crops are shrunk to it, pixels; the trunk halves it once a stage.
        channels: Of the trunk's stages.
        blocks: Residual blocks in every stage but the first.
    """

    size: int = 64
    channels: tuple[int, ...] = (24, 48, 96, 160)
    blocks: int = 2

    def __post_init__(self) -> None:
        if self.size % (1 << len(self.channels)):
            raise ValueError(
                f"FaceEncoderConfig.size: got {self.size}, expected a multiple of "
                f"{1 << len(self.channels)}"
            )


class FaceEncoder(nn.Module):
    """Crops to latents, as departures from a learnt mean."""

    def __init__(self, config: FaceEncoderConfig, *, num_layers: int, latent_size: int) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.channels, blocks=config.blocks)
        cells = (config.size >> len(config.channels)) ** 2
        self.head = nn.Linear(config.channels[-1] * cells, num_layers * latent_size)
        self.mean = nn.Parameter(torch.randn(num_layers, latent_size) * 0.1)
        nn.init.normal_(self.head.weight, std=0.3 * self.head.in_features**-0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, crops: Tensor) -> Tensor:
        """Maps crops (B, 3, R, R), [-1, 1], to w+ (B, L, D)."""
        check_shape("crops", crops, "B C R R", C=3)
        features = self.trunk(shrunk(crops, self.config.size))[-1]
        return self.mean + self.head(features.flatten(1)).unflatten(1, self.mean.shape)
