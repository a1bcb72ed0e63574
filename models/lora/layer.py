"""The low-rank part of one weight.

Sources: Hu et al. 2022, "LoRA"; My3DGen, which adds it to StyleGAN2's modulated convolutions before
they are modulated, and to the affine layers of their styles.

Shapes: O I channels, K taps, R rank.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.ops.adaptable import AdaptableLayer
from models.ops.equalised import EqualLinear


@dataclass(frozen=True, kw_only=True, slots=True)
class LoRAConfig:
    """Size and scale of low-rank weights; My3DGen's by default."""

    rank: int = 1
    lora_alpha: float = 1.0  # scale is lora_alpha / rank; equal to rank means scale 1

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"LoRAConfig.rank: got {self.rank}, expected at least 1")
        if not (math.isfinite(self.lora_alpha) and self.lora_alpha > 0):
            raise ValueError(f"LoRAConfig.lora_alpha: got {self.lora_alpha}, expected above 0")

    @property
    def scale(self) -> float:
        """What the product of the two factors is multiplied by."""
        return self.lora_alpha / self.rank


class LowRankWeight(nn.Module):
    """The product of two small factors, shaped as a layer's weight.

    Of a convolution (O, I, K, K) the factors are `up` (O, R K) and `down` (R K, I K K), their
    product read row by row: a matrix of rank R K. Of a linear layer (O, I), K is 1. An equalised
    linear layer multiplies its weight by a gain; the product is not to be, and is divided by it.

    `down` is uniform within 1 / sqrt(its columns) and `up` is 0: a new part changes nothing.
    """

    def __init__(
        self, layer: AdaptableLayer, config: LoRAConfig, *, rng: torch.Generator | None = None
    ) -> None:
        super().__init__()
        weight = layer.weight
        is_linear = isinstance(layer, EqualLinear)
        self.shape = weight.shape
        taps = 1 if is_linear else weight.shape[-1]
        out_features = weight.shape[0] if is_linear else weight.shape[-4]
        columns = weight.numel() // out_features
        rows = config.rank * taps
        self.down = nn.Parameter(weight.new_empty(rows, columns))
        self.up = nn.Parameter(weight.new_zeros(out_features, rows))
        self.scale = config.scale / (layer.weight_gain if isinstance(layer, EqualLinear) else 1.0)
        bound = 1 / math.sqrt(columns)
        with torch.no_grad():
            self.down.uniform_(-bound, bound, generator=rng)

    def forward(self) -> Tensor:
        """Returns what is added to the layer's weight, of its shape."""
        return ((self.up @ self.down) * self.scale).reshape(self.shape)


class ScaledWeight(nn.Module):
    """A part of another's low-rank weight: the product of the factors, taken a number of times."""

    def __init__(self, whole: LowRankWeight, share: float) -> None:
        super().__init__()
        self.whole, self.share = whole, share

    def forward(self) -> Tensor:
        """Returns what is added to the layer's weight, of its shape."""
        offset: Tensor = self.whole()
        return offset * self.share
