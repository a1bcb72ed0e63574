import cv2
import numpy as np
import pytest

from reage.detail import detail_gain, raise_detail

SIDE = 64
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def folds(blur_px, *, shift=0.0):
    """A change of dark lines a few pixels apart, as folds are, drawn softly; (S, S, 3)."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    lines = np.zeros((SIDE, SIDE))
    for centre, angle in ((20, 0.2), (33, -0.3), (46, 0.1)):
        distance = y - centre - shift - angle * (x - SIDE / 2)
        lines -= np.exp(-0.5 * (distance / blur_px) ** 2)
    return np.asarray(0.1 * lines[..., None] * (1.0, 0.9, 0.8), np.float32)


def noise():
    return np.random.default_rng(3).normal(0, 0.1, (SIDE, SIDE, 3)).astype(np.float32)


def steepest(change):
    return np.abs(np.diff(change @ LUMA, axis=0)).max()


def test_soft_folds_get_steeper_and_at_half_strength_half_as_much():
    soft = folds(1.6)
    half, whole = raise_detail(soft, 0.5), raise_detail(soft, 1.0)
    assert steepest(whole) > 1.15 * steepest(soft)
    np.testing.assert_allclose(half - soft, 0.5 * (whole - soft), atol=1e-7)


def test_gain_is_what_makes_the_finest_octave_as_strong_as_the_next():
    soft = cv2.GaussianBlur(noise(), (0, 0), 1.5)
    gain = detail_gain(soft)
    assert 1.1 < gain < 1.9, "between its limits, so that it is not one of them that is tested"

    def rms(change, low, high):
        blur = [change if s == 0 else cv2.GaussianBlur(change, (0, 0), s) for s in (low, high)]
        return np.sqrt(np.square((blur[0] - blur[1]) @ LUMA).mean())

    assert gain == pytest.approx(rms(soft, 1, 2) / rms(soft, 0, 1), rel=0.02)


def test_crisp_change_is_left_alone():
    assert detail_gain(noise()) == 1.0
    assert np.array_equal(raise_detail(noise(), 1.0), noise())


def test_very_soft_change_is_raised_twofold_at_most():
    assert detail_gain(folds(6.0)) == 2.0


def test_mean_of_the_change_stays():
    soft = folds(1.6)
    assert raise_detail(soft, 1.0).mean() == pytest.approx(soft.mean(), rel=1e-3)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_no_change_stays_none_and_strength_0_changes_nothing(strength):
    nothing = np.zeros((SIDE, SIDE, 3), np.float32)
    assert not raise_detail(nothing, strength).any()
    assert detail_gain(nothing) == 1.0
    assert np.array_equal(raise_detail(folds(1.6), 0.0), folds(1.6))


def test_gain_is_steady_while_folds_move_by_parts_of_a_pixel():
    gains = [detail_gain(folds(1.6, shift=shift)) for shift in np.linspace(0, 1, 9)]
    assert np.ptp(gains) < 0.01 * np.mean(gains)


def test_gain_does_not_depend_on_how_strong_the_change_is():
    assert detail_gain(0.01 * folds(1.6)) == pytest.approx(detail_gain(folds(1.6)), rel=1e-4)


def test_change_that_is_given_is_not_touched():
    given = folds(1.6)
    raise_detail(given, 1.0)
    assert np.array_equal(given, folds(1.6))


def test_strength_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"raise_detail.strength: got 1.5, expected 0 to 1"):
        raise_detail(folds(1.6), 1.5)
