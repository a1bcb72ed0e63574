"""Reads ages from windows of faces: a start for a discriminator that sees no more than those.

Shapes: B batch, H W pixels, A age bins.
"""

import torch
from torch import Tensor, nn

from models.ageing.age_discriminator import nearness
from models.face.trunk import Trunk


class WindowReader(nn.Module):
    """A trunk and one linear layer that also knows where a window was cut.

    Args of the constructor:
        channels, blocks: Of the trunk, see Trunk.
        min_age, max_age: Of the bins, years.
        places: That it tells apart, across and down.
    """

    places: Tensor
    years: Tensor

    def __init__(
        self,
        channels: tuple[int, ...],
        *,
        blocks: int,
        min_age: float,
        max_age: float,
        places: int,
        num_bins: int = 26,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(channels, blocks=blocks)
        self.to_age = nn.Linear(channels[-1] + places**2, num_bins)
        self.register_buffer("places", (torch.arange(places) + 0.5) / places)
        self.register_buffer("years", torch.linspace(min_age, max_age, num_bins))

    def forward(self, windows: Tensor, middles: Tensor) -> Tensor:
        """Returns age logits (B, A) of windows (B, 3, H, W) in [-1, 1] with middles (B, 2)."""
        seen = self.trunk(windows)[-1].float().mean(dim=(2, 3))
        return self.to_age(torch.cat([seen, nearness(middles, self.places)], dim=1))
