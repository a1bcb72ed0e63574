"""Ways of bringing a crop-space change to a plate's resolution, for benchmarks/plate.py to compare.

Only `kept` is in the product. The others are here so that a new prior's change can be held against
them again.

Sources: He & Sun 2015, "Fast Guided Filter" (`guided`); the texture's trend is our own.

Shapes: H W the plate, S side of the synthesised crop.
"""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.colour import luma
from reage.compositing import Layer
from reage.detail import raise_detail
from reage.geometry import WarpedPatch, warp_to_crop, warp_to_plate

Pixels = NDArray[np.float32]
Variant = Callable[[Pixels, Layer], WarpedPatch]  # display view (H, W, 3), layer -> its change

_GRAIN_PX = 0.7  # what a blur of this deviation takes away is grain and is not touched
_CONTOUR = 0.03  # display units; stronger features of the band are contours, not texture


def plain(view: Pixels, layer: Layer) -> WarpedPatch:
    """Lanczos alone."""
    return warp_to_plate(layer.change, layer.plate_from_crop, _size(view))


def kept(view: Pixels, layer: Layer) -> WarpedPatch:
    """What the product does at detail 1."""
    return plain(view, replace(layer, change=raise_detail(layer.change, 1.0)))


def fixed_gain(view: Pixels, layer: Layer) -> WarpedPatch:
    """The finest band of the change doubled, whatever the network drew."""
    change = layer.change + (layer.change - blurred(layer.change, 1.0))
    return plain(view, replace(layer, change=change))


def guided(view: Pixels, layer: Layer) -> WarpedPatch:
    """The change as a local linear model of the plate's luma, fitted in the crop."""
    seen, patch = _seen(view, layer), plain(view, layer)
    mean = _box(seen)
    variance = _box(seen * seen) - mean * mean
    channels = [np.ascontiguousarray(layer.change[..., i]) for i in range(3)]
    slopes = [(_box(seen * c) - mean * _box(c)) / (variance + 1e-4) for c in channels]
    offsets = [_box(_box(c) - a * mean) for c, a in zip(channels, slopes, strict=True)]
    slope = _up(np.stack([_box(a) for a in slopes], axis=2), layer, view)
    offset = _up(np.stack(offsets, axis=2), layer, view)
    return WarpedPatch(patch.roi, slope * luma(view[patch.roi.slices])[..., None] + offset)


def guided_fine(view: Pixels, layer: Layer) -> WarpedPatch:
    """Lanczos, and the linear model for what lies above the crop's resolution alone."""
    seen, patch = _seen(view, layer), plain(view, layer)
    mean = _box(seen)
    variance = _box(seen * seen) - mean * mean
    channels = [np.ascontiguousarray(layer.change[..., i]) for i in range(3)]
    slopes = [_box((_box(seen * c) - mean * _box(c)) / (variance + 1e-4)) for c in channels]
    slope = np.clip(_up(np.stack(slopes, axis=2), layer, view), -0.9, 2.0)
    band = _band(luma(view[patch.roi.slices]), layer)
    return WarpedPatch(patch.roi, patch.pixels + slope * band[..., None])


def texture(view: Pixels, layer: Layer) -> WarpedPatch:
    """Lanczos, and the plate's own fine bands by the ratio in which ageing moved the crop's."""
    seen, patch = _seen(view, layer), plain(view, layer)
    before, after = (_energy(x) for x in (seen, seen + luma(layer.change)))
    ratio = np.clip(np.sqrt((after + 4e-6) / (before + 4e-6)), 0.3, 3.0)
    shading = luma(view[patch.roi.slices])
    band = _band(shading, layer)
    band /= np.sqrt(1.0 + (band / _CONTOUR) ** 2)
    grain = 1.48 * float(np.median(np.abs(shading - blurred(shading, _GRAIN_PX))))
    local = blurred(band * band, 1.5 * layer.plate_from_crop.scale)
    band *= np.clip(1.0 - (0.8 * grain) ** 2 / (local + 1e-9), 0.0, 1.0)  # Wiener
    gain = _up(np.asarray(ratio - 1.0, np.float32), layer, view)
    return WarpedPatch(patch.roi, patch.pixels + (gain * band)[..., None])


def kept_and_texture(view: Pixels, layer: Layer) -> WarpedPatch:
    """Both `kept` and `texture`."""
    one, other, common = kept(view, layer), texture(view, layer), plain(view, layer)
    return WarpedPatch(one.roi, one.pixels + other.pixels - common.pixels)


VARIANTS: dict[str, Variant] = {
    "plain": plain,
    "a guided": guided,
    "a guided, fine": guided_fine,
    "b fixed gain 2": fixed_gain,
    "c texture": texture,
    "kept": kept,
    "kept + c": kept_and_texture,
}


def blurred(pixels: Pixels, deviation_px: float) -> Pixels:
    """Blurs by a Gaussian of this deviation, its size kept."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), deviation_px), np.float32)


def _band(shading: Pixels, layer: Layer) -> Pixels:
    """The plate's features between its grain and what the crop can hold."""
    coarse = max(0.75 * layer.plate_from_crop.scale, _GRAIN_PX)
    return blurred(shading, _GRAIN_PX) - blurred(shading, coarse)


def _energy(shading: Pixels) -> Pixels:
    return blurred(np.square(shading - blurred(shading, 1.5)), 3.0)


def _seen(view: Pixels, layer: Layer) -> Pixels:
    """The plate's luma as the network's crop holds it, (S, S)."""
    side = layer.change.shape[0]
    return luma(warp_to_crop(view, layer.plate_from_crop.inverse(), (side, side)))


def _up(crop: Pixels, layer: Layer, view: Pixels) -> Pixels:
    return warp_to_plate(crop, layer.plate_from_crop, _size(view)).pixels


def _box(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.blur(pixels, (7, 7)), np.float32)


def _size(view: Pixels) -> tuple[int, int]:
    return view.shape[1], view.shape[0]
