"""The backbone, w+ -> tri-plane: StyleGAN2's synthesis whose picture is three feature planes.

Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4.1;
state-dict names as published: a block `b<resolution>` per resolution.

Shapes: B batch, L style layers, D latent size, F features, H W R pixels.
"""

from torch import Tensor, nn

from models.eg3d.config import NUM_PLANES
from models.eg3d.layers import SynthesisBlock
from models.ops.implementation import Implementation
from models.shapes import check_shape
from models.stylegan2.config import SynthesisConfig
from models.stylegan2.noise import Noise, noise_maps


class PlaneSynthesis(nn.Module):
    """Draws tri-planes of config.resolution from one latent per layer."""

    def __init__(self, config: SynthesisConfig, *, implementation: Implementation) -> None:
        super().__init__()
        self.config = config
        for index, channels in enumerate(config.channels):
            resolution = config.base_size << index
            block = SynthesisBlock(
                config.channels[index - 1] if index else None,
                channels,
                image_channels=config.image_channels,
                latent_size=config.latent_size,
                resolution=resolution,
                implementation=implementation,
            )
            self.add_module(f"b{resolution}", block)

    @property
    def blocks(self) -> list[SynthesisBlock]:
        """The blocks, coarsest first."""
        return [block for block in self.children() if isinstance(block, SynthesisBlock)]

    def forward(self, w_plus_BLD: Tensor, noise: Noise = "stored") -> Tensor:
        """Draws tri-planes.

        Args:
            w_plus_BLD: Floating, (B, L, D). The picture layer of a block shares its latent with
                the first convolution of the next.
            noise: As for SynthesisNetwork.

        Returns:
            (B, 3, F, R, R).

        Raises:
            ShapeError: `w_plus_BLD` has another shape.
            ValueError: `noise` is another word.
        """
        layers, size = self.config.num_layers, self.config.latent_size
        check_shape("w_plus", w_plus_BLD, "B L D", L=layers, D=size)
        stored = [layer.noise_const[None, None] for b in self.blocks for layer in b.styled_layers]
        noises = iter(noise_maps(noise, stored, batch=len(w_plus_BLD)))
        w = w_plus_BLD.unbind(dim=1)
        x: Tensor | None = None
        picture: Tensor | None = None
        first = 0
        for block in self.blocks:
            count = len(block.styled_layers)
            own = [next(noises) for _ in range(count)]
            x, picture = block(x, picture, w[first : first + count + 1], own)
            first += count
        assert picture is not None
        return picture.unflatten(1, (NUM_PLANES, -1))
