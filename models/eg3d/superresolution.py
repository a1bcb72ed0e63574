"""Super-resolution, rendered features -> picture, styled by the last latent of w+ alone.

Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4.3;
state-dict names as published: `block0`, `block1`, ...

Shapes: B batch, F features, D latent size, H W R pixels, N pixels of the rendering.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from models.eg3d.config import SuperresolutionConfig
from models.eg3d.layers import SynthesisBlock
from models.ops.implementation import Implementation
from models.shapes import check_shape

COLOURS = 3


class Superresolution(nn.Module):
    """Doubles rendered features and their colours once per entry of config.channels."""

    def __init__(
        self,
        config: SuperresolutionConfig,
        *,
        num_features: int,
        latent_size: int,
        implementation: Implementation,
    ) -> None:
        super().__init__()
        self.config = config
        counts = (num_features, *config.channels)
        for index, channels in enumerate(config.channels):
            block = SynthesisBlock(
                counts[index],
                channels,
                image_channels=COLOURS,
                latent_size=latent_size,
                resolution=config.input_size << (index + 1),
                implementation=implementation,
                clamp=config.clamp,
            )
            self.add_module(f"block{index}", block)

    def forward(self, features: Tensor, w: Tensor) -> Tensor:
        """Draws pictures.

        Args:
            features: Rendered, floating, (B, F, N, N); the first three are colours.
            w: The last latent of w+, (B, D). No noise is added whatever the planes were made with.

        Returns:
            (B, 3, R, R), about [-1, 1], not clamped to it.

        Raises:
            ShapeError: The tensors do not belong together.
        """
        check_shape("features", features, "B F N N")
        check_shape("w", w, "B D", B=len(features))
        size = self.config.input_size
        if features.shape[-1] != size:
            features = F.interpolate(features, size=(size, size), mode="bilinear", antialias=True)
        x, picture = features, features[:, :COLOURS]
        for block in self.children():
            x, picture = block(x, picture, (w, w, w), (None, None))
        return picture
