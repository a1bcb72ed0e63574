import cv2
import numpy as np
import pytest

from reage.flicker import FlickerMeter

SIZE = 160
NUM_FRAMES = 8
Y, X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
MATTE = np.clip(1.4 - np.hypot(X - 80, Y - 80) / 45, 0, 1)


def texture(seed=0):
    """A sheet of smooth texture, larger than the window, to be seen through it."""
    noise = np.random.default_rng(seed).standard_normal((400, 400)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3.0)
    return 0.5 + 0.12 * smooth / smooth.std()


def seen(sheet, index):
    """The window at a frame: the sheet glides 1.3 px right and 0.6 px down a frame."""
    return cv2.remap(sheet, X + 100 - 1.3 * index, Y + 100 - 0.6 * index, cv2.INTER_CUBIC)


def measure(output_of, *, grain=0.0):
    meter, sheet, rng = FlickerMeter(), texture(), np.random.default_rng(1)
    figures = []
    for index in range(NUM_FRAMES):
        plate = seen(sheet, index)
        plate += np.float32(grain) * rng.standard_normal(plate.shape).astype(np.float32)
        figures.append(meter.push(1001 + index, plate, output_of(plate, index), MATTE))
    return figures


def mean(figures, name):
    return float(np.mean([getattr(f, name) for f in figures[1:]]))


def test_identical_output_has_exactly_no_excess():
    for figure in measure(lambda plate, _: plate.copy(), grain=0.01)[1:]:
        assert figure.excess == 0.0
        assert figure.change_residual == 0.0
        assert figure.sharpness_kept == 1.0


def test_random_gain_of_a_frame_is_seen_as_flicker():
    gains = np.random.default_rng(5).normal(1.0, 0.04, NUM_FRAMES)
    figures = measure(lambda plate, i: plate * np.float32(gains[i]), grain=0.01)
    steps = np.abs(np.diff(gains)) * 0.5  # the texture's mean level is a half
    measured = [f.change_residual for f in figures[1:]]
    assert np.allclose(measured, steps, rtol=0.15, atol=0.001)
    assert mean(figures, "excess") > 0.5


def test_flicker_below_the_grain_shows_in_the_change_residual():
    shifts = np.random.default_rng(6).choice([-0.003, 0.003], NUM_FRAMES)
    figures = measure(lambda plate, i: plate + np.float32(shifts[i]), grain=0.02)
    assert mean(figures, "excess") < 0.05
    expected = np.abs(np.diff(shifts))
    assert np.allclose([f.change_residual for f in figures[1:]], expected, atol=2e-4)


def test_static_change_that_moves_with_the_plate_is_no_flicker():
    paint = 0.4 * (texture(seed=9) - 0.5)
    gliding = measure(lambda plate, i: plate + seen(paint, i), grain=0.01)
    standing = measure(lambda plate, _: plate + seen(paint, 0), grain=0.01)
    assert mean(gliding, "change_residual") < 0.2 * mean(standing, "change_residual")
    assert mean(gliding, "excess") < 0.1


def test_sharpness_kept_falls_when_the_output_is_blurred():
    blurred = measure(lambda plate, _: cv2.GaussianBlur(plate, (0, 0), 2.0))
    assert 0.0 < mean(blurred, "sharpness_kept") < 0.5


def test_only_the_matte_is_judged():
    outside = (MATTE == 0).astype(np.float32)
    figures = measure(lambda plate, i: plate + outside * np.float32(0.3 * (i % 2)))
    # The bicubic kernel reaches 2 px across the matte's edge, where its weight is near 0.
    assert mean(figures, "change_residual") < 1e-3


def test_first_frame_and_frame_after_a_gap_have_no_predecessor():
    meter, sheet = FlickerMeter(), texture()
    figures = [meter.push(n, seen(sheet, 0), seen(sheet, 0), MATTE) for n in (1001, 1003, 1004)]
    assert [f.excess for f in figures] == [None, None, 0.0]


def test_broken_pixels_of_a_plate_do_not_break_the_figures():
    def holed(plate):
        plate = plate.copy()
        plate[70:74, 70:74] = np.nan
        plate[80, 80] = np.inf
        return plate

    meter, sheet = FlickerMeter(), texture()
    for number in (1001, 1002):
        figure = meter.push(number, holed(seen(sheet, 0)), holed(seen(sheet, 0)), MATTE)
    assert figure.excess == 0.0


def test_empty_matte_gives_no_figures():
    meter, sheet = FlickerMeter(), texture()
    empty = np.zeros_like(MATTE)
    figures = [meter.push(n, seen(sheet, 0), seen(sheet, 0), empty) for n in (1001, 1002)]
    assert figures[1].excess is None
    assert figures[1].sharpness_kept is None


def test_cut_to_another_picture_is_not_trusted():
    meter = FlickerMeter()
    meter.push(1001, texture()[:SIZE, :SIZE], texture()[:SIZE, :SIZE], MATTE)
    other = texture(seed=3)[:SIZE, :SIZE]
    assert meter.push(1002, other, other, MATTE).trusted < 0.7


def test_window_that_changes_its_size_is_refused():
    meter = FlickerMeter()
    meter.push(1001, MATTE, MATTE, MATTE)
    with pytest.raises(ValueError, match="use one window for the shot"):
        meter.push(1002, MATTE[:50], MATTE[:50], MATTE[:50])
    with pytest.raises(ValueError, match="expected one shape"):
        meter.push(1002, MATTE, MATTE[:50], MATTE)
