import cv2
import numpy as np
import skimage.data

from reage.detection import Detection
from reage.following import Following, is_cut, thumbnail


def reading(shift):
    landmarks = np.random.default_rng(0).uniform(0, 100, (478, 2)) + shift
    box = np.concatenate([landmarks.min(axis=0), landmarks.max(axis=0)])
    return Detection(box, landmarks, np.zeros(478), 1.0, 0.0)


def test_prediction_goes_on_with_the_last_step_and_holds_when_the_face_is_missing():
    face = Following(0, 1001, [reading(0.0)])
    np.testing.assert_array_equal(face.predicted(), reading(0.0).landmarks)
    face.add(reading(4.0))
    np.testing.assert_allclose(face.predicted(), reading(8.0).landmarks)
    face.add(None)
    np.testing.assert_array_equal(face.predicted(), reading(4.0).landmarks)
    assert face.missing == 1


def test_prediction_never_steps_further_than_a_quarter_of_the_face():
    face = Following(0, 1001, [reading(0.0), reading(400.0)])
    step = np.linalg.norm((face.predicted() - reading(400.0).landmarks).mean(axis=0))
    assert step < 26.0


def test_cut_is_another_picture_but_not_another_exposure_or_a_pan():
    astronaut, coffee = skimage.data.astronaut(), skimage.data.coffee()
    before = thumbnail(astronaut)
    assert is_cut(before, thumbnail(coffee))
    assert not is_cut(before, thumbnail((astronaut * 0.6).astype(np.uint8)))
    assert not is_cut(before, thumbnail(np.roll(astronaut, 120, axis=1)))
    assert not is_cut(before, thumbnail(cv2.GaussianBlur(astronaut, (0, 0), 8)))
