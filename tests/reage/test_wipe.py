import numpy as np
import pytest

from reage.wipe import compose_wipe, wipe_position

PLATE = np.full((360, 640, 3), 60, np.uint8)
RESULT = np.full((360, 640, 3), 180, np.uint8)


def test_wipe_shows_the_plate_left_and_the_result_right_of_the_line():
    picture = compose_wipe(PLATE, RESULT, 0.5)
    assert np.array_equal(picture[:300, :310], PLATE[:300, :310])
    assert np.array_equal(picture[:300, 330:], RESULT[:300, 330:])
    assert picture[100, 319:322].max() > 200


@pytest.mark.parametrize(("position", "shown"), [(0.0, RESULT), (1.0, PLATE)])
def test_wipe_at_its_ends_shows_one_picture_without_a_line(position, shown):
    picture = compose_wipe(PLATE, RESULT, position)
    assert np.array_equal(picture[:300], shown[:300])


def test_wipe_line_moves_by_fractions_of_a_pixel():
    black = np.zeros_like(PLATE)
    centres = []
    for position in (320.0, 320.25, 320.5, 320.75, 321.0):
        column = compose_wipe(black, black, position / 640)[100, 300:340, 0].astype(float)
        centres.append((column * np.arange(300, 340)).sum() / column.sum() + 0.5)
    # The centroid of exact area coverage strays by 0.06 px from the line that it covers.
    assert np.allclose(np.diff(centres), 0.25, atol=0.07)


def test_wipe_label_is_uncovered_with_its_picture():
    without_plate = compose_wipe(PLATE, RESULT, 0.0, labels=("plate", "re-aged 70"))
    assert np.array_equal(without_plate[:, :300], RESULT[:, :300])
    assert not np.array_equal(without_plate[300:, 400:], RESULT[300:, 400:])
    without_result = compose_wipe(PLATE, RESULT, 1.0, labels=("plate", "re-aged 70"))
    assert np.array_equal(without_result[:, 300:], PLATE[:, 300:])
    assert not np.array_equal(without_result[300:, :200], PLATE[300:, :200])


def test_wipe_position_goes_across_and_back_without_a_jump():
    path = np.array([wipe_position(i / 1000) for i in range(1001)])
    assert path[0] == path[-1] == 1.0
    assert path[500] == 0.0
    assert np.allclose(path, path[::-1], atol=1e-12)
    assert (np.diff(path[:501]) <= 0).all()
    assert np.abs(np.diff(path, 2)).max() < 1e-4  # no jump in speed


@pytest.mark.parametrize("position", [-0.01, 1.01, float("nan")])
def test_wipe_refuses_a_position_outside_the_picture(position):
    with pytest.raises(ValueError, match=r"position: got .*, expected 0-1"):
        compose_wipe(PLATE, RESULT, position)


def test_wipe_refuses_pictures_of_two_sizes():
    with pytest.raises(ValueError, match=r"result: got \(10, 10, 3\), expected \(360, 640, 3\)"):
        compose_wipe(PLATE, RESULT[:10, :10], 0.5)
