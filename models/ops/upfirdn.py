"""Upsample, filter, downsample: the one resampling operation of StyleGAN2.

Knows nothing of weights that are learnt; the filter is a constant of the network.
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", sec. 2 and
the definition used by its public implementations: insert zeros, pad, convolve, keep every n-th.

Shapes: B batch, C channels, H W pixels, K filter taps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ops.implementation import Implementation, check_implementation

DEFAULT_TAPS = (1.0, 3.0, 3.0, 1.0)


def fir_kernel(taps: tuple[float, ...] = DEFAULT_TAPS, *, gain: float = 1.0) -> Tensor:
    """Returns the separable 2-D filter of some taps, float32 (K, K), summing to `gain`."""
    row = torch.tensor(taps, dtype=torch.float32)
    kernel = torch.outer(row, row)
    return kernel * (gain / kernel.sum())


def upfirdn(
    x: Tensor,
    kernel: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    pad: tuple[int, int] = (0, 0),
    implementation: Implementation = "fast",
) -> Tensor:
    """Inserts zeros, pads, convolves every channel with one filter, keeps every n-th pixel.

    Args:
        x: Floating, (B, C, H, W).
        kernel: Floating, (K, K); convolved (flipped), not correlated.
        up: A pixel becomes `up` x `up` pixels, all but the first of them 0.
        down: Of `down` x `down` results the first is kept.
        pad: Zeros before and after, the same for rows and columns; negative values crop.
        implementation: "reference" follows the definition step by step; "fast" never computes
            with inserted zeros nor results that are thrown away.

    Returns:
        Like `x`, (B, C, H', W') with H' = (H * up + pad[0] + pad[1] - K) // down + 1.
    """
    check_implementation("upfirdn", implementation)
    kernel = kernel.to(dtype=x.dtype, device=x.device)
    if implementation == "reference":
        return _upfirdn_reference(x, kernel, up, down, pad)
    if up == 1:
        return _filter_and_decimate(x, kernel, down, pad)
    return _upfirdn_polyphase(x, kernel, up, down, pad)


def _upfirdn_reference(
    x: Tensor, kernel: Tensor, up: int, down: int, pad: tuple[int, int]
) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.reshape(batch * channels, 1, height, 1, width, 1)
    x = F.pad(x, (0, up - 1, 0, 0, 0, up - 1)).reshape(batch * channels, 1, height * up, width * up)
    x = F.pad(x, (pad[0], pad[1], pad[0], pad[1]))
    x = F.conv2d(x, kernel.flip(0, 1)[None, None])[:, :, ::down, ::down]
    return x.reshape(batch, channels, x.shape[2], x.shape[3])


def _filter_and_decimate(x: Tensor, kernel: Tensor, down: int, pad: tuple[int, int]) -> Tensor:
    channels = x.shape[1]
    weight = kernel.flip(0, 1).expand(channels, 1, *kernel.shape)
    if pad[0] == pad[1] >= 0:
        return F.conv2d(x, weight, stride=down, padding=pad[0], groups=channels)
    x = F.pad(x, (pad[0], pad[1], pad[0], pad[1]))
    return F.conv2d(x, weight, stride=down, groups=channels)


def _upfirdn_polyphase(
    x: Tensor, kernel: Tensor, up: int, down: int, pad: tuple[int, int]
) -> Tensor:
    """Filters the small picture once per output phase and interleaves the phases."""
    batch, channels, height, width = x.shape
    out_height = height * up + pad[0] + pad[1] - kernel.shape[0] + 1
    out_width = width * up + pad[0] + pad[1] - kernel.shape[1] + 1
    phases, before = phase_kernels(kernel.flip(0, 1), up=up, pad=pad[0])
    size = phases.shape[-1]
    rows = -(-out_height // up)
    columns = -(-out_width // up)
    x = F.pad(
        x, (before, columns + size - 1 - before - width, before, rows + size - 1 - before - height)
    )
    weight = phases.reshape(up * up, 1, size, size)
    x = F.conv2d(x.reshape(batch * channels, 1, x.shape[2], x.shape[3]), weight)
    x = F.pixel_shuffle(x, up).reshape(batch, channels, rows * up, columns * up)
    return x[:, :, :out_height:down, :out_width:down]


def phase_kernels(taps: Tensor, *, up: int, pad: int) -> tuple[Tensor, int]:
    """Splits correlation taps over a zero-inserted picture into one small filter per phase.

    Output pixel `up * q + a` of the padded, zero-inserted picture is the correlation of the small
    picture around q with phase a.

    Args:
        taps: (..., K, K), correlated with the zero-inserted picture.
        up: Zero insertion factor.
        pad: Zeros before the zero-inserted picture; may be negative.

    Returns:
        The phases, (..., up, up, S, S), and how many pixels before q their first tap lies (the
        padding the small picture needs in front; may be negative).
    """
    size = taps.shape[-1]
    # Tap t of output position p reads zero-inserted position p + t - pad, small pixel i if it
    # equals up * i; with p = up * q + a the offset i - q is (a + t - pad) / up.
    offsets = [
        (a + t - pad) // up for a in range(up) for t in range(size) if not (a + t - pad) % up
    ]
    first, last = min(offsets), max(offsets)
    length = last - first + 1
    phases = taps.new_zeros(*taps.shape[:-2], up, up, length, length)
    for a in range(up):
        for b in range(up):
            start_a = (pad - a) % up
            start_b = (pad - b) % up
            part = taps[..., start_a::up, start_b::up]
            row = (a + start_a - pad) // up - first
            column = (b + start_b - pad) // up - first
            phases[..., a, b, row : row + part.shape[-2], column : column + part.shape[-1]] = part
    return phases, -first


class Blur(nn.Module):
    """A constant filter with its padding, stored in state dicts as `kernel`."""

    kernel: Tensor

    def __init__(
        self,
        *,
        pad: tuple[int, int],
        gain: float = 1.0,
        down: int = 1,
        implementation: Implementation = "fast",
    ) -> None:
        super().__init__()
        check_implementation("Blur", implementation)
        self.register_buffer("kernel", fir_kernel(gain=gain))
        self.pad = pad
        self.down = down
        self.implementation: Implementation = implementation

    def forward(self, x: Tensor) -> Tensor:
        """Filters x (B, C, H, W), and keeps every `down`-th pixel."""
        return upfirdn(
            x, self.kernel, down=self.down, pad=self.pad, implementation=self.implementation
        )


class Upsample(nn.Module):
    """Doubles a picture with the constant filter, stored in state dicts as `kernel`."""

    kernel: Tensor

    def __init__(self, *, implementation: Implementation = "fast") -> None:
        super().__init__()
        check_implementation("Upsample", implementation)
        self.register_buffer("kernel", fir_kernel(gain=4.0))
        self.implementation: Implementation = implementation

    def forward(self, x: Tensor) -> Tensor:
        """Returns x (B, C, H, W) at (B, C, 2 H, 2 W)."""
        return upfirdn(x, self.kernel, up=2, pad=(2, 1), implementation=self.implementation)
