"""From blocks of grain to kernels that give white noise the same spectrum in every channel.

The mean periodogram of the blocks is a small Hermitian matrix at each frequency, power of and
between channels; its square root, back in space, is a bank of kernels.

N blocks, B a block's side in pixels, k side of the kernels.
"""

import numpy as np
from numpy.typing import NDArray

from reage.grain.model import Pixels

_KEPT = 0.999  # of the kernels' energy: what lies farther out is left away


def kernels_of(blocks: Pixels) -> Pixels:
    """Returns the kernels of grain.

    Args:
        blocks: Grain less its plane, each channel's variance about 1, (N, B, B, 3).

    Returns:
        float32, (3, 3, k, k), k odd; the grain that they make has variance 1 in each channel.
    """
    side = blocks.shape[1]
    waves = np.fft.fft2(blocks, axes=(1, 2))
    power = np.einsum("nyxc,nyxd->yxcd", waves, waves.conj()) / (len(blocks) * side**2)
    power[0, 0] = _around_origin(power)
    values, axes = np.linalg.eigh(power)
    roots = np.sqrt(np.maximum(values, 0.0))
    amplitude = np.einsum("yxce,yxe,yxde->yxcd", axes, roots, axes.conj())
    bank = np.fft.fftshift(np.fft.ifft2(amplitude, axes=(0, 1)).real, axes=(0, 1))
    cut = _trimmed(bank)
    unit = cut / np.sqrt(np.square(cut).sum(axis=(0, 1, 3), keepdims=True))
    return np.ascontiguousarray(unit.transpose(2, 3, 0, 1), np.float32)


def lost_to_planes(kernels: Pixels, side: int) -> float:
    """Returns the share of the grain's variance that a block loses with its plane.

    Args:
        kernels: (3, 3, k, k).
        side: Of the block, pixels.

    That is three dimensions of the block's many, of grain's power at the lowest frequencies.
    """
    sums = kernels.sum(axis=(2, 3), dtype=np.float64)
    lowest = float(np.square(sums).sum(axis=1).mean())
    return min(3 * lowest / side**2, 0.5)


def _around_origin(power: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The power at frequency 0, which a block without its mean cannot tell, from its neighbours.

    A plane takes part of the nearest frequencies on the axes too, so the diagonal ones speak.
    """
    nearest = power[1, 1] + power[1, -1] + power[-1, 1] + power[-1, -1]
    mean = np.asarray(nearest / 4)
    for place in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        power[place] = mean
    return mean


def _trimmed(bank: NDArray[np.float64]) -> NDArray[np.float64]:
    """The middle of the kernels (B, B, 3, 3) that holds nearly all of their energy."""
    middle = bank.shape[0] // 2
    whole = float(np.square(bank).sum())
    for reach in range(middle):
        inner = slice(middle - reach, middle + reach + 1)
        if float(np.square(bank[inner, inner]).sum()) >= _KEPT * whole:
            break
    return bank[inner, inner]
