"""Pictures of plates whose pixels are not square, as a screen shows them, and the way back.

Faces are found, judged and drawn at square pixels. The plate itself is never resampled: what
changed at square pixels is brought to the plate's grid as a difference and added there.
"""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.image import Image

# Nearer to square than this, say a television's 1.01, nobody sees.
_LEAST_STRETCH = 0.02

Pixels = NDArray[np.float32]


def square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """Returns width and height, px, of a picture brought to square pixels by making it larger."""
    aspect = float(pixel_aspect)
    if abs(aspect - 1.0) < _LEAST_STRETCH:
        return width, height
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def to_square_pixels(image: Image, pixel_aspect: Fraction) -> Image:
    """Returns the picture at square pixels; the image itself where they are square.

    Args:
        image: As read.
        pixel_aspect: Width of a pixel over its height.
    """
    size = square_size(image.width, image.height, pixel_aspect)
    if size == (image.width, image.height):
        return image
    return image.with_pixels(_resized(image.pixels, size, cv2.INTER_CUBIC))


def onto_plate_grid(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Returns a picture made at square pixels, (H, W, C), on a plate's own grid, (w, h)."""
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return _resized(pixels, size, cv2.INTER_AREA)


def matte_to_square_pixels(matte: Pixels, pixel_aspect: Fraction) -> Pixels:
    """Returns a matte, (H, W), 0-1, at square pixels."""
    size = square_size(matte.shape[1], matte.shape[0], pixel_aspect)
    if size == (matte.shape[1], matte.shape[0]):
        return matte
    return _resized(matte, size, cv2.INTER_LINEAR)


def change_on_plate(
    plate: Image, *, seen: Image, result: Image, matte: Pixels
) -> tuple[Image, Pixels]:
    """Returns a result made at square pixels on the plate's own grid, and its matte there.

    Args:
        plate: As read.
        seen: The same at square pixels.
        result: `seen`, changed.
        matte: Where, (H, W) of `seen`, 0-1.

    Returns:
        An image like `plate` and a matte (H, W) of it; where that is 0, the plate's pixel, bit for
        bit.
    """
    size = (plate.width, plate.height)
    if size == (seen.width, seen.height):
        return result, matte
    step = np.where(matte[..., None] > 0, result.pixels - seen.pixels, np.float32(0))
    squeezed = _resized(matte, size, cv2.INTER_AREA)
    pixels = plate.pixels.copy()
    change = _resized(step, size, cv2.INTER_AREA)
    np.add(pixels, change, out=pixels, where=squeezed[..., None] > 0)
    return replace(plate, pixels=pixels), squeezed


def _resized(values: Pixels, size: tuple[int, int], interpolation: int) -> Pixels:
    return np.asarray(cv2.resize(values, size, interpolation=interpolation), np.float32)
