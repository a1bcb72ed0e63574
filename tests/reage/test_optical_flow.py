import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from reage.optical_flow import codes, is_consistent, joined, moved, optical_flow, resized

SIDE = 128
MIDDLE = (slice(24, -24), slice(24, -24))


@pytest.fixture
def picture():
    noise = gaussian_filter(np.random.default_rng(3).normal(size=(SIDE, SIDE)), 2.0)
    return (0.5 + noise).astype(np.float32)


def even(x, y, side=SIDE):
    return np.full((side, side, 2), (x, y), np.float32)


def test_flow_points_from_each_pixel_to_where_it_lies_in_the_other_picture(picture):
    matrix = np.array([[1, 0, 1.6], [0, 1, -0.8]], np.float64)
    other = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC)
    found = optical_flow(codes(picture), codes(0.6 * other + 0.1))[MIDDLE]
    assert np.allclose(found.mean(axis=(0, 1)), (1.6, -0.8), atol=0.1)


def test_flow_does_not_depend_on_what_was_asked_before(picture):
    here, there = codes(picture), codes(picture[::-1])
    once = optical_flow(here, there)
    optical_flow(there, here)
    assert np.array_equal(once, optical_flow(here, there))


def test_consistency_check_refuses_motion_that_does_not_return_or_leaves_the_window():
    there = even(3.0, 0.0, 20)
    assert is_consistent(there, -there)[:, :17].all()
    assert not is_consistent(there, -there)[:, 17:].any()
    assert not is_consistent(there, there).any()


def test_moved_fetches_from_where_the_flow_points(picture):
    found = moved(picture, even(3.0, -2.0))
    assert np.allclose(found[10:-10, 10:-10], picture[8:-12, 13:-7], atol=1e-6)


def test_flow_joined_to_another_leads_to_where_both_lead_in_turn(picture):
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    bent = np.stack([np.sin(rows / 9), np.cos(columns / 7)], axis=2)
    at_once = moved(picture, joined(even(4.0, 1.0), bent))
    in_turn = moved(moved(picture, bent), even(4.0, 1.0))
    assert np.allclose(at_once[MIDDLE], in_turn[MIDDLE], atol=1e-4)


@pytest.mark.parametrize("side", [3 * SIDE, SIDE // 2])
def test_resized_flow_means_the_same_shift_of_a_square_of_another_side(side):
    factor = side / SIDE
    assert np.allclose(resized(even(1.0, 0.5), side), (factor, 0.5 * factor))
