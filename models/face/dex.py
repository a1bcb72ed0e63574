"""The published apparent-age network DEX: VGG-16 with a head over the ages 0 to 100.

Knows nothing of losses.
Sources: Rothe et al. 2015, "DEX: Deep EXpectation of apparent age"; Simonyan & Zisserman 2015,
"Very Deep Convolutional Networks"; the weights and the framing of Alaluf et al. 2021, "Only a
Matter of Style". Published files write the module names with `-` for `_`: see `dex_state`.

Shapes: B batch, A ages, S picture size in pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.shapes import check_shape


@dataclass(frozen=True, kw_only=True, slots=True)
class DEXConfig:
    """Sizes; the values are the published ones. Ages are 0 to `num_ages` - 1 years.

    Every stage is (channels, convolutions) and ends by halving the picture.
    """

    stages: tuple[tuple[int, int], ...] = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    hidden_size: int = 4096
    num_ages: int = 101
    picture_size: int = 224

    def __post_init__(self) -> None:
        if not self.stages or min(*sum(self.stages, ()), self.hidden_size, self.num_ages) < 1:
            raise ValueError(f"DEXConfig: sizes: got {self}, expected stages and positive counts")
        step = 1 << len(self.stages)
        if self.picture_size < 1 or self.picture_size % step:
            raise ValueError(
                f"DEXConfig.picture_size: got {self.picture_size}, expected a multiple of {step}"
            )


class DEX(nn.Module):
    """Pictures to logits over ages, and to the expected age."""

    def __init__(self, config: DEXConfig) -> None:
        super().__init__()
        self.config = config
        in_channels = 3
        for stage, (channels, count) in enumerate(config.stages, start=1):
            for index in range(1, count + 1):
                layer = nn.Conv2d(in_channels, channels, 3, padding=1)
                self.add_module(f"conv{stage}_{index}", layer)
                in_channels = channels
        cells = (config.picture_size >> len(config.stages)) ** 2
        self.fc6 = nn.Linear(in_channels * cells, config.hidden_size)
        self.fc7 = nn.Linear(config.hidden_size, config.hidden_size)
        self.fc8_101 = nn.Linear(config.hidden_size, config.num_ages)

    def forward(self, pictures: Tensor) -> Tensor:
        """Returns logits (B, A) of pictures (B, 3, S, S), RGB in [-1, 1].

        Raises:
            ShapeError: `pictures` has another shape.
        """
        size = self.config.picture_size
        check_shape("pictures", pictures, "B C H W", C=3, H=size, W=size)
        x = pictures
        for stage, (_, count) in enumerate(self.config.stages, start=1):
            for index in range(1, count + 1):
                x = F.relu(self.get_submodule(f"conv{stage}_{index}")(x))
            x = F.max_pool2d(x, 2)
        hidden = F.relu(self.fc7(F.relu(self.fc6(x.flatten(1)))))
        return self.fc8_101(hidden)

    def apparent_age(self, pictures: Tensor) -> Tensor:
        """Returns expected ages (B,), years, of aligned pictures (B, 3, H, W), RGB in [-1, 1].

        Other sizes than S are brought to it bilinearly, without antialiasing, as the weights were
        used when SAM was trained.
        """
        size = self.config.picture_size
        if pictures.shape[2:] != (size, size):
            pictures = F.interpolate(
                pictures, size=(size, size), mode="bilinear", align_corners=False
            )
        return expected_age(self(pictures))


def expected_age(logits: Tensor) -> Tensor:
    """Returns the mean (B,), years, of the distribution over ages 0, 1, ... in logits (B, A)."""
    years = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device)
    return (logits.float().softmax(dim=1) * years).sum(dim=1)


def dex_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames a published state dict (`conv1-1.weight`, `fc8-101.bias`) to our module names."""
    return {key.replace("-", "_"): value for key, value in published.items()}
