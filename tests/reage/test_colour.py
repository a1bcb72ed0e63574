from dataclasses import replace

import cv2
import numpy as np
import pytest

from reage.colour import (
    COLOURSPACES,
    REC709_FROM_ACESCG,
    add_display_change,
    decode_display,
    delta_e76,
    encode_display,
    lab_from_display,
    luma,
    to_display,
)
from reage.errors import ColourError
from reage.image import Image


def make_image(colourspace, *, low=-0.2, high=8.0, seed=1):
    generator = np.random.default_rng(seed)
    pixels = generator.uniform(low, high, (24, 32, 3)).astype(np.float32)
    return Image(pixels, colourspace, None)


def test_display_curve_rises_everywhere_and_never_clips():
    linear = np.concatenate([np.linspace(-8, 4, 4001), np.geomspace(4, 60000, 2001)[1:]])
    encoded = encode_display(linear.astype(np.float32))
    assert (np.diff(encoded) > 0).all()


def test_display_curve_is_srgb_between_black_and_white():
    encoded = encode_display(np.array([0, 0.001, 0.18, 0.5, 1], np.float32))
    # IEC 61966-2-1, by hand.
    np.testing.assert_allclose(encoded, [0, 0.01292, 0.46136, 0.73536, 1], atol=1e-5)


def test_display_curve_has_no_step_or_kink_at_white():
    step = 1e-3
    below, at, above = encode_display(np.array([1 - step, 1, 1 + step], np.float64))
    assert (at - below) / step == pytest.approx((above - at) / step, rel=2e-3)


def test_display_curve_inverts_with_negatives_and_highlights():
    linear = np.concatenate([np.linspace(-4, 4, 999), np.geomspace(4, 60000, 99)])
    linear = linear.astype(np.float32)
    back = decode_display(encode_display(linear))
    # float32 carries the logarithm to about 1e-6, which the exponential makes relative.
    np.testing.assert_allclose(back, linear, rtol=2e-5, atol=1e-6)


def test_acescg_matrix_equals_published_one():
    # AP1 to linear BT.709 with Bradford from the ACES white to D65, as in colour-science and OCIO.
    published = [
        [1.70505, -0.62179, -0.08326],
        [-0.13026, 1.14080, -0.01055],
        [-0.02400, -0.12897, 1.15297],
    ]
    np.testing.assert_allclose(REC709_FROM_ACESCG, published, atol=1e-5)


def test_acescg_grey_is_shown_as_grey():
    grey = np.full((2, 2, 3), 0.18, np.float32)
    np.testing.assert_allclose(to_display(Image(grey, "acescg")), 0.46136, atol=1e-5)


@pytest.mark.parametrize("name", ["rec709", "srgb"])
def test_to_display_leaves_display_codes_as_they_are(name):
    image = make_image(name)
    np.testing.assert_array_equal(to_display(image), image.pixels)


def test_to_display_never_hands_out_the_plate_itself():
    for name in COLOURSPACES:
        image = make_image(name)
        before = image.pixels.copy()
        to_display(image)[:] = 0
        np.testing.assert_array_equal(image.pixels, before)


def test_to_display_exposure_is_in_stops():
    image = Image(np.full((1, 1, 3), 0.1, np.float32), "linear_rec709")
    brighter = Image(np.full((1, 1, 3), 0.2, np.float32), "linear_rec709")
    exposed = replace(image, exposure=1)
    np.testing.assert_allclose(to_display(exposed), to_display(brighter), rtol=1e-6)


def test_to_display_refuses_exposure_of_display_codes():
    with pytest.raises(ColourError, match="exposure: got 1 stops for rec709, expected 0"):
        to_display(replace(make_image("rec709"), exposure=1))


def test_to_display_names_unknown_colourspace():
    with pytest.raises(ColourError, match="got 'log_c', expected one of rec709"):
        to_display(Image(np.zeros((1, 1, 3), np.float32), "log_c"))


