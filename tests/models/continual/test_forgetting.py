import numpy as np
import pytest

from models.continual.forgetting import (
    average_incremental_performance,
    forgetting,
    forgetting_by_increment,
)

NAN = np.nan
DISTANCES = np.array([[1.0, NAN, NAN], [4.0, 2.0, NAN], [3.0, 7.0, 1.0]])


def test_average_incremental_performance_is_a_mean_of_means():
    wanted = (1 + (4 + 2) / 2 + (3 + 7 + 1) / 3) / 3
    assert average_incremental_performance(DISTANCES) == pytest.approx(wanted)


def test_forgetting_compares_the_last_model_with_the_best_before_it():
    # Of increment 0: 3 - min(1, 4); of increment 1: 7 - 2.
    assert forgetting_by_increment(DISTANCES).tolist() == [2.0, 5.0]
    assert forgetting(DISTANCES) == 3.5


def test_forgetting_of_a_likeness_has_the_other_sign():
    assert forgetting(1 - DISTANCES, higher_is_better=True) == pytest.approx(3.5)


def test_forgetting_is_below_0_where_later_increments_helped():
    assert forgetting(np.array([[5.0, NAN], [4.0, 1.0]])) == -1.0


def test_a_model_that_never_changes_forgets_nothing():
    assert forgetting(np.tile(np.arange(4.0), (4, 1))) == 0.0


def test_matrices_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"matrix: got shape \(1, 1\), expected .* at least 2"):
        forgetting(np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"matrix: got shape \(2, 3\)"):
        average_incremental_performance(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"m\[1, 0\]: got nan, expected a number"):
        forgetting(np.array([[1.0, 2.0], [NAN, 2.0]]))
