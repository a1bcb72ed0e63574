"""Volume rendering along rays: where to sample, and what samples weigh.

Knows nothing of planes and colours' origin. Densities are raw; their softplus is taken here.
Sources: Mildenhall et al. 2020, "NeRF", sec. 5.2 (importance sampling); Barron et al. 2021,
"Mip-NeRF", sec. 3 (smoothed weights); Chan et al. 2022 (EG3D), supplement, for intervals whose
values are those of their two ends averaged.

Shapes: N rays, S samples, F fine samples.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.eg3d.config import RenderingConfig

_DENSITY_SHIFT = -1.0
_LEAST_TRANSMITTANCE = 1e-10
_FLOOR = 0.01  # every interval may be sampled
_LEAST_WEIGHT = 1e-5


def coarse_depths(jitter: Tensor, config: RenderingConfig) -> Tensor:
    """Returns depths (N, S), ascending, from jitter (N, S) in [0, 1) intervals.

    A jittered last sample lies beyond config.far.
    """
    even = torch.linspace(
        config.near, config.far, config.num_coarse, dtype=jitter.dtype, device=jitter.device
    )
    return even + jitter * ((config.far - config.near) / (config.num_coarse - 1))


def interval_weights(depths: Tensor, densities: Tensor) -> Tensor:
    """Returns what every interval between neighbouring samples adds to its ray, (N, S - 1).

    Args:
        depths: Ascending, (N, S), world units.
        densities: Raw, (N, S).
    """
    middle = (densities[:, :-1] + densities[:, 1:]) / 2
    absorbed = F.softplus(middle + _DENSITY_SHIFT) * (depths[:, 1:] - depths[:, :-1])
    opacity = 1 - torch.exp(-absorbed)
    passed = torch.cumprod(1 - opacity + _LEAST_TRANSMITTANCE, dim=1)
    return torch.cat([opacity[:, :1], opacity[:, 1:] * passed[:, :-1]], dim=1)


def fine_depths(depths: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    """Returns depths (N, F) drawn where weights are large, in the order of their shares.

    Args:
        depths: Of the coarse samples, ascending, (N, S), world units.
        weights: Of their intervals, (N, S - 1).
        shares: Of the distribution, (N, F), [0, 1].
    """
    beside = torch.maximum(weights[:, :-1], weights[:, 1:])
    widened = torch.cat([weights[:, :1], beside, weights[:, -1:]], dim=1)
    smooth = (widened[:, :-1] + widened[:, 1:]) / 2 + _FLOOR
    probability = smooth[:, 1:-1] + _LEAST_WEIGHT
    probability = probability / probability.sum(dim=1, keepdim=True)
    below = torch.cumsum(probability, dim=1)
    below = torch.cat([torch.zeros_like(below[:, :1]), below], dim=1)
    edges = (depths[:, :-1] + depths[:, 1:]) / 2
    above = torch.searchsorted(below, shares.contiguous(), right=True)
    low, high = (above - 1).clamp_min(0), above.clamp_max(below.shape[1] - 1)
    start, end = below.gather(1, low), below.gather(1, high)
    first, last = edges.gather(1, low), edges.gather(1, high)
    width = end - start
    width = torch.where(width < _LEAST_WEIGHT, torch.ones_like(width), width)
    return first + (shares - start) / width * (last - first)


def sample_weights(weights: Tensor) -> Tensor:
    """Shares the weights of intervals (N, S - 1) between their two ends, (N, S)."""
    half = weights / 2
    return F.pad(half, (0, 1)) + F.pad(half, (1, 0))
