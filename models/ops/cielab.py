"""CIELAB of pictures as the display shows them, differentiable.

Source: IEC 61966-2-1 (sRGB); CIE 15:2004 (CIELAB), white D65.

Shapes: B batch, H W pixels.
"""

import torch
from torch import Tensor

_XYZ_OF_WHITE_FROM_RGB = (
    (0.433887, 0.376224, 0.189889),
    (0.212639, 0.715169, 0.072192),
    (0.017750, 0.109448, 0.872802),
)  # linear sRGB to XYZ, each row over white's
_BEND, _SLOPE = 216 / 24389, 24389 / 27


def cielab(display: Tensor) -> Tensor:
    """Returns L* (0-100), a* and b* of sRGB-encoded RGB (B, 3, H, W), 0-1, float32.

    Element by element, so that autocast leaves the precision alone.
    """
    encoded = display.float()
    curved = ((encoded.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, curved)
    red, green, blue = linear.unbind(1)
    x, y, z = (_root(r * red + g * green + b * blue) for r, g, b in _XYZ_OF_WHITE_FROM_RGB)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _root(ratio: Tensor) -> Tensor:
    """The cube root, straight near black."""
    curved = ratio.clamp_min(_BEND) ** (1 / 3)
    return torch.where(ratio > _BEND, curved, (_SLOPE * ratio + 16) / 116)
