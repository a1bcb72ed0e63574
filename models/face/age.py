"""Apparent age, gender and group of a face crop, by a small residual network.

Gender and group are read only to choose among conditional means of the ageing path, softly; they
are labels of the training data, not statements about people.
Source of the age head: Rothe et al. 2015, "DEX: Deep EXpectation of apparent age".

Shapes: B batch, A age bins of one year, G genders, R groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.face.trunk import Trunk
from models.ops.shrink import shrunk


@dataclass(frozen=True, kw_only=True, slots=True)
class AgeRegressorConfig:
    """Sizes of the regressor; ages in years, inclusive.

    Pictures larger than `size` pixels are averaged down to it.
    """

    size: int = 64
    channels: tuple[int, ...] = (32, 64, 128, 192)
    blocks: int = 2
    min_age: int = 18
    max_age: int = 95
    num_genders: int = 2
    num_groups: int = 5

    def __post_init__(self) -> None:
        if self.min_age >= self.max_age:
            raise ValueError(
                f"AgeRegressorConfig.min_age: got {self.min_age}, expected below max_age "
                f"({self.max_age})"
            )


@dataclass(frozen=True)
class FaceReading:
    """What the regressor says of B crops; logits, and the expected age in years."""

    age: Tensor  # (B,) years
    age_logits: Tensor  # (B, A)
    gender_logits: Tensor  # (B, G)
    group_logits: Tensor  # (B, R)


class AgeRegressor(nn.Module):
    """Expected age over one-year bins, with heads for gender and group."""

    years: Tensor

    def __init__(self, config: AgeRegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.channels, blocks=config.blocks)
        width = config.channels[-1]
        self.age_head = nn.Linear(width, config.max_age - config.min_age + 1)
        self.gender_head = nn.Linear(width, config.num_genders)
        self.group_head = nn.Linear(width, config.num_groups)
        years = torch.arange(config.min_age, config.max_age + 1, dtype=torch.float32)
        self.register_buffer("years", years, persistent=False)

    def forward(self, crops: Tensor) -> FaceReading:
        """Reads crops (B, 3, H, W), in [-1, 1]."""
        return self.read(self.features(crops))

    def features(self, crops: Tensor) -> list[Tensor]:
        """Returns the trunk's feature maps of crops (B, 3, H, W), in [-1, 1], finest first."""
        return self.trunk(shrunk(crops, self.config.size))

    def read(self, features: Sequence[Tensor]) -> FaceReading:
        """Reads the trunk's feature maps of B crops."""
        pooled = features[-1].float().mean(dim=(2, 3))
        age_logits = self.age_head(pooled).float()
        return FaceReading(
            # Not a matrix product, which autocast would round to half a year.
            age=(age_logits.softmax(dim=1) * self.years).sum(dim=1),
            age_logits=age_logits,
            gender_logits=self.gender_head(pooled).float(),
            group_logits=self.group_head(pooled).float(),
        )


def mirrored_age(reader: AgeRegressor, crops: Tensor) -> Tensor:
    """Returns a reader's ages (B,), years: the mean of crops (B, 3, H, W) and their mirrorings."""
    return (reader(crops).age + reader(crops.flip(3)).age) / 2
