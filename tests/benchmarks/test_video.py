import cv2
import numpy as np
import pytest

from benchmarks.video.measures import OtherMeter, landmark_jitter
from benchmarks.video.moving_still import HEIGHT, WIDTH, floor_of, moved, true_residual
from reage.image import Image


@pytest.fixture(scope="module")
def still():
    rng = np.random.default_rng(0)
    coarse = rng.random((HEIGHT // 24, WIDTH // 24, 3)).astype(np.float32)
    return 0.2 + 0.6 * np.kron(coarse, np.ones((24, 24, 1), np.float32))


@pytest.fixture(scope="module")
def matte():
    inside = np.zeros((HEIGHT, WIDTH), np.float32)
    inside[200:500, 300:600] = 1.0
    return inside


def picture(pixels):
    return Image(pixels, colourspace="srgb")


def test_first_frame_of_the_moving_still_is_the_still(still):
    assert np.abs(moved(still, 0) - still).max() < 1e-4


def test_floor_of_no_change_is_nothing(still, matte):
    floor = floor_of(picture(still), picture(still), matte, num_frames=3)
    assert floor["change_residual"] == 0.0
    assert floor["excess"] == 0.0


def test_floor_of_a_change_that_moves_with_the_still_is_below_that_of_one_that_does_not(
    still, matte
):
    rng = np.random.default_rng(1)
    coarse = rng.normal(0, 0.05, (HEIGHT // 24, WIDTH // 24, 3)).astype(np.float32)
    change = np.kron(coarse, np.ones((24, 24, 1), np.float32)) * matte[..., None]
    floor = floor_of(picture(still), picture(still + change), matte, num_frames=3)
    stuck = np.abs(moved(change, 1) - change)[matte > 0].mean()
    assert 0 < floor["change_residual"] < 0.5 * stuck


def test_true_residual_is_of_what_does_not_move_as_the_still_does(still, matte):
    rng = np.random.default_rng(1)
    coarse = cv2.resize(rng.normal(0, 0.05, (24, 32)).astype(np.float32), (WIDTH, HEIGHT))
    change = np.repeat(coarse[..., None], 3, axis=2)

    def shot(change_at):
        for index in range(4):
            plate = moved(still, index)
            yield picture(plate), picture(plate + change_at(index)), matte

    following = true_residual(shot(lambda index: moved(change, index)))
    assert following < 0.1 * true_residual(shot(lambda _: change))
    assert true_residual(shot(lambda index: 0.01 * (index % 2))) == pytest.approx(0.01, rel=0.01)


def test_other_meter_tells_a_change_that_follows_the_plate_from_one_that_flickers(still):
    window = (slice(150, 350), slice(250, 450))
    matte = np.ones((200, 200), np.float32)
    meters = {"following": OtherMeter(), "flickering": OtherMeter()}
    for index in range(11):
        plate = moved(still, index)[..., 1]
        changed = {"following": 0.9 * plate, "flickering": plate + 0.02 * (index % 2)}
        for name, meter in meters.items():
            views = (np.ascontiguousarray(x[window], np.float32) for x in (plate, changed[name]))
            meter.push(1001 + index, *views, matte)
    for meter in meters.values():
        assert [figure.frame_number for figure in meter.found] == [1006, 1011]
    residual = {k: [f.change_residual for f in m.found] for k, m in meters.items()}
    assert max(residual["following"]) < 0.005
    assert residual["flickering"] == pytest.approx([0.02, 0.02], rel=0.1)


def test_jitter_is_blind_to_steady_motion():
    steady = np.arange(10.0)[:, None, None] * np.ones((1, 4, 2))
    assert landmark_jitter(steady) == 0.0
    shaken = steady + 0.1 * (-1.0) ** np.arange(10)[:, None, None]
    assert landmark_jitter(shaken) == pytest.approx(0.4)
