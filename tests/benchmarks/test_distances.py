import numpy as np
import pytest

from benchmarks.prior.distances import (
    fid,
    jackknife_error,
    kid,
    kid_ratio,
    polynomial_kernel,
    weighted_mmd2,
)

RNG = np.random.default_rng(5)


def test_kid_of_a_case_worked_out_by_hand():
    # E = 1: k(1, 1) = 8, k(1, 0) = k(0, 0) = 1. Within x, without a row by itself: 8; within y: 1;
    # between: 1. 8 + 1 - 2 = 7. With rows met by themselves x would be (8, 0): 15.5 in the next.
    assert kid(np.array([[1.0], [1.0]]), np.array([[0.0], [0.0]])) == pytest.approx(7)
    # x = (1, 0): its only pair is k(1, 0) = 1; y as before 1; between (1 + 1 + 1 + 1) / 4 = 1.
    assert kid(np.array([[1.0], [0.0]]), np.array([[0.0], [0.0]])) == pytest.approx(0)


def test_polynomial_kernel_divides_by_the_number_of_features():
    x = np.ones((1, 4))
    assert polynomial_kernel(x, x) == pytest.approx(8)


def test_kid_of_one_distribution_is_unbiased_about_zero():
    found = [kid(RNG.normal(size=(30, 4)), RNG.normal(size=(30, 4))) for _ in range(300)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))
    assert min(found) < 0


def test_rows_count_by_their_weights_and_none_meets_itself():
    x, y = RNG.normal(size=(12, 4)), RNG.normal(size=(9, 4))

    def weighted(first, second):
        kernels = (polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y))
        return weighted_mmd2(*kernels, weights_x=first, weights_y=second)

    assert weighted(np.full(12, 0.3), np.ones(9)) == pytest.approx(kid(x, y))
    some = np.repeat([1.0, 0.0], [7, 5])
    assert weighted(some, np.ones(9)) == pytest.approx(kid(x[:7], y))
    assert weighted(np.ones(12), some[:9]) == pytest.approx(kid(x, y[:7]))


def test_fid_of_two_gaussians_is_the_closed_form():
    # Rows with exactly the moments wanted: means 0 and (3, 0), covariances diag(1, 4), diag(9, 1).
    rows = RNG.normal(size=(50, 2))
    white = rows - rows.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white, rowvar=False))).T
    x, y = white * [1, 2], white * [3, 1] + [3, 0]
    assert fid(x, y) == pytest.approx(3**2 + (1 - 3) ** 2 + (2 - 1) ** 2)
    assert fid(x, x) == pytest.approx(0, abs=1e-8)


def test_jackknife_error_of_a_mean_is_its_standard_error():
    values = RNG.normal(size=2000)
    error = jackknife_error(lambda first, _: values[first].mean(keepdims=True), 2000, 2000)
    assert error[0] == pytest.approx(values.std() / np.sqrt(2000), rel=0.4)


def test_kid_ratio_is_small_where_edited_faces_are_like_real_ones_and_one_where_untouched():
    real, unedited = RNG.normal(1, 1, (80, 8)), RNG.normal(0, 1, (60, 8))
    moved = kid_ratio(unedited + 1, unedited, real)
    assert abs(moved.ratio) < 0.2
    assert moved.unedited > 5 * moved.unedited_error
    assert moved.edited_error > 0
    untouched = kid_ratio(unedited, unedited, real)
    assert untouched.ratio == pytest.approx(1)
    assert untouched.ratio_error == pytest.approx(0, abs=1e-9)
