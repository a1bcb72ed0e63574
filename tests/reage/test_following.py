import numpy as np

from reage.detection import Detection
from reage.following import Following


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
