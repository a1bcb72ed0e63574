"""Style-modulated convolution, the building block of StyleGAN2 synthesis.

Knows nothing of noise, skip connections or resolution schedules; see stylegan2/synthesis.py.
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", sec. 2.2.

Shapes: B batch, O output channels, I input channels, K taps, H W pixels, D latent size.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ops.adaptable import AdaptableLayer
from models.ops.equalised import EqualLinear
from models.ops.implementation import Implementation, check_implementation
from models.ops.upfirdn import Blur, upfirdn
from models.shapes import check_shape

EPSILON = 1e-8


def modulated_conv(
    x: Tensor,
    weight: Tensor,
    *,
    styles: Tensor,
    demodulate: bool = True,
    blur_kernel: Tensor | None = None,
    weight_gain: float | None = None,
    implementation: Implementation = "fast",
) -> Tensor:
    """Convolves every sample with the weight scaled by its own style.

    The effective weight of sample b is `weight * weight_gain * styles[b]`, divided (if
    demodulated) by its norm over input channels and taps.

    Args:
        x: Floating, (B, I, H, W).
        weight: Floating, (O, I, K, K), K odd; of unit variance at initialisation.
        styles: Floating, (B, I), about 1.
        demodulate: Whether every output channel is brought back to unit expected variance.
        blur_kernel: Given, the picture is doubled by a transposed convolution and filtered
            with this (4, 4) kernel, which sums to 4; K must then be 3.
        weight_gain: 1 / sqrt(I K K) by default; 1 where the published network has none.
        implementation: "reference" builds a weight per sample and convolves in groups; "fast"
            scales activations before and after one shared convolution, which is the same up to
            rounding, since modulation is linear in the input and demodulation in the output.

    Returns:
        (B, O, H, W), or (B, O, 2 H, 2 W) with a `blur_kernel`.

    Raises:
        ShapeError: The three tensors do not belong together.
    """
    check_implementation("modulated_conv", implementation)
    check_shape("x", x, "B I H W", I=weight.shape[1])
    check_shape("weight", weight, "O I K K")
    check_shape("styles", styles, "B I", B=x.shape[0], I=weight.shape[1])
    weight = gained(weight, weight_gain)
    if implementation == "reference":
        return _convolve_per_sample(x, weight, styles, demodulate, blur_kernel)
    return _convolve_shared(x, weight, styles, demodulate, blur_kernel)


def gained(weight: Tensor, weight_gain: float | None) -> Tensor:
    """Returns the weight (O, I, K, K) times its gain, 1 / sqrt(I K K) by default."""
    gain = 1 / math.sqrt(weight[0].numel()) if weight_gain is None else weight_gain
    return weight if gain == 1 else weight * gain


def _convolve_per_sample(
    x: Tensor, weight: Tensor, styles: Tensor, demodulate: bool, blur_kernel: Tensor | None
) -> Tensor:
    batch, in_channels, height, width = x.shape
    out_channels, _, size, _ = weight.shape
    weights = weight[None] * styles[:, None, :, None, None]
    if demodulate:
        weights = weights * torch.rsqrt(weights.square().sum([2, 3, 4], keepdim=True) + EPSILON)
    x = x.reshape(1, batch * in_channels, height, width)
    if blur_kernel is None:
        grouped = weights.reshape(batch * out_channels, in_channels, size, size)
        out = F.conv2d(x, grouped, padding=size // 2, groups=batch)
        return out.reshape(batch, out_channels, height, width)
    grouped = weights.transpose(1, 2).reshape(batch * in_channels, out_channels, size, size)
    out = F.conv_transpose2d(x, grouped, stride=2, groups=batch)
    out = out.reshape(batch, out_channels, out.shape[2], out.shape[3])
    return upfirdn(out, blur_kernel, pad=(1, 1), implementation="reference")


def _convolve_shared(
    x: Tensor, weight: Tensor, styles: Tensor, demodulate: bool, blur_kernel: Tensor | None
) -> Tensor:
    size = weight.shape[-1]
    scaled, kernels = x, weight
    if len(x) == 1 and not (torch.is_grad_enabled() and styles.requires_grad):
        # One style for all: a pass over the weight is cheaper than one over the picture.
        kernels = weight * styles[0, None, :, None, None].to(weight.dtype)
    else:
        scaled = x * styles[:, :, None, None].to(x.dtype)
    if blur_kernel is None:
        out = F.conv2d(scaled, kernels, padding=size // 2)
    else:
        out = F.conv_transpose2d(scaled, kernels.transpose(0, 1), stride=2)
        out = upfirdn(out, blur_kernel, pad=(1, 1))
    if not demodulate:
        return out
    # In float32 whatever autocast says: a sum of many squares of 8-bit mantissas drifts.
    with torch.autocast(device_type=x.device.type, enabled=False):
        energy = styles.float().square() @ weight.float().square().sum([2, 3]).t()
        demodulation = torch.rsqrt(energy + EPSILON)
    return out * demodulation[:, :, None, None].to(out.dtype)


class ModulatedConv(AdaptableLayer):
    """A modulated convolution with its style affine and, when it doubles, its blur.

    State-dict names as published: `weight` (1, O, I, K, K), `modulation.*`, `blur.kernel`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        size: int,
        latent_size: int,
        demodulate: bool = True,
        upsample: bool = False,
        implementation: Implementation = "fast",
    ) -> None:
        super().__init__()
        check_implementation("ModulatedConv", implementation)
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, size, size))
        self.modulation = EqualLinear(latent_size, in_channels, bias_init=1.0)
        self.blur = Blur(pad=(1, 1), gain=4.0, implementation=implementation) if upsample else None
        self.demodulate = demodulate
        self.implementation: Implementation = implementation

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Convolves x (B, I, H, W) in the style of w (B, D)."""
        return modulated_conv(
            x,
            self.adapted_weight()[0],
            styles=self.modulation(w),
            demodulate=self.demodulate,
            blur_kernel=None if self.blur is None else self.blur.kernel,
            implementation=self.implementation,
        )
