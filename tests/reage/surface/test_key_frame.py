from dataclasses import replace

import numpy as np
import pytest

from reage.framerange import FrameRange
from reage.surface.key_frame import choose_key_frame, crop_sharpness, frame_worth
from reage.tracks import Track

COUNT = 9


@pytest.fixture
def track():
    points = np.random.default_rng(0).normal(200, 30, (1, 478, 2)).repeat(COUNT, axis=0)
    points[:, 10], points[:, 152] = (200, 100), (200, 300)
    for upper, lower in ((159, 145), (386, 374)):
        points[:, upper], points[:, lower] = (180, 150), (180, 158)
    points[:, 13] = points[:, 14] = (200, 260)
    ones, zeros = np.ones(COUNT), np.zeros(COUNT)
    return Track(
        track_id=0,
        frames=FrameRange(1001, 1009),
        picture_size=(400, 400),
        landmarks=points,
        raw_landmarks=points,
        depths=np.zeros((COUNT, 478)),
        presence=ones,
        bridged=zeros.astype(bool),
        yaw_deg=zeros,
        pitch_deg=zeros,
        fade=ones,
        appears=False,
        vanishes=False,
    )


def all_but(index, value, others):
    values = np.full(COUNT, float(others))
    values[index] = value
    return values


def test_key_frame_is_the_frontal_one(track):
    assert choose_key_frame(replace(track, yaw_deg=all_but(4, 2, 30)), np.ones(COUNT)) == 1005


def test_key_frame_is_the_sharp_one(track):
    assert choose_key_frame(track, all_but(6, 0.5, 0.2)) == 1007


def test_key_frame_is_one_in_which_the_face_shows(track):
    assert choose_key_frame(replace(track, fade=all_but(2, 1, 0.3)), np.ones(COUNT)) == 1003


def test_key_frame_avoids_blinks_and_open_mouths(track):
    landmarks = track.landmarks.copy()
    landmarks[:5, 145] = landmarks[:5, 159]  # one eye shut
    landmarks[6:, 14, 1] += 25  # speaking
    assert choose_key_frame(replace(track, landmarks=landmarks), np.ones(COUNT)) == 1006


def test_worth_lies_between_nothing_and_one(track):
    worth = frame_worth(replace(track, fade=all_but(0, 0, 1)), np.linspace(0, 1, COUNT))
    assert worth.min() == 0.0
    assert worth.max() <= 1.0


def test_sharpness_falls_with_blur():
    rng = np.random.default_rng(2)
    crop = rng.random((96, 96, 3)).astype(np.float32)
    blurred = np.repeat(np.repeat(crop[::4, ::4], 4, axis=0), 4, axis=1)
    assert crop_sharpness(blurred) < crop_sharpness(crop)
