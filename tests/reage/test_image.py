import numpy as np
import pytest

from reage.errors import ColourError
from reage.image import Image


def test_image_of_every_16_bit_code_round_trips_exactly():
    codes = np.arange(65536, dtype=np.uint16)
    codes = np.stack([codes, codes[::-1], codes], axis=-1).reshape(256, 256, 3)
    np.testing.assert_array_equal(Image.from_integer(codes).to_uint16(), codes)


@pytest.mark.parametrize("bit_depth", [8, 10, 12])
def test_image_of_every_shallower_code_keeps_codes_apart_and_in_place(bit_depth):
    full = 2**bit_depth - 1
    codes = np.repeat(np.arange(full + 1, dtype=np.uint16)[None, :, None], 3, axis=2)
    wide = Image.from_integer(codes, bit_depth=bit_depth).to_uint16()
    np.testing.assert_array_equal(np.rint(wide / 65535 * full).astype(np.uint16), codes)


def test_image_clips_and_clears_nan_only_when_rounding():
    pixels = np.array([[[-0.5, 2.0, np.nan]]], np.float32)
    image = Image(pixels, "rec709")
    assert image.pixels[0, 0, 1] == 2.0
    np.testing.assert_array_equal(image.to_uint16(), [[[0, 65535, 0]]])
    np.testing.assert_array_equal(image.to_uint8(), [[[0, 255, 0]]])


def test_image_makes_pixels_contiguous():
    image = Image(np.zeros((4, 6, 3), np.float32)[:, ::2], "rec709")
    assert image.pixels.flags.c_contiguous
    assert (image.height, image.width) == (4, 3)


@pytest.mark.parametrize("shape,dtype", [((4, 4), "f4"), ((4, 4, 4), "f4"), ((4, 4, 3), "f8")])
def test_image_refuses_what_is_not_float32_rgb(shape, dtype):
    with pytest.raises(ValueError, match=r"Image.pixels: got .* expected float32 \(H, W, 3\)"):
        Image(np.zeros(shape, dtype), "rec709")


def test_image_refuses_float_codes():
    with pytest.raises(ValueError, match="expected integers"):
        Image.from_integer(np.zeros((2, 2, 3), np.float32))


def test_image_refuses_8_bit_view_of_scene_linear_pixels():
    with pytest.raises(ColourError, match="to_display first"):
        Image(np.zeros((2, 2, 3), np.float32), "acescg").to_uint8()
