"""A small identity embedder, trained without identity labels.

Two augmented views of one photograph are one person, all other photographs are others; people of
the same gender and group weigh more among the others, which is where the telling is hard.
Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations".

Shapes: B batch, E embedding size.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from models.face.trunk import Trunk
from models.ops.shrink import shrunk


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityEmbedderConfig:
    """Sizes of the embedder; pictures larger than `size` pixels are averaged down to it."""

    size: int = 64
    channels: tuple[int, ...] = (32, 64, 128, 192)
    blocks: int = 2
    embedding_size: int = 128


class IdentityEmbedder(nn.Module):
    """Crops to unit embeddings; the cosine of two says how alike two faces are."""

    def __init__(self, config: IdentityEmbedderConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.channels, blocks=config.blocks)
        # A grid of 3 x 3 keeps where things are, which a global mean would lose.
        self.head = nn.Linear(config.channels[-1] * 9, config.embedding_size)

    def forward(self, crops: Tensor) -> Tensor:
        """Embeds crops (B, 3, H, W), in [-1, 1], as unit vectors (B, E), float32."""
        last = self.trunk(shrunk(crops, self.config.size))[-1].float()
        pooled = F.adaptive_avg_pool2d(last, 3).flatten(1)
        return F.normalize(self.head(pooled).float(), dim=1)
