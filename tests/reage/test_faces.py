import os
import re

import cv2
import numpy as np
import pytest
import skimage.data

from reage.faces import FaceFinder, without_chatter

# Edges of the face in `skimage.data.astronaut`, found by eye: from ear to ear, from brow to chin.
ASTRONAUT_BOX = (178, 67, 272, 177)


@pytest.fixture(scope="module")
def finder():
    with FaceFinder() as opened:
        yield opened


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(skimage.data.astronaut())


@pytest.fixture(scope="module")
def face(finder, astronaut):
    [found] = finder.detect(astronaut)
    return found


def test_detect_finds_the_face_where_it_is(face):
    np.testing.assert_allclose(face.box, ASTRONAUT_BOX, atol=6)
    assert face.landmarks.shape == (478, 2)
    assert face.landmarks.dtype == np.float64
    assert face.depths.shape == (478,)
    assert face.score > 0.99
    left_of_picture, right_of_picture = face.landmarks[33], face.landmarks[263]
    assert left_of_picture[0] < right_of_picture[0]


def test_detect_finds_small_faces_in_a_wide_frame_largest_first(finder, astronaut):
    frame = np.full((720, 1280, 3), 90, np.uint8)
    frame[150:662, 700:1212] = astronaut
    frame[60:260, 60:260] = cv2.resize(astronaut, (200, 200), interpolation=cv2.INTER_AREA)
    large, small = finder.detect(frame)
    assert large.box[0] > 700
    assert small.box[2] < 260
    assert 30 < small.box[2] - small.box[0] < 45


def test_detect_finds_no_face_in_things(finder):
    for picture in (skimage.data.chelsea(), skimage.data.coffee(), np.full((90, 120, 3), 7, "u1")):
        assert finder.detect(np.ascontiguousarray(picture)) == []


@pytest.mark.parametrize(("angle_deg", "scale"), [(30.0, 1.0), (-45.0, 1.0), (0.0, 1.7)])
def test_landmarks_move_with_the_picture(finder, astronaut, face, angle_deg, scale):
    matrix = cv2.getRotationMatrix2D((222.0, 122.0), angle_deg, scale)
    moved = cv2.warpAffine(astronaut, matrix, (512, 512), flags=cv2.INTER_CUBIC)
    [found] = finder.detect(moved)
    expected = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    apart = np.linalg.norm(found.landmarks - expected, axis=1).mean() / scale
    assert apart < 0.35  # pixels of a face 95 wide: the library by itself is 1-3 px off when turned


def test_follow_reads_the_same_face_as_detect(finder, astronaut, face):
    followed = finder.follow(astronaut, face.landmarks + np.array([6.0, -4.0]))
    assert np.linalg.norm(followed.landmarks - face.landmarks, axis=1).mean() < 0.25


def test_follow_does_not_go_on_where_the_face_is_gone(finder, face):
    brick = cv2.cvtColor(skimage.data.brick(), cv2.COLOR_GRAY2RGB)
    assert finder.follow(brick, face.landmarks) is None
    assert finder.follow(np.full((512, 512, 3), 128, np.uint8), face.landmarks) is None


def test_follow_does_not_jump_to_a_face_beside(finder, astronaut, face):
    beside = face.landmarks + np.array([70.0, 0.0])
    assert finder.follow(astronaut, beside) is None


def test_same_picture_gives_the_same_landmarks_in_another_finder(finder, astronaut, face):
    finder.detect(np.ascontiguousarray(astronaut[:, ::-1]))  # leaves nothing behind
    with FaceFinder() as other:
        [again] = other.detect(astronaut)
    assert np.array_equal(again.landmarks, face.landmarks)


def test_more_readings_make_landmarks_steadier(astronaut, face):
    shifts = np.random.default_rng(3).uniform(-2, 2, (10, 2))

    def jitter(num_readings):
        with FaceFinder(num_readings=num_readings) as own:
            read = []
            for shift in shifts:
                matrix = np.column_stack([np.eye(2), shift])
                moved = cv2.warpAffine(
                    astronaut, matrix, (512, 512), flags=cv2.INTER_CUBIC, borderMode=1
                )
                read.append(own.follow(moved, face.landmarks).landmarks - shift)
        return np.sqrt(((np.array(read) - np.mean(read, axis=0)) ** 2).sum(axis=2).mean())

    assert jitter(4) < 0.75 * jitter(1)


def test_opening_a_finder_says_nothing(capfd):
    with FaceFinder(num_readings=1):
        pass
    assert capfd.readouterr().err == ""


def test_only_the_librarys_chatter_is_kept_off_stderr(capfd):
    with without_chatter():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"disk on fire\n")
    assert capfd.readouterr().err == "disk on fire\n"


def test_finder_refuses_pictures_it_cannot_read(finder):
    with pytest.raises(ValueError, match=re.escape("display: got float32 (4, 4, 3), expected")):
        finder.detect(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ValueError, match="num_readings: got 0, expected 1 to 8"):
        FaceFinder(num_readings=0)
