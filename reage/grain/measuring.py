"""Measures grain on a plate: on flat blocks of single frames, and on what neighbours differ by.

A block less its own plane is grain where the picture is flat, and grain and texture elsewhere. So
in each band of luminance the calmest blocks speak, and of both readings the calmer one: texture
that stands still is gone from the difference of neighbours, and a frame that repeats another
is not the calmer by itself, as it is left out. What is not grain is therefore never put back as
grain; in a plate that is nowhere flat or still, the reading is a little high.

Source: for the noise level as a function of the signal, Liu, Szeliski, Kang, Zitnick, Freeman 2008,
"Automatic estimation and removal of noise from a single image", sec. 3.

N blocks, B a block's side in pixels.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reage.colour import luma
from reage.grain.model import Grain, Pixels, no_grain
from reage.grain.spectrum import kernels_of, lost_to_planes

SIDE = 24  # B: a plane takes little of grain from it, and a cheek holds several
_EDGES = np.array([-np.inf, *np.arange(0.1, 0.91, 0.1), 1.0, 1.3, np.inf])  # luma between bands
_CALMEST, _WITHIN = 0.1, 1.6  # share of the blocks whose variance, so many times, bounds flat ones
_BLOCKS = 48  # of a band that one frame adds at most
_ENOUGH = 12  # blocks that make a band's reading count
_STILL = 0.02  # display units by which a block may differ from its neighbour in time as a whole
_LEAST = 5e-4  # deviation in display units below which there is no grain
_ROUNDING = 0.5  # of a code of the plate's depth: likewise


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Flat blocks: band of luminance (N,), luma (N,), what is not their plane (N, B, B, 3)."""

    bands: NDArray[np.intp]
    lumas: Pixels
    residuals: Pixels

    def of(self, band: int) -> "_Blocks":
        chosen = self.bands == band
        return _Blocks(self.bands[chosen], self.lumas[chosen], self.residuals[chosen])


@dataclass
class GrainMeter:
    """Gathers readings of some frames of one take; `measured` says what they come to.

    Attributes:
        bit_depth: Of the plate, None for floats: coarser codes bring noise of their own.
    """

    bit_depth: int | None = None
    _still: list[_Blocks] = field(default_factory=list)
    _apart: list[_Blocks] = field(default_factory=list)

    def add(self, view: Pixels, neighbour: Pixels | None = None) -> None:
        """Reads a frame.

        Args:
            view: Display view, float32, (H, W, 3).
            neighbour: The frame after it.
        """
        shading = luma(view)
        self._still.append(_flat_blocks(view, shading))
        if neighbour is not None and not np.array_equal(view, neighbour):
            difference = (view - neighbour) * np.float32(np.sqrt(0.5))
            still = np.abs(_cut(difference).mean(axis=(1, 2))).max(axis=1) < _STILL
            self._apart.append(_flat_blocks(difference, shading, allowed=still))

    def measured(self) -> Grain:
        """Returns the take's grain, `no_grain` where there is none to speak of."""
        still, apart = _joined(self._still), _joined(self._apart)
        if still is None:
            return no_grain()
        found: list[tuple[float, NDArray[np.float64], Pixels]] = []
        for band in range(len(_EDGES) - 1):
            readings = [
                reading
                for blocks in (still, apart)
                if blocks is not None and (reading := _reading(blocks.of(band))) is not None
            ]
            if readings:
                found.append(min(readings, key=lambda reading: float(reading[1].sum())))
        if not found:
            return no_grain()
        return self._model(found)

    def _model(self, found: list[tuple[float, NDArray[np.float64], Pixels]]) -> Grain:
        rounding = 0.0 if self.bit_depth is None else _ROUNDING / (2**self.bit_depth - 1)
        least = max(_LEAST, rounding) ** 2
        variances = np.stack([variance for _, variance, _ in found])
        variances[variances < least] = 0.0
        if not variances.any():
            return no_grain()
        units = [
            residuals / np.sqrt(variance).astype(np.float32)
            for variance, (_, _, residuals) in zip(variances, found, strict=True)
            if variance.all()
        ]
        if not units:  # a channel has none: its own spectrum does not matter
            filled = np.where(variances > 0, variances, least)
            units = [r / np.sqrt(v) for v, (_, _, r) in zip(filled, found, strict=True)]
        kernels = kernels_of(np.concatenate(units))
        return Grain(
            lumas=np.array([shade for shade, _, _ in found]),
            variances=variances / (1.0 - lost_to_planes(kernels, SIDE)),
            kernels=kernels,
        )


def _flat_blocks(
    picture: Pixels, shading: Pixels, *, allowed: NDArray[np.bool_] | bool = True
) -> _Blocks:
    """The calm blocks of a picture, whose band is told by the luma of another of its size."""
    residuals = _less_their_plane(_cut(picture))
    shades = _cut(shading[..., None]).mean(axis=(1, 2, 3))
    energy = np.square(residuals).mean(axis=(1, 2)).sum(axis=1)
    sound = np.isfinite(energy) & np.isfinite(shades) & allowed
    bands = np.searchsorted(_EDGES, np.where(sound, shades, 0.0), side="right") - 1
    kept: list[NDArray[np.intp]] = []
    for band in range(len(_EDGES) - 1):
        inside = np.flatnonzero(sound & (bands == band))
        if len(inside):
            calm = np.quantile(energy[inside], _CALMEST) * _WITHIN
            flat = inside[energy[inside] <= calm]
            kept.append(flat[:: max(1, -(-len(flat) // _BLOCKS))])
    chosen = np.concatenate(kept) if kept else np.zeros(0, np.intp)
    return _Blocks(bands[chosen], shades[chosen], residuals[chosen])


def _cut(picture: Pixels) -> Pixels:
    rows, columns = picture.shape[0] // SIDE, picture.shape[1] // SIDE
    whole = picture[: rows * SIDE, : columns * SIDE]
    cut = whole.reshape(rows, SIDE, columns, SIDE, -1).swapaxes(1, 2)
    return cut.reshape(rows * columns, SIDE, SIDE, -1)


def _less_their_plane(blocks: Pixels) -> Pixels:
    slope = np.linspace(-1, 1, SIDE, dtype=np.float32)
    slope /= np.sqrt(SIDE * np.square(slope).sum())
    flat = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    for ramp in (slope[:, None], slope[None, :]):
        plane = np.broadcast_to(ramp, (SIDE, SIDE))
        flat = flat - np.einsum("nyxc,yx->nc", flat, plane)[:, None, None] * plane[..., None]
    return np.asarray(flat, np.float32)


def _joined(parts: list[_Blocks]) -> _Blocks | None:
    if not parts:
        return None
    names = ("bands", "lumas", "residuals")
    return _Blocks(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _reading(blocks: _Blocks) -> tuple[float, NDArray[np.float64], Pixels] | None:
    """Luma, variance of each channel (3,) and blocks of one band; None where it has too few."""
    if len(blocks.bands) < _ENOUGH:
        return None
    variances = np.square(blocks.residuals, dtype=np.float64).mean(axis=(1, 2))
    return float(blocks.lumas.mean()), np.median(variances, axis=0), blocks.residuals
