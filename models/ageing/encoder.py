"""The pSp encoder: an IR-SE trunk, a feature pyramid, and one small head per style layer.

Knows nothing of ages: a fourth input channel is a channel like the others.
Source: Richardson et al. 2021, "Encoding in Style", sec. 3; with four channels it is the age
encoder of Alaluf et al. 2021, "Only a Matter of Style". State-dict names as published.

Shapes: B batch, L style layers, D latent size, C channels, H W R pixels.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ops.equalised import EqualLinear
from models.ops.irse import IRSEConfig, irse_body, irse_stem
from models.shapes import check_shape


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """Sizes of the encoder.

    Heads read three maps: the first `num_coarse` the last stage's, the next `num_medium` the one
    before, the rest the one before that; each has `pyramid_channels`.
    """

    resolution: int = 256
    num_layers: int = 18
    num_coarse: int = 3
    num_medium: int = 4
    latent_size: int = 512
    trunk: IRSEConfig = field(default_factory=IRSEConfig)

    def __post_init__(self) -> None:
        if len(self.trunk.stages) < 3:
            raise ValueError(
                f"EncoderConfig.trunk.stages: got {len(self.trunk.stages)}, expected at least 3"
            )
        if self.resolution < 1 or self.resolution % (1 << len(self.trunk.stages)):
            raise ValueError(
                f"EncoderConfig.resolution: got {self.resolution}, "
                f"expected a multiple of {1 << len(self.trunk.stages)}"
            )
        if min(self.num_coarse, self.num_medium, self.latent_size) < 1:
            raise ValueError(f"EncoderConfig: counts: got {self}, expected at least 1 each")
        if self.num_coarse + self.num_medium > self.num_layers:
            raise ValueError(
                f"EncoderConfig.num_layers: got {self.num_layers}, expected at least "
                f"num_coarse + num_medium ({self.num_coarse + self.num_medium})"
            )

    @classmethod
    def published(cls, *, in_channels: int = 3) -> "EncoderConfig":
        """Returns the sizes of pSp (3 channels) and of SAM's age encoder (4) for 1024 px."""
        return cls(trunk=IRSEConfig(in_channels=in_channels))

    @property
    def pyramid_channels(self) -> int:
        """Channels of the three maps that heads read."""
        return self.trunk.stages[-1][0]

    @property
    def head_sizes(self) -> tuple[int, ...]:
        """Size in pixels of the map that every head reads."""
        coarse = self.resolution >> len(self.trunk.stages)
        num_fine = self.num_layers - self.num_coarse - self.num_medium
        return (
            (coarse,) * self.num_coarse + (2 * coarse,) * self.num_medium + (4 * coarse,) * num_fine
        )


class StyleHead(nn.Module):
    """Halves a map until one pixel is left, which is mapped to a latent."""

    def __init__(self, in_channels: int, latent_size: int, *, size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while size > 1 or not layers:
            layers += [nn.Conv2d(in_channels, latent_size, 3, 2, 1), nn.LeakyReLU()]
            in_channels, size = latent_size, (size + 1) // 2
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(latent_size, latent_size)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, size, size) to (B, D)."""
        return self.linear(self.convs(x).flatten(1))


class GradualStyleEncoder(nn.Module):
    """Maps crops to one latent per style layer, relative to the generator's mean latent."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        trunk = config.trunk
        self.input_layer = irse_stem(trunk)
        self.body = irse_body(trunk)
        self.styles = nn.ModuleList(
            StyleHead(config.pyramid_channels, config.latent_size, size=size)
            for size in config.head_sizes
        )
        self.latlayer1 = nn.Conv2d(trunk.stages[-2][0], config.pyramid_channels, 1)
        self.latlayer2 = nn.Conv2d(trunk.stages[-3][0], config.pyramid_channels, 1)

    def forward(self, crops_BCHW: Tensor) -> Tensor:
        """Encodes crops.

        Args:
            crops_BCHW: Floating, (B, C, R, R), colour in [-1, 1]; with four channels the fourth
                is the target age / 100, constant over the picture.

        Returns:
            (B, L, D), to be added to the mean latent (or, in SAM, to another encoder's w_plus).

        Raises:
            ShapeError: `crops_BCHW` has another shape.
        """
        size, channels = self.config.resolution, self.config.trunk.in_channels
        check_shape("crops", crops_BCHW, "B C H W", C=channels, H=size, W=size)
        fine, medium, coarse = self._pyramid(crops_BCHW)
        latents = []
        for index, head in enumerate(self.styles):
            if index < self.config.num_coarse:
                latents.append(head(coarse))
            elif index < self.config.num_coarse + self.config.num_medium:
                latents.append(head(medium))
            else:
                latents.append(head(fine))
        return torch.stack(latents, dim=1)

    def _pyramid(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ends = self.config.trunk.stage_ends[-3:]
        x, taps = self.input_layer(crops), []
        for index, unit in enumerate(self.body):
            x = unit(x)
            if index in ends:
                taps.append(x)
        c1, c2, c3 = taps
        medium = _double(c3, c2) + self.latlayer1(c2)
        fine = _double(medium, c1) + self.latlayer2(c1)
        return fine, medium, c3


def _double(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)
