"""Noise maps that are fitted to a picture while staying noise.

They take up grain and pores, which would otherwise bend the latent, and are thrown away with it.
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", appendix D.

Shapes: B batch, H W pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST = 8  # pixels a side, of the maps whose neighbours are compared


def roughness_penalty(maps: Sequence[Tensor]) -> Tensor:
    """Returns, for each of B pictures, how far maps (B, 1, H, W) are from white noise, (B,).

    Squared correlations of neighbours, across and down, at every halved size.
    """
    total = maps[0].new_zeros(len(maps[0]))
    for noise in maps:
        level = noise
        while True:
            for axis in (2, 3):
                total = total + (level * level.roll(1, axis)).mean(dim=(1, 2, 3)).square()
            if level.shape[-1] <= _SMALLEST:
                break
            level = F.avg_pool2d(level, 2)
    return total


@torch.no_grad()
def normalise_maps(maps: Sequence[Tensor]) -> None:
    """Brings every map (B, 1, H, W) back to mean 0 and power 1, in place."""
    for noise in maps:
        noise.sub_(noise.mean(dim=(1, 2, 3), keepdim=True))
        noise.mul_(noise.square().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12).rsqrt())
