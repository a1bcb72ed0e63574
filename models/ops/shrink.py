"""Bringing pictures to the size that a network or a loss looks at.

Shapes: B batch, C channels, S size in pixels.
"""

import torch.nn.functional as F
from torch import Tensor


def shrunk(pictures: Tensor, size: int) -> Tensor:
    """Averages square pictures (B, C, S, S) that are larger than `size` down to it."""
    return F.adaptive_avg_pool2d(pictures, size) if pictures.shape[-1] > size else pictures
