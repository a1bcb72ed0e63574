"""The synthesis network, w_plus -> picture, and the generator that adds mapping to it.

Knows nothing of where latents come from. Pictures are about [-1, 1] and not clamped.
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN": skip
connections of RGB, noise after every convolution. State-dict names as in the published checkpoints.

Shapes: B batch, L style layers, D latent size, C channels, H W R pixels.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.ops.equalised import BiasedLeakyReLU
from models.ops.implementation import Implementation
from models.ops.modulated_conv import ModulatedConv
from models.ops.styled_conv import styled_conv
from models.ops.upfirdn import Upsample
from models.shapes import check_shape
from models.stylegan2.config import GeneratorConfig, SynthesisConfig
from models.stylegan2.mapping import MappingNetwork
from models.stylegan2.noise import Noise, noise_maps


class _Constant(nn.Module):
    """The learnt constant that synthesis starts from; state-dict name `input`."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, size, size))

    def forward(self, batch: int) -> Tensor:
        return self.input.repeat(batch, 1, 1, 1)


class _NoiseInjection(nn.Module):
    """Scales the noise map of all channels by a learnt strength; state-dict name `weight`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, noise: Tensor | None) -> Tensor | None:
        return None if noise is None else self.weight * noise


class _StyledConv(nn.Module):
    """Modulated convolution, noise, bias and activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        latent_size: int,
        *,
        implementation: Implementation,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(
            in_channels,
            out_channels,
            size=3,
            latent_size=latent_size,
            upsample=upsample,
            implementation=implementation,
        )
        self.noise = _NoiseInjection()
        self.activate = BiasedLeakyReLU(out_channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        return styled_conv(
            x,
            self.conv.adapted_weight()[0],
            styles=self.conv.modulation(w),
            bias=self.activate.bias,
            noise=self.noise(noise),
            blur_kernel=None if self.conv.blur is None else self.conv.blur.kernel,
            implementation=self.conv.implementation,
        )


class _ToRGB(nn.Module):
    """Reads a picture from features and adds the doubled picture of the resolution below."""

    def __init__(
        self,
        channels: int,
        image_channels: int,
        latent_size: int,
        *,
        implementation: Implementation,
        upsample: bool = True,
    ) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, image_channels, 1, 1))
        self.upsample = Upsample(implementation=implementation) if upsample else None
        self.conv = ModulatedConv(
            channels,
            image_channels,
            size=1,
            latent_size=latent_size,
            demodulate=False,
            implementation=implementation,
        )

    def forward(self, x: Tensor, w: Tensor, skip: Tensor | None = None) -> Tensor:
        out = self.conv(x, w) + self.bias
        if self.upsample is None or skip is None:
            return out
        return out + self.upsample(skip.to(out.dtype))


class _StoredNoise(nn.Module):
    """The noise maps that belong to the weights; state-dict names `noise_0`, `noise_1`, ..."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        for index, size in enumerate(sizes):
            self.register_buffer(f"noise_{index}", torch.randn(1, 1, size, size))

    def forward(self) -> list[Tensor]:
        return list(self.buffers())


class SynthesisNetwork(nn.Module):
    """Draws pictures of config.resolution from one latent per layer."""

    # What is trained for one person; the mapping network of a generator stays everyone's.
    PERSONAL_PARTS = ("input", "conv1", "to_rgb1", "convs", "to_rgbs")

    def __init__(self, config: SynthesisConfig) -> None:
        super().__init__()
        self.config = config
        channels, latent_size = config.channels, config.latent_size
        implementation = config.implementation
        self.input = _Constant(channels[0], config.base_size)
        self.conv1 = _StyledConv(
            channels[0], channels[0], latent_size, implementation=implementation
        )
        self.to_rgb1 = _ToRGB(
            channels[0],
            config.image_channels,
            latent_size,
            implementation=implementation,
            upsample=False,
        )
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for below, here in pairwise(channels):
            for count, upsample in ((below, True), (here, False)):
                self.convs.append(
                    _StyledConv(
                        count, here, latent_size, implementation=implementation, upsample=upsample
                    )
                )
            self.to_rgbs.append(
                _ToRGB(here, config.image_channels, latent_size, implementation=implementation)
            )
        self.noises = _StoredNoise(config.noise_sizes)

    def forward(self, w_plus_BLD: Tensor, noise: Noise = "stored") -> Tensor:
        """Draws pictures.

        Args:
            w_plus_BLD: Floating, (B, L, D). The toRGB layer of a resolution shares its latent
                with the first convolution of the next.
            noise: "stored" adds the maps that belong to the weights, so that the same latent
                gives the same picture; "none" adds nothing; a torch.Generator on the latents'
                device draws new maps for every sample.

        Returns:
            (B, image_channels, R, R), about [-1, 1], not clamped.

        Raises:
            ShapeError: `w_plus_BLD` has another shape.
            ValueError: `noise` is another word, or maps of another number or size.
        """
        layers, size = self.config.num_layers, self.config.latent_size
        check_shape("w_plus", w_plus_BLD, "B L D", L=layers, D=size)
        noises = noise_maps(noise, self.noises(), batch=len(w_plus_BLD))
        w = w_plus_BLD.unbind(dim=1)
        x = self.input(len(w_plus_BLD))
        if self.config.implementation == "fast":
            # Shared weights, unlike grouped ones, are convolved faster channels last.
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.conv1(x, w[0], noises[0])
        skip = self.to_rgb1(x, w[1])
        for k, to_rgb in enumerate(self.to_rgbs):
            i = 2 * k + 1
            x = self.convs[2 * k](x, w[i], noises[i])
            x = self.convs[2 * k + 1](x, w[i + 1], noises[i + 1])
            skip = to_rgb(x, w[i + 2], skip)
        return skip


class Generator(SynthesisNetwork):
    """Synthesis with its mapping network as `style`; all names of a published generator."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config.synthesis)
        self.style = MappingNetwork(config.mapping)

    def draw(self, z: Tensor, noise: Noise = "stored") -> Tensor:
        """Draws pictures from z (B, D): mapping, one w for all layers, synthesis."""
        w_plus = self.style(z)[:, None].expand(-1, self.config.num_layers, -1)
        return self(w_plus, noise)
