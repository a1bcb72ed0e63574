from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reage.manifest.age import AgeCurve

patiently = settings(deadline=None, max_examples=60)  # machines differ, and are shared

curves = st.builds(
    lambda keyframes, interpolation: AgeCurve(keyframes=keyframes, interpolation=interpolation),
    st.dictionaries(st.integers(900, 1200), st.floats(18, 100), min_size=1, max_size=6),
    st.sampled_from(["linear", "smooth"]),
)


@patiently
@given(curves)
def test_curve_passes_through_its_keyframes_and_is_flat_outside(curve):
    frames = list(curve.keyframes)
    assert frames == sorted(frames)
    for frame, age in curve.keyframes.items():
        assert curve.at(frame) == pytest.approx(age, abs=1e-9)
    assert curve.at(frames[0] - 50) == curve.keyframes[frames[0]]
    assert curve.at(frames[-1] + 50) == curve.keyframes[frames[-1]]


@patiently
@given(curves)
def test_curve_never_leaves_the_ages_of_the_keyframes_around_it(curve):
    frames = list(curve.keyframes)
    for start, end in pairwise(frames):
        low, high = sorted((curve.keyframes[start], curve.keyframes[end]))
        ages = [curve.at(frame) for frame in range(start, end + 1)]
        assert all(low <= age <= high for age in ages)
        rises = [after - before for before, after in pairwise(ages)]
        assert all(r >= -1e-9 for r in rises) or all(r <= 1e-9 for r in rises)


def test_linear_curve_is_a_straight_line_between_keyframes():
    curve = AgeCurve(keyframes={1001: 62, 1011: 42}, interpolation="linear")
    assert [curve.at(frame) for frame in (1001, 1006, 1011)] == [62, 52, 42]


def test_smooth_curve_eases_in_and_out_without_a_corner():
    curve = AgeCurve(keyframes={1001: 62, 1081: 38})
    speed = [curve.at(frame + 1) - curve.at(frame) for frame in range(995, 1087)]
    # The straight line would jump from 0 to 0.3 years a frame at both ends.
    assert max(abs(after - before) for before, after in pairwise(speed)) < 0.03
    assert curve.at(1041) == pytest.approx(50)


def test_smooth_curve_is_the_published_monotone_cubic():
    # Fritsch and Butland's three-point rule at 1011 (equal steps, harmonic mean of -2 and -1) gives
    # the slope -4/3; flat ends give 0. Cubic Hermite at the middle of the first step follows.
    curve = AgeCurve(keyframes={1001: 60, 1011: 40, 1021: 30})
    expected = (60 + 40) / 2 + 10 * (0 - (-4 / 3)) / 8
    assert curve.at(1006) == pytest.approx(expected)
