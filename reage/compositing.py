"""Returns a change made in crop space to the plate, inside a face matte.

The change is a difference, so grain, highlights and resolution of the plate survive; where the
matte is 0 the plate's pixel is returned bit for bit. Knows nothing of networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reage.colour import add_display_change, to_display
from reage.defocus import softened
from reage.detail import raise_detail
from reage.geometry import Similarity, WarpedPatch, warp_to_plate
from reage.grain.model import Grain
from reage.grain.restoring import MARGIN, missing_grain
from reage.image import Image
from reage.matte import face_matte
from reage.motion_blur import smeared
from reage.regions import region_gain

# Part of the crop's side over which the change falls to 0, should the matte reach its border.
_CROP_BORDER = 0.08
# Less counts as none, so that a matte delivered in 16 bits tells exactly where the plate stands.
_LEAST_COVERAGE = np.float32(1.0 / 65535.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """What one actor's face takes on in one frame.

    Attributes:
        change: Crop-space difference, display units, float32, (R, R, 3).
        plate_from_crop: Takes crop pixel centres to plate pixel centres.
        landmarks: Dense landmarks in plate pixels, float64, (K, 2).
        opacity: 0-1: the artist's strength times the track's fade.
        feather: Softness of the matte's edge, as a part of the face's size.
        expand: Growth of the matte, as a part of the face's size.
        limit: The artist's own matte, float32, (H, W), 0-1, which the face matte is multiplied by.
        holdout: What is in front of the face, 0-1: where it is 1 the plate stands.
        motion: (x, y) plate pixels that the face travels while the shutter is open.
        regions: How far parts of the face may change, 0-1, by name; those left out may wholly.
        detail: 0-1: how far the change's finest features are raised; see `raise_detail`.
        defocus: Gaussian sigma of the lens's blur, part of the crop's side; see `softened`.
    """

    change: NDArray[np.float32]
    plate_from_crop: Similarity
    landmarks: NDArray[np.float64]
    opacity: float
    feather: float
    expand: float
    limit: NDArray[np.float32] | None = None
    holdout: WarpedPatch | None = None
    detail: float = 0.0
    defocus: float = 0.0
    motion: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    regions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Regrain:
    """Grain to put back where changes took it away.

    Attributes:
        grain: The plate's.
        strength: 0-1: how much of what is missing.
        seed: Fixes the pattern: the frame's number.
    """

    grain: Grain
    strength: float
    seed: int


def composite(
    plate: Image, layers: Sequence[Layer], regrain: Regrain | None = None
) -> tuple[Image, NDArray[np.float32]]:
    """Adds every layer's change to the plate.

    Args:
        plate: Any colourspace; its grain and highlights stay.
        layers: One per actor, in the manifest's order.
        regrain: What grain to put back; None puts none.

    Returns:
        The result, like `plate`, and the matte (H, W), float32, 0-1: where it is 0 the result is
        bit-identical to the plate.
    """
    size = (plate.width, plate.height)
    total = np.zeros((plate.height, plate.width), np.float32)
    result = plate
    for layer in layers:
        matte = layer_matte(layer, size)
        if not matte.any():
            continue
        window = crop_window(layer.change.shape[0])
        change = softened(raise_detail(layer.change, layer.detail), layer.defocus) * window
        change = smeared(
            warp_to_plate(change, layer.plate_from_crop, size).full(size), layer.motion
        )
        result = add_display_change(result, change, matte)
        total = np.maximum(total, matte)
    if regrain is not None and regrain.strength > 0.0:
        result = _regrained(plate, result, total, regrain)
    return result, total


def _regrained(plate: Image, result: Image, matte: NDArray[np.float32], regrain: Regrain) -> Image:
    """Puts back the grain that is missing, inside the matte."""
    around = extent_of(matte, margin=MARGIN)
    if around is None:
        return result
    before, after = (
        to_display(image.with_pixels(np.ascontiguousarray(image.pixels[around])))
        for image in (plate, result)
    )
    missing = missing_grain(before, after, regrain.grain, seed=regrain.seed)
    if missing is None:
        return result
    covered = np.float32(regrain.strength) * (matte[around] > 0)
    pixels = result.pixels.copy()
    part = result.with_pixels(np.ascontiguousarray(pixels[around]))
    pixels[around] = add_display_change(part, missing, covered.astype(np.float32)).pixels
    return result.with_pixels(pixels)


def extent_of(matte: NDArray[np.float32], *, margin: int) -> tuple[slice, slice] | None:
    """Rows and columns in which a matte (H, W) is above 0, and so many pixels around."""
    rows, columns = (np.flatnonzero((matte > 0).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    spans = zip((rows, columns), matte.shape, strict=True)
    low_high = [(max(p[0] - margin, 0), min(p[-1] + 1 + margin, side)) for p, side in spans]
    return slice(*low_high[0]), slice(*low_high[1])


def layer_matte(layer: Layer, size: tuple[int, int]) -> NDArray[np.float32]:
    """Coverage of one layer, float32, (H, W), 0-1, its opacity included."""
    matte = face_matte(layer.landmarks, size, feather=layer.feather, expand=layer.expand).full(size)
    matte *= np.float32(layer.opacity)
    gain = region_gain(layer.landmarks, size, layer.regions)
    if gain is not None:
        matte[gain.roi.slices] *= 1.0 + gain.pixels
    if layer.limit is not None:
        matte *= layer.limit
    if layer.holdout is not None:
        matte[layer.holdout.roi.slices] *= 1.0 - layer.holdout.pixels
    matte[matte < _LEAST_COVERAGE] = 0.0
    return matte


@lru_cache(maxsize=4)
def crop_window(size: int) -> NDArray[np.float32]:
    """Raised-cosine window of the crop, (R, R, 1): 1 inside, 0 at the border."""
    border = max(1.0, _CROP_BORDER * size)
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / border, 0.0, 1.0))
    return (ramp[:, None] * ramp[None, :])[..., None].astype(np.float32)
