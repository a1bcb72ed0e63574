import math

import pytest

from models.landscape.curve import barrier, plateau, still_falling, total_rise, wavering


def test_plateau_ends_with_the_last_value_near_the_first():
    assert plateau([1.0, 0.99, 0.96, 0.5, 0.0]) == 0.5
    assert plateau([1.0, 0.5, 0.98, 0.0, 0.0]) == 0.0
    assert plateau([2.0, 2.05, 1.95]) == 1.0


def test_total_rise_counts_every_step_upwards_and_no_other():
    assert total_rise([3.0, 2.0, 1.0]) == 0.0
    assert total_rise([3.0, 3.5, 1.0, 1.25]) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("losses", "height"),
    [
        ([1.0, 1.5, 1.0], 0.5),
        ([1.0, 1.5, 0.2], 0.5),
        ([0.2, 1.5, 1.0], 0.5),
        ([1.0, 0.9, 0.2], 0.0),
        ([0.2, 0.3, 1.0], 0.0),
        ([1.0, 0.2, 1.0], 0.0),
    ],
)
def test_barrier_is_what_has_to_be_climbed_over_the_worse_end(losses, height):
    assert barrier(losses) == pytest.approx(height)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_barrier_of_a_loss_that_is_no_number_is_endless(broken):
    assert barrier([1.0, broken, 1.0]) == math.inf


def test_training_that_came_to_rest_falls_no_further_and_one_cut_short_does():
    def way(loss):
        return [loss(n / 10) for n in range(11)], loss(1.05)

    assert still_falling(*way(lambda a: (1 - a) ** 2)) < 0
    assert still_falling(*way(lambda a: abs(1 - a))) == pytest.approx(-0.05)
    assert still_falling(*way(lambda a: 2 - a)) == pytest.approx(0.05)
    assert still_falling(*way(lambda a: 1 + a)) == 0.0


def test_wavering_is_what_goes_back_in_parts_of_the_span():
    assert wavering([3.0, 2.0, 1.0]) == wavering([1.0, 2.0, 3.0]) == 0.0
    assert wavering([3.0, 1.0, 2.0]) == pytest.approx(0.5)
    assert wavering([1.0, 1.01, 1.0, 1.01]) == 0.0  # hardly moves
