import cv2
import numpy as np
import pytest

from reage.colour import luma
from reage.grain.model import no_grain
from reage.grain.restoring import missing_grain
from tests.reage.grain.grained_plates import (
    HEIGHT,
    WIDTH,
    clean_picture,
    deviation,
    measured_grain,
    plate_view,
    unit_grain,
)

LIGHTER = np.float32(0.1)
INNER = (slice(40, -40), slice(40, -40))
BANDS = [(0.2, 0.35), (0.35, 0.5), (0.5, 0.65), (0.65, 0.8)]
SEED = 7


@pytest.fixture(scope="module")
def grain():
    return measured_grain()


def restored(grain, softness):
    """Grain of the ramp smoothed, made lighter, and given back what it lost, over the plate's."""
    plate = plate_view(SEED)
    after = cv2.GaussianBlur(plate, (0, 0), softness) + LIGHTER
    missing = missing_grain(plate, after, grain, seed=SEED)
    clean = clean_picture() + LIGHTER
    return (after + missing - clean) / deviation(luma(clean))


@pytest.mark.parametrize("softness", [0.7, 1.2, 3.0])
def test_restored_grain_has_the_plates_variance_and_correlations(grain, softness):
    found, own = restored(grain, softness), unit_grain(SEED)
    shade = luma(clean_picture()) + LIGHTER
    for low, high in BANDS:
        inside = ((shade > low) & (shade < high))[INNER]
        for channel in range(3):
            made, was = (picture[INNER][..., channel] for picture in (found, own))
            assert (made[inside] ** 2).mean() == pytest.approx((was[inside] ** 2).mean(), rel=0.1)
            for first, second in [((0, -1), (1, None)), ((0, -2), (2, None))]:
                pair = [
                    (p[:, slice(*first)] * p[:, slice(*second)])[inside[:, slice(*second)]].mean()
                    for p in (made, was)
                ]
                assert pair[0] == pytest.approx(pair[1], abs=0.1)
    together = [(p[INNER][..., 0] * p[INNER][..., 1]).mean() for p in (found, own)]
    assert together[0] == pytest.approx(together[1], rel=0.1)


def test_change_that_is_only_added_takes_no_grain_and_gets_none(grain):
    plate = plate_view(SEED)
    shading = np.sin(np.arange(WIDTH) / 9) * np.cos(np.arange(HEIGHT) / 7)[:, None]
    change = (0.05 + 0.1 * shading)[..., None].astype(np.float32)
    missing = missing_grain(plate, plate + change, grain, seed=SEED)
    assert missing is None or np.abs(missing).max() == 0


def test_drawn_wrinkles_get_next_to_no_grain(grain):
    plate = plate_view(SEED)
    white = np.random.default_rng(1).standard_normal((HEIGHT, WIDTH)).astype(np.float32)
    lines = 0.1 * cv2.GaussianBlur(white, (0, 0), 1.2)[..., None]
    missing = missing_grain(plate, plate + lines, grain, seed=SEED)
    assert missing is None or missing.std() < 0.01 * deviation(np.array(0.4)).min()


def test_grain_is_put_back_only_where_it_was_taken(grain):
    plate = plate_view(SEED)
    after = plate.copy()
    after[:, 360:] = cv2.GaussianBlur(plate, (0, 0), 2)[:, 360:]
    missing = missing_grain(plate, after, grain, seed=SEED)
    assert not missing[:, :320].any()
    assert missing[:, 400:].std() > 0.008


def test_plate_without_grain_gets_none():
    plate = plate_view(SEED)
    assert missing_grain(plate, cv2.GaussianBlur(plate, (0, 0), 2), no_grain(), seed=1) is None


def test_pattern_is_the_same_each_time_and_another_in_each_frame(grain):
    plate = plate_view(SEED)
    after = cv2.GaussianBlur(plate, (0, 0), 2)
    first, again, next_ = (missing_grain(plate, after, grain, seed=n) for n in (1, 1, 2))
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), next_.ravel())[0, 1]) < 0.02
