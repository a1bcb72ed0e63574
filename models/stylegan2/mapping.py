"""The mapping network, z -> w.

Knows nothing of style layers; repeating w over them is the caller's.
Source: Karras et al. 2019, "A Style-Based Generator Architecture", sec. 2; sizes of 2020.

Shapes: B batch, D latent size.
"""

from torch import Tensor, nn

from models.ops.equalised import EqualLinear, PixelNorm
from models.shapes import check_shape
from models.stylegan2.config import MappingConfig


class MappingNetwork(nn.Sequential):
    """Normalises z and passes it through activated linear layers.

    State-dict names as published: `1.weight` ... `8.bias`; 0 is the normalisation.
    """

    def __init__(self, config: MappingConfig) -> None:
        layers = [
            EqualLinear(
                config.latent_size,
                config.latent_size,
                learning_rate_multiplier=config.learning_rate_multiplier,
                activated=True,
            )
            for _ in range(config.depth)
        ]
        super().__init__(PixelNorm(), *layers)
        self.config = config

    def forward(self, z: Tensor) -> Tensor:
        """Maps z (B, D), standard normal, to w (B, D).

        Raises:
            ShapeError: `z` has another shape.
        """
        check_shape("z", z, "B D", D=self.config.latent_size)
        return super().forward(z)


def truncate(w: Tensor, w_avg: Tensor, *, psi: float) -> Tensor:
    """Returns w_avg + psi (w - w_avg); w (..., D), w_avg (D,); psi 1 changes nothing."""
    return w_avg + psi * (w - w_avg)
