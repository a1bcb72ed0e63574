import cv2
import numpy as np

from reage.occlusion.appearance import SIDE
from reage.occlusion.covering import Skin, covers, is_off
from tests.reage.occlusion.charts import NONE

LIPS = np.zeros((SIDE, SIDE), bool)
LIPS[120:136, 70:120] = True
EDGE = np.zeros((SIDE, SIDE), bool)
EDGE[:, :20] = True
SKIN = Skin(inner=~EDGE, changing=LIPS)
HAND = NONE.copy()
HAND[50:90, 50:90] = 1.0


def distance(*spots):
    """Distances of 1 from skin's look, and of more in the spots: rows, columns, spreads."""
    made = np.full((SIDE, SIDE), 0.6, np.float32)
    for rows, columns, spreads in spots:
        made[rows, columns] = spreads
    return made


def covered(frames, hand=NONE):
    return list(covers([(frame, hand) for frame in frames], SKIN))


POST = (slice(30, 180), slice(80, 100), 9.0)


def test_what_is_far_off_over_some_breadth_is_covered_with_its_outline():
    for found in covered([distance(POST)] * 3):
        truth = distance(POST) > 1
        assert ((found > 0.5) == truth).mean() > 0.995


def test_wrinkle_glint_and_what_one_frame_alone_hints_at_are_not():
    wrinkle = distance((slice(60, 63), slice(30, 160), 9.0))
    glint = distance((slice(60, 64), slice(60, 64), 9.0))
    hair_under_the_mesh = distance((slice(60, 69), slice(60, 69), 9.0))
    for still in (wrinkle, glint, hair_under_the_mesh):
        assert not np.any(covered([still] * 3))
    faint = distance((slice(30, 180), slice(80, 100), 5.0))
    narrow = distance((slice(30, 180), slice(80, 90), 9.0))
    for passing in (faint, narrow):
        assert not np.any(covered([distance(), passing, distance()]))


def test_what_passes_too_fast_to_be_in_one_place_twice_is_covered_in_each_frame():
    places = [slice(40, 60), slice(90, 110), slice(140, 160)]
    frames = [distance((slice(30, 180), columns, 9.0)) for columns in places]
    before, *found, after = covered([distance(), *frames, distance()])
    assert not before.any()
    assert not after.any()
    for cover, truth in zip(found, frames, strict=True):
        assert ((cover > 0.5) == (truth > 1)).mean() > 0.995


def test_frame_between_two_that_are_covered_is_too():
    weak = distance((slice(30, 180), slice(80, 100), 2.5))
    _, between, _ = covered([distance(POST), weak, distance(POST)])
    assert between[90, 90] == 1
    assert not np.any(covered([weak] * 3))


def test_lips_that_part_are_not_covered_unless_what_is_beside_them_is():
    parted = distance((slice(120, 136), slice(70, 120), 9.0))
    assert not np.any(covered([parted] * 2))
    over = distance((slice(95, 160), slice(80, 110), 9.0))
    assert covered([over] * 2)[0][120:136, 85:105].min() > 0.99


def test_edge_of_the_face_begins_no_cover_but_one_may_reach_it():
    edge = distance((slice(0, SIDE), slice(0, 20), 9.0))
    assert not np.any(covered([edge] * 2))
    both = distance((slice(90, 120), slice(0, 60), 9.0))
    assert covered([both] * 2)[0][100, 10] == 1


def test_gap_in_a_cover_is_closed_where_there_is_a_hint_of_it():
    fingers = distance((slice(60, 70), slice(60, 150), 9.0), (slice(76, 90), slice(60, 150), 9.0))
    assert covered([fingers] * 2)[0][72, 100] < 0.1  # the edge of the finger is blurred
    fingers[70:76, 60:150] = 1.2
    assert covered([fingers] * 2)[0][72, 100] == 1


def test_hand_asks_for_less_and_is_whole_but_has_to_be_off_somewhere():
    nearly = distance((slice(50, 90), slice(50, 90), 2.5))
    assert not np.any(covered([nearly] * 2))
    assert covered([nearly] * 2, HAND)[0][55:85, 55:85].min() > 0.99
    half = distance((slice(50, 90), slice(50, 70), 2.5))
    assert covered([half] * 2, HAND)[0][70, 80] == 1
    assert not np.any(covered([distance()] * 2, HAND)), "a hand seen where there is only skin"


def test_one_frame_is_believed_by_itself():
    assert covered([distance(POST)])[0][90, 90] == 1


def test_frame_is_off_once_a_cover_could_grow_there():
    assert not is_off(distance(), SKIN)
    assert is_off(distance(POST), SKIN)
    lips = distance((slice(120, 136), slice(70, 120), 9.0))
    assert not is_off(cv2.min(lips, 9.0), SKIN)
