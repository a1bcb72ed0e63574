"""A discriminator that sees age: is this a real face, and one of that age?

Its trunk may start from an age regressor's, so that it knows from the first step what ages look
like. Logits are given patch by patch at two scales, each a plain score plus the projection of the
features on the age.
Sources: Miyato & Koyama 2018, "cGANs with Projection Discriminator"; Sauer et al. 2021, "Projected
GANs Converge Faster" (trained features as a start); Reed et al. 2016 (a real picture with the wrong
condition is a negative).

Shapes: B batch, P patches, C channels, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.face.trunk import Trunk


class PatchHead(nn.Module):
    """Scores every patch of one feature map for being real and of the age given."""

    def __init__(self, in_channels: int, *, num_bumps: int, width: int = 64) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, 1, 1)
        )
        self.score = nn.Conv2d(width, 1, 1)
        self.of_age = nn.Linear(num_bumps, width, bias=False)
        nn.init.normal_(self.of_age.weight)

    def forward(self, feature: Tensor, bumps: list[Tensor], *, grid: int) -> list[Tensor]:
        """Returns one logit map (B, grid * grid) for each set of age bumps (B, A)."""
        hidden = F.leaky_relu(self.features(feature), 0.2).float()
        # What follows is linear: averaged first, it is a sixteenth of the work on the finest map.
        hidden = F.adaptive_avg_pool2d(hidden, grid)
        plain = self.score(hidden)
        scale = hidden.shape[1] ** -0.5
        maps = [
            plain + scale * (hidden * self.of_age(b)[:, :, None, None]).sum(1, keepdim=True)
            for b in bumps
        ]
        return [m.flatten(1) for m in maps]


class AgeDiscriminator(nn.Module):
    """Trunk in evaluation mode (its norms are then plain scales) with a patch head a scale.

    Args of the constructor:
        channels, blocks: Of the trunk, see Trunk.
        scales: How many of the coarsest feature maps get a head.
    """

    centres: Tensor

    def __init__(
        self,
        channels: tuple[int, ...],
        *,
        blocks: int,
        min_age: float,
        max_age: float,
        scales: int = 2,
        num_bumps: int = 12,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(channels, blocks=blocks)
        self.heads = nn.ModuleList(PatchHead(c, num_bumps=num_bumps) for c in channels[-scales:])
        centres = torch.linspace(min_age, max_age, num_bumps)
        self.register_buffer("centres", centres, persistent=False)
        self.spread = (max_age - min_age) / (num_bumps - 1)

    def train(self, mode: bool = True) -> "AgeDiscriminator":
        """Switches everything but the trunk's norms, which keep the statistics they came with."""
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, crops: Tensor, *ages: Tensor) -> list[Tensor]:
        """Scores crops (B, 3, H, W) for every given set of ages (B,), years.

        Returns:
            One tensor of logits (B, P) for each set of ages; the trunk runs once for all.
        """
        bumps = [
            torch.exp(-0.5 * ((a.float()[:, None] - self.centres) / self.spread) ** 2) for a in ages
        ]
        features = self.trunk(crops)[-len(self.heads) :]
        # All scales on the coarsest grid: else the finest, which cannot know age, has most votes.
        grid = features[-1].shape[-1]
        by_head = [head(f, bumps, grid=grid) for head, f in zip(self.heads, features, strict=True)]
        return [torch.cat(maps, dim=1) for maps in zip(*by_head, strict=True)]
