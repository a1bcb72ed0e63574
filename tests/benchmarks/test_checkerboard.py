import numpy as np
import pytest

from benchmarks.prior.checkerboard import checkerboard, power_spectrum

SIZE = 64


def _pictures(pattern, *, strength):
    noise = np.random.default_rng(2).normal(0.5, 0.05, (40, SIZE, SIZE))
    return np.repeat((noise + strength * pattern)[..., None], 3, axis=3)


def _alternating():
    return np.where(np.arange(SIZE) % 2, 1.0, -1.0)


def test_noise_shows_no_checkerboard():
    figures = checkerboard(power_spectrum(_pictures(np.zeros((SIZE, SIZE)), strength=0)))
    # 40 pictures x 9 bins that a window ties together: the mean is steady to about a tenth.
    assert all(value == pytest.approx(1, abs=0.3) for value in figures.values())


@pytest.mark.parametrize("shown", ["rows", "columns", "both"])
def test_a_pattern_of_two_pixels_stands_out_in_its_own_direction_only(shown):
    ones, turns = np.ones(SIZE), _alternating()
    pattern = {
        "rows": np.outer(turns, ones),
        "columns": np.outer(ones, turns),
        "both": np.outer(turns, turns),
    }[shown]
    figures = checkerboard(power_spectrum(_pictures(pattern, strength=0.02)))
    assert figures[shown] > 5
    assert all(value < 1.4 for name, value in figures.items() if name != shown)
