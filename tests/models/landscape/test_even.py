from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.landscape.even import departure, even_course, place_at, relative_distance

patiently = settings(deadline=None, max_examples=60)  # machines differ, and are shared
PLACES = np.linspace(0, 1, 11)
distances = st.lists(st.floats(0, 5), min_size=2, max_size=12).map(
    lambda rows: np.array([0.0, *rows])[:, None]
)


@pytest.mark.parametrize("power", [0.7, 2, 4])
def test_course_makes_a_bent_line_look_straight(power):
    apart = PLACES[:, None] ** power
    course = even_course(apart)
    assert departure(apart) > 0.1
    assert departure(apart, course) < 0.02
    # Between the measured places, too.
    fine = np.linspace(0, 1, 101)
    seen = place_at(course, fine) ** power
    assert np.abs(seen - fine).max() < 0.06


@patiently
@given(distances)
def test_course_rises_from_exactly_0_to_exactly_1(apart):
    course = even_course(apart)
    assert (course[0], course[-1], len(course)) == (0.0, 1.0, len(apart))
    assert all(a <= b for a, b in pairwise(course))
    assert place_at(course, [0.0, 1.0]).tolist() == [0.0, 1.0]


def test_course_passes_over_what_goes_back():
    seen = np.interp(np.linspace(0, 1, 41), [0, 0.25, 0.5, 0.75, 1], [0, 0.6, 0.4, 0.6, 1])
    course = even_course(seen[:, None])
    assert place_at(course, 0.55) < 0.25
    assert place_at(course, 0.65) > 0.75


def test_pictures_weigh_by_how_far_they_change():
    apart = np.stack([4 * PLACES, 0.001 * PLACES**8], axis=1)
    assert relative_distance(apart) == pytest.approx(PLACES, abs=1e-3)


def test_line_on_which_nothing_changes_is_followed_as_it_is():
    assert even_course(np.zeros((5, 3))) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert departure(np.zeros((5, 3))) == 0.0


def test_no_course_is_the_lines_own():
    assert place_at((), [0.0, 0.3, 1.0]).tolist() == [0.0, 0.3, 1.0]
