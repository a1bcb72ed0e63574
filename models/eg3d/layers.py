"""StyleGAN2's layers and blocks under the names that EG3D's state dicts have for them.

What is computed is in models/ops; here are parameters, their names and the order of a block.
Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", whose
modules EG3D builds on; skip connections as in StyleGAN2.

Shapes: B batch, I O C channels, H W pixels, D latent size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.ops.adaptable import AdaptableLayer
from models.ops.equalised import EqualLinear
from models.ops.implementation import Implementation
from models.ops.modulated_conv import modulated_conv
from models.ops.styled_conv import styled_conv
from models.ops.upfirdn import fir_kernel, upfirdn

UPSAMPLING_GAIN = 4.0  # zeros between pixels take three quarters of a picture's mean


class StyledLayer(AdaptableLayer):
    """Modulated 3x3 convolution without gain, noise, bias, activation and, optionally, clamp.

    State-dict names: `weight` (O, I, 3, 3), `bias`, `affine.*`, `noise_strength` (0-d),
    `noise_const` (H, W), `resample_filter` (4, 4), which sums to 1 and is used where it doubles.
    """

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        latent_size: int,
        resolution: int,
        implementation: Implementation,
        upsample: bool = False,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.affine = EqualLinear(latent_size, in_channels, bias_init=1.0)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", fir_kernel())
        self.upsample = upsample
        self.clamp = clamp
        self.implementation: Implementation = implementation

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Convolves x (B, I, H, W) in the style of w (B, D); noise (1 or B, 1, H', W')."""
        return styled_conv(
            x,
            self.adapted_weight(),
            styles=self.affine(w),
            bias=self.bias,
            noise=None if noise is None else self.noise_strength * noise,
            blur_kernel=UPSAMPLING_GAIN * self.resample_filter if self.upsample else None,
            weight_gain=1.0,
            clamp=self.clamp,
            implementation=self.implementation,
        )


class PictureLayer(AdaptableLayer):
    """Reads a picture from features: 1x1, modulated, not demodulated; optionally clamped.

    State-dict names: `weight` (O, I, 1, 1), `bias`, `affine.*`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        latent_size: int,
        implementation: Implementation,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.affine = EqualLinear(latent_size, in_channels, bias_init=1.0)
        self.clamp = clamp
        self.implementation: Implementation = implementation

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Maps x (B, I, H, W) to (B, O, H, W)."""
        # The published gain of the styles, 1 / sqrt(I), is modulated_conv's gain of the weight.
        out = modulated_conv(
            x,
            self.adapted_weight(),
            styles=self.affine(w),
            demodulate=False,
            implementation=self.implementation,
        )
        out = out + self.bias[:, None, None]
        return out if self.clamp is None else out.clamp(-self.clamp, self.clamp)


class SynthesisBlock(nn.Module):
    """One resolution: the picture so far is doubled and added to.

    State-dict names: `conv0`, `conv1`, `torgb`, `resample_filter`; the first block of a network,
    which has no features to begin with, has `const` (C, H, W) instead of `conv0`.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        *,
        image_channels: int,
        latent_size: int,
        resolution: int,
        implementation: Implementation,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        shared: dict[str, Any] = {
            "latent_size": latent_size,
            "implementation": implementation,
            "clamp": clamp,
        }
        self.implementation: Implementation = implementation
        self.register_buffer("resample_filter", fir_kernel())
        if in_channels is None:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = StyledLayer(
                in_channels, out_channels, resolution=resolution, upsample=True, **shared
            )
        self.conv1 = StyledLayer(out_channels, out_channels, resolution=resolution, **shared)
        self.torgb = PictureLayer(out_channels, image_channels, **shared)

    @property
    def is_first(self) -> bool:
        """Whether the block starts from its constant."""
        return hasattr(self, "const")

    @property
    def styled_layers(self) -> list[StyledLayer]:
        """The layers that take noise, in order."""
        return [self.conv1] if self.is_first else [self.conv0, self.conv1]

    def forward(
        self,
        x: Tensor | None,
        picture: Tensor | None,
        latents: Sequence[Tensor],
        noises: Sequence[Tensor | None],
    ) -> tuple[Tensor, Tensor]:
        """Draws one resolution.

        Args:
            x: (B, I, H, W) at half the resolution; None for the first block.
            picture: So far, at half the resolution; None for the first block.
            latents: w (B, D) of the convolutions and of the picture layer.
            noises: Of the convolutions; None adds nothing.

        Returns:
            Features and picture at the block's resolution.
        """
        if x is None:
            x = self.const[None].expand(len(latents[0]), -1, -1, -1)
        if self.implementation == "fast":
            # Shared weights, unlike grouped ones, are convolved faster channels last.
            x = x.contiguous(memory_format=torch.channels_last)
        for layer, w, noise in zip(self.styled_layers, latents[:-1], noises, strict=True):
            x = layer(x, w, noise)
        read = self.torgb(x, latents[-1])
        return x, read if picture is None else self._doubled(picture) + read

    def _doubled(self, picture: Tensor) -> Tensor:
        kernel = UPSAMPLING_GAIN * self.resample_filter
        return upfirdn(picture, kernel, up=2, pad=(2, 1), implementation=self.implementation)
