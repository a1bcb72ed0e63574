from fractions import Fraction

import numpy as np
import pytest

from reage.anamorphic import (
    change_on_plate,
    matte_to_square_pixels,
    square_size,
    to_square_pixels,
)
from reage.image import Image


def noise(width=40, height=30, seed=1):
    pixels = np.random.default_rng(seed).uniform(-0.5, 8, (height, width, 3)).astype(np.float32)
    return Image(pixels, "acescg", None, 0.5)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("2", (80, 30)), ("9/5", (72, 30)), ("1/2", (40, 60)), ("1", (40, 30)), ("101/100", (40, 30))],
)
def test_square_size_makes_the_picture_larger(aspect, size):
    assert square_size(40, 30, Fraction(aspect)) == size


def test_square_pixels_are_the_image_itself():
    image = noise()
    assert to_square_pixels(image, Fraction(1)) is image
    result, matte = noise(seed=2), np.ones((30, 40), np.float32)
    assert change_on_plate(image, seen=image, result=result, matte=matte) == (result, matte)


@pytest.mark.parametrize("aspect", ["2", "9/5", "1/2"])
def test_change_at_square_pixels_reaches_the_plate_and_nothing_else_does(aspect):
    plate = noise()
    seen = to_square_pixels(plate, Fraction(aspect))
    across, down = seen.width / plate.width, seen.height / plate.height
    matte = np.zeros((seen.height, seen.width), np.float32)
    matte[round(10 * down) : round(20 * down), round(10 * across) : round(30 * across)] = 1.0
    result = seen.with_pixels(seen.pixels + np.float32(0.25) * (matte[..., None] > 0))
    changed, squeezed = change_on_plate(plate, seen=seen, result=result, matte=matte)
    assert (changed.pixels.shape, squeezed.shape) == (plate.pixels.shape, (30, 40))
    outside = squeezed == 0
    assert 0.5 < outside.mean() < 0.9
    assert changed.pixels[outside].tobytes() == plate.pixels[outside].tobytes()
    # Half of a float32 step of the largest value, twice.
    step = (changed.pixels - plate.pixels)[12:18, 12:28]
    np.testing.assert_allclose(step, 0.25, atol=1e-6)
    assert (changed.colourspace, changed.exposure) == ("acescg", 0.5)


def test_matte_is_stretched_as_the_picture_is():
    matte = noise().pixels[..., 0].clip(0, 1)
    stretched = matte_to_square_pixels(matte, Fraction(2))
    assert stretched.shape == (30, 80)
    np.testing.assert_allclose(stretched.mean(), matte.mean(), atol=0.02)
