import numpy as np
import pytest

from reage.motion_blur import smeared


@pytest.fixture
def step():
    pixels = np.zeros((41, 61, 3), np.float32)
    pixels[:, 30:] = 1.0
    return pixels


def test_smear_turns_an_edge_into_a_ramp_as_long_as_the_motion(step):
    row = smeared(step, np.array([8.0, 0.0]))[20, :, 0]
    rising = np.flatnonzero((row[20:40] > 0.01) & (row[20:40] < 0.99))
    assert 7 <= len(rising) <= 9
    assert np.allclose(np.diff(row[27:33]), 1 / 8, atol=0.02)


def test_smear_across_an_edge_leaves_it(step):
    assert np.allclose(smeared(step, np.array([0.0, 8.0]))[10:-10], step[10:-10], atol=1e-5)


@pytest.mark.parametrize("motion", [(5.3, -2.1), (0.7, 0.7), (-12.0, 30.0)])
def test_smear_keeps_the_sum_and_the_place(motion):
    dot = np.zeros((101, 101), np.float32)
    dot[50, 50] = 1.0
    blurred = smeared(dot, np.array(motion))
    rows, columns = np.mgrid[0:101, 0:101]
    assert blurred.sum() == pytest.approx(1.0, abs=1e-5)
    assert (columns * blurred).sum() == pytest.approx(50, abs=1e-3)
    assert (rows * blurred).sum() == pytest.approx(50, abs=1e-3)


def test_motion_too_short_to_see_changes_nothing(step):
    assert smeared(step, np.array([0.1, 0.1])) is step
