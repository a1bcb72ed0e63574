import numpy as np
import pytest
import skimage.data

from reage.faces import FaceFinder
from reage.regions import REGIONS, region_gain

SIZE = (512, 512)


@pytest.fixture(scope="module")
def landmarks():
    with FaceFinder() as finder:
        return finder.detect(np.ascontiguousarray(skimage.data.astronaut()))[0].landmarks


def gain_at(landmarks, *points, **strengths):
    x, y = np.rint(landmarks[list(points)].mean(axis=0)).astype(int)
    return float(region_gain(landmarks, SIZE, strengths).full(SIZE)[y, x])


@pytest.mark.parametrize(
    ("part", "inside"),
    [
        ("lips", (13, 14)),
        ("eyes", (468,)),
        ("brows", (105, 52)),
        ("forehead", (151,)),
        ("cheeks", (205,)),
    ],
)
def test_each_part_holds_back_what_lies_in_it_alone(landmarks, part, inside):
    assert gain_at(landmarks, *inside, **{part: 0.25}) == pytest.approx(-0.75, abs=0.1)
    others = {name: 0.0 for name in REGIONS if name != part}
    assert gain_at(landmarks, *inside, **others) > -0.25


def test_neck_lies_below_the_chin_and_hair_above_the_forehead(landmarks):
    gains = {
        part: region_gain(landmarks, SIZE, {part: 0.0}).full(SIZE) for part in ("neck", "hair_line")
    }
    chin, top, nose = (np.rint(landmarks[i]).astype(int) for i in (152, 10, 1))
    assert gains["neck"][chin[1] + 12, chin[0]] == -1.0
    assert gains["hair_line"][top[1] - 25, top[0]] == -1.0
    assert all(gain[nose[1], nose[0]] == 0.0 for gain in gains.values())


def test_parts_at_full_strength_change_nothing(landmarks):
    assert region_gain(landmarks, SIZE, dict.fromkeys(REGIONS, 1.0)) is None


def test_parts_move_with_the_face_by_a_fraction_of_a_pixel(landmarks):
    def centre(shift):
        gain = region_gain(landmarks + shift, SIZE, {"lips": 0.0}).full(SIZE)
        return float((gain * np.arange(SIZE[0])).sum() / gain.sum())

    assert centre((0.4, 0.0)) - centre((0.0, 0.0)) == pytest.approx(0.4, abs=0.02)


def test_part_beyond_the_picture_is_empty(landmarks):
    assert region_gain(landmarks - 2000, SIZE, {"lips": 0.0}).pixels.size == 0


def test_unknown_part_is_refused(landmarks):
    with pytest.raises(KeyError, match="ears"):
        region_gain(landmarks, SIZE, {"ears": 0.0})
