import cv2
import numpy as np
import skimage.data

from reage.cuts import is_cut, marked_takes, thumbnail

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut())
COFFEE = cv2.resize(skimage.data.coffee(), (512, 512))
WHITE = np.full_like(ASTRONAUT, 250)


def begins(*pictures):
    """Numbers of the frames that begin a take."""
    return [n for n, _, is_first in marked_takes(enumerate(pictures, 1001)) if is_first]


def test_cut_is_another_picture_but_not_another_exposure_or_a_pan():
    before = thumbnail(ASTRONAUT)
    assert is_cut(before, thumbnail(COFFEE))
    assert not is_cut(before, thumbnail((ASTRONAUT * 0.6).astype(np.uint8)))
    assert not is_cut(before, thumbnail(np.roll(ASTRONAUT, 40, axis=1)))
    assert not is_cut(before, thumbnail(np.roll(ASTRONAUT, 120, axis=1)))
    assert not is_cut(before, thumbnail(cv2.GaussianBlur(ASTRONAUT, (0, 0), 8)))


def test_cut_to_the_same_set_from_another_side_is_one():
    room = np.vstack([np.tile(COFFEE[:128], (1, 1, 1))] * 4)
    wide, close = room.copy(), np.roll(room, 70, axis=0)
    wide[100:500, 60:260] = cv2.resize(ASTRONAUT, (200, 400))
    close[40:512, 200:510] = cv2.resize(ASTRONAUT, (310, 472))
    assert is_cut(thumbnail(wide), thumbnail(close))


def test_takes_begin_at_the_first_frame_and_at_every_cut():
    assert begins(*[ASTRONAUT] * 6, *[COFFEE] * 6, *[ASTRONAUT] * 6) == [1001, 1007, 1013]
    assert begins(ASTRONAUT) == [1001]
    assert begins() == []


def test_flash_of_up_to_four_frames_is_no_cut():
    for length in (1, 2, 4):
        assert begins(*[ASTRONAUT] * 5, *[WHITE] * length, *[ASTRONAUT] * 5) == [1001]


def test_slow_pan_and_a_fade_of_exposure_are_one_take():
    pan = [np.roll(ASTRONAUT, 20 * i, axis=1) for i in range(10)]
    dimmed = [(ASTRONAUT * (1 - 0.08 * i)).astype(np.uint8) for i in range(10)]
    assert begins(*pan) == [1001]
    assert begins(*dimmed) == [1001]


def test_frames_come_out_as_they_went_in():
    pictures = [ASTRONAUT, COFFEE, WHITE]
    out = list(marked_takes(enumerate(pictures, 5)))
    assert [number for number, *_ in out] == [5, 6, 7]
    assert all(a is b for (_, a, _), b in zip(out, pictures, strict=True))
