"""A discriminator that sees age: is this a real face, and one of that age?

Its trunk may start from an age regressor's, so that it knows from the first step what ages look
like. Logits are given patch by patch at two scales, each a plain score plus the projection of the
features on the age.
Sources: Miyato & Koyama 2018, "cGANs with Projection Discriminator"; Sauer et al. 2021, "Projected
GANs Converge Faster" (trained features as a start); Reed et al. 2016 (a real picture with the wrong
condition is a negative).

Shapes: B batch, P patches, C channels, H W pixels, K places.
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
        places: For windows of a crop rather than whole crops: every head then knows where a window
            was cut, by so many soft places across and as many down. 0 is whole crops.
    """

    centres: Tensor
    places: Tensor

    def __init__(
        self,
        channels: tuple[int, ...],
        *,
        blocks: int,
        min_age: float,
        max_age: float,
        scales: int = 2,
        num_bumps: int = 12,
        places: int = 0,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(channels, blocks=blocks)
        conditions = num_bumps * max(1, places**2)
        self.heads = nn.ModuleList(PatchHead(c, num_bumps=conditions) for c in channels[-scales:])
        centres = torch.linspace(min_age, max_age, num_bumps)
        self.register_buffer("centres", centres, persistent=False)
        self.spread = (max_age - min_age) / (num_bumps - 1)
        middles = (torch.arange(places) + 0.5) / max(1, places)
        self.register_buffer("places", middles, persistent=False)

    def train(self, mode: bool = True) -> "AgeDiscriminator":
        """Switches everything but the trunk's norms, which keep the statistics they came with."""
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, crops: Tensor, *ages: Tensor, middles: Tensor | None = None) -> list[Tensor]:
        """Scores crops, or windows of crops, (B, 3, H, W) for every given set of ages (B,), years.

        Args:
            crops: In [-1, 1].
            ages: Years.
            middles: Of the windows, (B, 2): x, y as shares of the crop's size. Only with `places`.

        Returns:
            One tensor of logits (B, P) for each set of ages; the trunk runs once for all.
        """
        bumps = [
            torch.exp(-0.5 * ((a.float()[:, None] - self.centres) / self.spread) ** 2) for a in ages
        ]
        if middles is not None:
            where = nearness(middles, self.places)
            bumps = [(b[:, :, None] * where[:, None]).flatten(1) for b in bumps]
        features = self.trunk(crops)[-len(self.heads) :]
        # All scales on the coarsest grid: else the finest, which cannot know age, has most votes.
        grid = features[-1].shape[-1]
        by_head = [head(f, bumps, grid=grid) for head, f in zip(self.heads, features, strict=True)]
        return [torch.cat(maps, dim=1) for maps in zip(*by_head, strict=True)]


def nearness(middles: Tensor, places: Tensor) -> Tensor:
    """Says how near windows of a crop are to places on it.

    Args:
        middles: Of the windows, (B, 2): x, y as shares of the crop's size.
        places: Across, and as many down, (N,), shares.

    Returns:
        (B, N * N), row by row, of sum 1.
    """
    apart = (middles[:, :, None] - places) * len(places)
    across, down = torch.exp(-0.5 * apart.square()).unbind(1)
    near = (down[:, :, None] * across[:, None]).flatten(1)
    return near / near.sum(dim=1, keepdim=True)
