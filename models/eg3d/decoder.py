"""The decoder, features of a point -> density and colour.

Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4.1;
state-dict names as published: `net.0`, `net.2`.

Shapes: P points (any leading dimensions), F features.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from models.ops.equalised import EqualLinear

_COLOUR_GAIN = 1.002  # so that 0 and 1 are within a sigmoid's reach
_COLOUR_OFFSET = -0.001


class Decoder(nn.Module):
    """Two linear layers with a softplus between them; looks at nothing but the features."""

    def __init__(self, num_features: int, hidden_size: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            EqualLinear(num_features, hidden_size),
            nn.Softplus(),
            EqualLinear(hidden_size, 1 + num_features),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Decodes features (..., F).

        Returns:
            Colours (..., F), about [0, 1], and raw densities (..., 1), before any activation. The
            first three colours are a picture's; the others are for super-resolution.
        """
        out = self.net(features)
        return F.sigmoid(out[..., 1:]) * _COLOUR_GAIN + _COLOUR_OFFSET, out[..., :1]
