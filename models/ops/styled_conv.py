"""A whole StyleGAN2 layer at once: modulated convolution, noise, bias and activation.

The same as the parts one after another, up to rounding, in fewer passes over memory, by which
synthesis is bound at high resolutions. The activation's gain commutes with everything before it
(leaky ReLU is positively homogeneous) and moves into weights, noise and bias.
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", sec. 2.2.

Shapes: B batch, O output channels, I input channels, K taps, H W pixels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from models.ops.equalised import NEGATIVE_SLOPE, biased_leaky_relu
from models.ops.implementation import Implementation
from models.ops.modulated_conv import EPSILON, gained, modulated_conv
from models.ops.upfirdn import upfirdn
from models.shapes import check_shape

GAIN = math.sqrt(2)
_STRIP_BYTES = 1 << 20  # stays in the cache between two operations


def styled_conv(
    x: Tensor,
    weight: Tensor,
    *,
    styles: Tensor,
    bias: Tensor,
    noise: Tensor | None,
    blur_kernel: Tensor | None = None,
    weight_gain: float | None = None,
    clamp: float | None = None,
    implementation: Implementation = "fast",
) -> Tensor:
    """Convolves in a style, adds noise and bias, activates, clamps.

    Args:
        x: Floating, (B, I, H, W); fastest channels last.
        weight: Floating, (O, I, K, K), K odd, of unit variance at initialisation.
        styles: Floating, (B, I), about 1.
        bias: Floating, (O,).
        noise: Scaled already, (1 or B, 1, H', W'), or None.
        blur_kernel: As for modulated_conv: given, the picture is doubled.
        weight_gain: As for modulated_conv.
        clamp: Largest magnitude of a result; None lets every number through.
        implementation: "reference" takes one part after another.

    Returns:
        (B, O, H', W'), sqrt(2) * leaky_relu(convolution + noise + bias, 0.2), clamped.

    Raises:
        ShapeError: Tensors do not belong together.
    """
    check_shape("x", x, "B I H W", I=weight.shape[1])
    check_shape("styles", styles, "B I", B=x.shape[0], I=weight.shape[1])
    if implementation == "reference":
        out = modulated_conv(
            x,
            weight,
            styles=styles,
            blur_kernel=blur_kernel,
            weight_gain=weight_gain,
            implementation=implementation,
        )
        out = biased_leaky_relu(out if noise is None else out + noise.to(out.dtype), bias)
        return out if clamp is None else out.clamp(-clamp, clamp)
    weight = gained(weight, weight_gain)
    noise = None if noise is None else (noise * GAIN).to(x.dtype)
    tensors = (x, weight, styles, bias, noise)
    is_learning = torch.is_grad_enabled() and any(
        t is not None and t.requires_grad for t in tensors
    )
    # A weight of its own for every sample costs launches, which only a GPU is short of.
    if is_learning or (x.is_cuda and len(x) > 1):
        out = _scaled(x, weight, styles, bias * GAIN, noise, blur_kernel)
        return out if clamp is None else out.clamp(-clamp, clamp)
    rows = [
        _folded(x[i : i + 1], weight, styles[i], bias * GAIN, blur_kernel) for i in range(len(x))
    ]
    out = rows[0] if len(rows) == 1 else torch.cat(rows)
    return _finished_in_place(out, noise, clamp)


def _scaled(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    bias: Tensor,
    noise: Tensor | None,
    blur_kernel: Tensor | None,
) -> Tensor:
    """Scales activations, not weights: no weight needs a gradient for the styles' sake."""
    # In float32 whatever autocast says: a sum of many squares of 8-bit mantissas drifts.
    with torch.autocast(device_type=x.device.type, enabled=False):
        energy = styles.float().square() @ weight.float().square().sum([2, 3]).t()
        gain = GAIN * torch.rsqrt(energy + EPSILON)[:, :, None, None]
    out = _convolve(x * styles[:, :, None, None].to(x.dtype), weight, None, blur_kernel)
    offset = bias[None, :, None, None].to(out.dtype)
    gain = gain.to(out.dtype)
    if noise is None:
        return F.leaky_relu(torch.addcmul(offset, out, gain), NEGATIVE_SLOPE, inplace=True)
    out = torch.addcmul(noise.to(out.dtype), out, gain)
    return F.leaky_relu(out.add_(offset), NEGATIVE_SLOPE, inplace=True)


def _folded(
    x: Tensor, weight: Tensor, style: Tensor, bias: Tensor, blur_kernel: Tensor | None
) -> Tensor:
    """Convolves one sample with a weight into which style, demodulation and gain are folded."""
    own = weight.float() * style.float()[None, :, None, None]
    own = own * (GAIN * torch.rsqrt(own.square().sum([1, 2, 3], keepdim=True) + EPSILON))
    own = own.to(x.dtype).contiguous(memory_format=torch.channels_last)
    return _convolve(x, own, bias.to(x.dtype), blur_kernel)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, blur_kernel: Tensor | None) -> Tensor:
    if blur_kernel is None:
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
    out = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    if bias is None:
        return upfirdn(out, blur_kernel, pad=(1, 1))
    channels = out.shape[1]
    taps = blur_kernel.to(out.dtype).flip(0, 1).expand(channels, 1, *blur_kernel.shape)
    return F.conv2d(out, taps, bias, padding=1, groups=channels)


def _finished_in_place(out: Tensor, noise: Tensor | None, clamp: float | None) -> Tensor:
    """Adds noise and activates strip by strip, so that every operation finds its data near."""
    rows = max(1, _STRIP_BYTES * out.shape[2] // (out.numel() * out.element_size()))
    for top in range(0, out.shape[2], rows):
        strip = out[:, :, top : top + rows]
        if noise is not None:
            strip.add_(noise[:, :, top : top + rows])
        F.leaky_relu(strip, NEGATIVE_SLOPE, inplace=True)
        if clamp is not None:
            strip.clamp_(-clamp, clamp)
    return out
