import numpy as np
import pytest

from reage.light import in_light, light_of

RNG = np.random.default_rng(3)
CROPS = [np.float32(RNG.uniform(0.1, 0.9, (32, 32, 3))) for _ in range(2)]


def graded(crops):
    """Darker and warmer."""
    return [np.float32(crop ** np.array([1.4, 1.7, 2.2])) for crop in crops]


def test_grade_is_taken_out_wholly_where_it_was_a_gamma_of_each_channel():
    for crop, restored in zip(CROPS, in_light(graded(CROPS), light_of(CROPS)), strict=True):
        np.testing.assert_allclose(restored, crop, atol=1e-5)


def test_crops_in_their_own_light_stay_as_they_are():
    for crop, same in zip(CROPS, in_light(CROPS, light_of(CROPS)), strict=True):
        np.testing.assert_allclose(same, crop, atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 1.0, 3.0])
def test_crops_without_any_light_or_burnt_out_give_numbers(level):
    [crop] = in_light([np.full((32, 32, 3), level, np.float32)], light_of(CROPS))
    assert np.isfinite(crop).all()
