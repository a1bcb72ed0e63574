"""The mapping network, (z, camera label) -> w+, and its truncation.

Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4.2
(conditioning on the pose); state-dict names as published.

Shapes: B batch, D latent size, L style layers.
"""

import torch
from torch import Tensor, nn

from models.eg3d.camera import LABEL_SIZE
from models.ops.equalised import EqualLinear, PixelNorm
from models.shapes import check_shape
from models.stylegan2.config import MappingConfig
from models.stylegan2.mapping import truncate


class ConditionedMapping(nn.Module):
    """Embeds the camera label beside z, and passes both through activated linear layers.

    State-dict names: `embed`, `fc0`, `fc1`, ..., and the mean latent `w_avg`.
    """

    w_avg: Tensor

    def __init__(self, config: MappingConfig, num_layers: int) -> None:
        super().__init__()
        self.config = config
        self.num_layers = num_layers
        size = config.latent_size
        self.normalise = PixelNorm()
        self.embed = EqualLinear(LABEL_SIZE, size)
        for index in range(config.depth):
            layer = EqualLinear(
                size if index else 2 * size,
                size,
                learning_rate_multiplier=config.learning_rate_multiplier,
                activated=True,
            )
            self.add_module(f"fc{index}", layer)
        self.register_buffer("w_avg", torch.zeros(size))

    def forward(
        self, z: Tensor, camera: Tensor, *, psi: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """Maps z and the camera that it is conditioned on, not the one that renders.

        Args:
            z: Floating, (B, D), standard normal.
            camera: Labels, floating, (B, 25).
            psi: Truncation: 1 changes nothing, 0 gives the mean latent.
            cutoff: So many first layers are truncated; None truncates all.

        Returns:
            w+, (B, L, D): one w for all layers, but for the cutoff.

        Raises:
            ShapeError: A tensor has another shape.
        """
        check_shape("z", z, "B D", D=self.config.latent_size)
        check_shape("camera label", camera, "B C", B=len(z), C=LABEL_SIZE)
        x = torch.cat([self.normalise(z), self.normalise(self.embed(camera))], dim=1)
        for index in range(self.config.depth):
            x = self.get_submodule(f"fc{index}")(x)
        w_plus = x[:, None].repeat(1, self.num_layers, 1)
        if psi != 1:
            w_plus[:, :cutoff] = truncate(w_plus[:, :cutoff], self.w_avg, psi=psi)
        return w_plus