@pytest.mark.parametrize("name", sorted(COLOURSPACES))
def test_add_display_change_leaves_uncovered_and_unchanged_pixels_bit_identical(name):
    plate = make_image(name)
    generator = np.random.default_rng(2)
    change = generator.normal(0, 0.1, plate.pixels.shape).astype(np.float32)
    change[:, 20:] = 0
    matte = generator.uniform(0, 1, plate.pixels.shape[:2]).astype(np.float32)
    matte[:8] = 0
    result = add_display_change(plate, change, matte)
    untouched = (matte == 0) | (change == 0).all(axis=2)
    assert result.pixels[untouched].tobytes() == plate.pixels[untouched].tobytes()
    assert (result.pixels[~untouched] != plate.pixels[~untouched]).any(axis=1).all()
    assert (result.colourspace, result.bit_depth) == (plate.colourspace, plate.bit_depth)


@pytest.mark.parametrize("name", sorted(COLOURSPACES))
def test_add_display_change_of_zero_is_the_plate(name):
    plate = make_image(name)
    plate.pixels[0, 0] = (np.inf, np.nan, -np.inf)
    matte = np.ones(plate.pixels.shape[:2], np.float32)
    result = add_display_change(plate, np.zeros_like(plate.pixels), matte)
    assert result.pixels.tobytes() == plate.pixels.tobytes()


@pytest.mark.parametrize("name", sorted(COLOURSPACES))
def test_add_display_change_moves_the_view_by_matte_times_change(name):
    plate = make_image(name)
    change = np.full(plate.pixels.shape, (0.1, -0.05, 0.02), np.float32)
    matte = np.full(plate.pixels.shape[:2], 0.5, np.float32)
    moved = to_display(add_display_change(plate, change, matte)) - to_display(plate)
    # Values up to 8 in float32 through two 3x3 matrices; a code of 16 bits is 1.5e-5.
    np.testing.assert_allclose(moved, 0.5 * change, atol=2e-5)


def test_add_display_change_keeps_hdr_values_and_grain():
    highlight = np.full((8, 8, 3), 40.0, np.float32)
    highlight += np.random.default_rng(3).normal(0, 1, highlight.shape).astype(np.float32)
    plate = Image(highlight, "acescg")
    change = np.full(highlight.shape, -0.01, np.float32)
    result = add_display_change(plate, change, np.ones((8, 8), np.float32)).pixels
    assert result.min() > 30
    assert np.corrcoef(result.ravel(), highlight.ravel())[0, 1] > 0.999


def test_add_display_change_refuses_other_sizes():
    plate = make_image("rec709")
    with pytest.raises(ValueError, match="change: got shape"):
        add_display_change(plate, np.zeros((2, 2, 3), np.float32), np.zeros((24, 32), np.float32))
    with pytest.raises(ValueError, match="matte: got shape"):
        add_display_change(plate, np.zeros_like(plate.pixels), np.zeros((2, 2), np.float32))


def test_lab_equals_opencv():
    display = np.random.default_rng(4).uniform(0, 1, (16, 16, 3)).astype(np.float32)
    # OpenCV interpolates tables: a few tenths of a unit.
    np.testing.assert_allclose(
        lab_from_display(display), cv2.cvtColor(display, cv2.COLOR_RGB2LAB), atol=0.5
    )


def test_lab_of_white_and_red_are_the_textbook_ones():
    np.testing.assert_allclose(lab_from_display(np.ones(3)), [100, 0, 0], atol=1e-3)
    np.testing.assert_allclose(lab_from_display(np.eye(3)[0]), [53.24, 80.09, 67.20], atol=0.01)


def test_delta_e76_is_the_distance_in_lab():
    assert delta_e76(np.array([50.0, 0, 0]), np.array([50.0, 3, 4])) == pytest.approx(5)


def test_luma_weighs_colours_as_bt709_does():
    assert np.allclose(luma(np.eye(3)[None]), [[0.2126, 0.7152, 0.0722]], atol=1e-6)
