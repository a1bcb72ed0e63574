import cv2
import numpy as np
import pytest
import skimage.data

from reage.grain.measuring import GrainMeter
from reage.grain.model import Grain
from tests.reage.grain.grained_plates import (
    HEIGHT,
    WIDTH,
    clean_picture,
    deviation,
    measured_grain,
    plate_view,
    unit_grain,
)


@pytest.fixture(scope="module")
def grain():
    return measured_grain()


def test_curve_of_every_channel_follows_the_plates_over_luminance(grain):
    shades = np.linspace(0.15, 0.75, 7)
    found = grain.variance(shades.astype(np.float32))
    np.testing.assert_allclose(found, deviation(shades) ** 2, rtol=0.08)


def test_texture_that_stands_still_is_not_taken_for_grain():
    found = measured_grain(photograph())
    shades = np.linspace(0.15, 0.75, 5)
    np.testing.assert_allclose(
        found.variance(shades.astype(np.float32)), deviation(shades) ** 2, rtol=0.12
    )


def test_flat_parts_speak_where_nothing_stands_still():
    meter = GrainMeter()
    for seed in range(2):
        meter.add(plate_view(seed), plate_view(seed + 9, photograph()))
    found = meter.measured().variance(np.float32([0.3, 0.6]))
    np.testing.assert_allclose(found, deviation(np.array([0.3, 0.6])) ** 2, rtol=0.1)


def test_plate_without_grain_has_none_and_neither_have_8_bit_codes():
    still = clean_picture()
    meter, coarse = GrainMeter(), GrainMeter(bit_depth=8)
    meter.add(still, still * np.float32(0.99))
    codes = (np.rint(still * 255) / 255).astype(np.float32)
    coarse.add(codes, codes)
    assert meter.measured().is_none
    assert coarse.measured().is_none
    assert GrainMeter().measured().is_none


def test_repeated_frame_does_not_make_the_grain_disappear():
    meter = GrainMeter()
    meter.add(plate_view(1), plate_view(1))
    assert not meter.measured().is_none


def test_broken_pixels_are_left_out():
    meter, view = GrainMeter(), plate_view(1)
    view[100, 100] = np.nan
    meter.add(view, plate_view(2))
    assert np.isfinite(meter.measured().variances).all()


def test_fresh_grain_has_the_plates_correlations(grain):
    fresh, own = (
        grain.fresh((HEIGHT, WIDTH), seed=(3,)),
        unit_grain(3),
    )
    for lag in [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2)]:
        for first, second in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]:
            pair = [correlation(picture, lag, first, second) for picture in (fresh, own)]
            assert pair[0] == pytest.approx(pair[1], abs=0.06), (lag, first, second)


def test_fresh_grain_is_one_for_a_seed(grain):
    first, again = (grain.fresh((50, 60), seed=(7, 1001)) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, grain.fresh((50, 60), seed=(7, 1002)))


def test_model_is_read_as_it_was_written(grain, tmp_path):
    grain.save(tmp_path / "grain.npz")
    read = Grain.load(tmp_path / "grain.npz")
    assert np.array_equal(read.kernels, grain.kernels)
    assert np.array_equal(read.variance(np.float32([0.4])), grain.variance(np.float32([0.4])))


def photograph():
    return cv2.resize(skimage.data.astronaut(), (WIDTH, HEIGHT)).astype(np.float32) / 255


def correlation(picture, lag, first, second):
    down, across = lag
    rows, columns = picture.shape[0] - down, picture.shape[1] - across
    return float((picture[:rows, :columns, first] * picture[down:, across:, second]).mean())
