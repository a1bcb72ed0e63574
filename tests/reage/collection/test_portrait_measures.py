import cv2
import numpy as np
import pytest
import skimage.data

from reage.collection.portrait_measures import (
    FaceMeasures,
    PortraitLimits,
    fault_of,
    hash_distance,
    hash_of,
    measure_face,
    sharpness_of,
    upright_luma,
)
from reage.faces import FaceFinder

LIMITS = PortraitLimits()


@pytest.fixture(scope="module")
def seen():
    """Measures and luma of the largest face of a picture, uint8 RGB."""
    with FaceFinder(num_readings=2) as finder:

        def look(picture):
            face = finder.detect(picture)[0]
            pixels = picture.astype(np.float32) / 255
            return measure_face(pixels, face), upright_luma(pixels, face.landmarks)

        yield look


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(skimage.data.astronaut()[:400, 40:440])


def scaled(picture, factor):
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def plain(seen, portrait):
    return seen(portrait)


def test_sharp_frontal_face_is_fit(plain):
    assert fault_of("a.jpg", plain[0], LIMITS) is None
    assert abs(plain[0].yaw_deg) < 15
    assert plain[0].outside == 0


def test_eye_distance_is_in_pixels_of_the_photograph(seen, portrait, plain):
    larger = seen(cv2.resize(portrait, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))[0]
    assert larger.eye_distance == pytest.approx(2 * plain[0].eye_distance, rel=0.02)


def test_enlarging_or_grading_adds_no_sharpness(seen, portrait, plain):
    sharpness = plain[0].sharpness
    larger = cv2.resize(portrait, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert seen(larger)[0].sharpness == pytest.approx(sharpness, rel=0.1)
    assert seen(np.uint8(portrait * 0.5 + 30))[0].sharpness == pytest.approx(sharpness, rel=0.1)


def test_blur_lowers_sharpness_until_a_face_is_refused(seen, portrait):
    found = [
        seen(cv2.GaussianBlur(portrait, (0, 0), sigma))[0].sharpness for sigma in (0.5, 1, 2, 4)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > LIMITS.min_sharpness > found[-1]


def test_even_picture_has_no_sharpness():
    assert sharpness_of(np.full((115, 115), 0.4, np.float32)) == 0


def test_face_beyond_the_edge_is_cut_off(seen, portrait, plain):
    cut = np.ascontiguousarray(portrait[:, 165:])
    assert fault_of("a.jpg", seen(cut)[0], LIMITS).reason == "cut off"


def test_hash_is_that_of_any_print_of_a_photograph(seen, portrait, plain):
    prints = [
        portrait[:, ::-1],
        scaled(portrait, 0.6),
        np.uint8(portrait * 0.6),
        cv2.imdecode(cv2.imencode(".jpg", portrait, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], -1),
    ]
    hash_ = hash_of(plain[1])
    for other in prints:
        distance = hash_distance(hash_, hash_of(seen(np.ascontiguousarray(other))[1]))
        assert distance <= LIMITS.duplicate_bits
    assert hash_distance(hash_, hash_of(plain[1])) == 0


def test_hash_distance_is_the_same_both_ways():
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 16, 16)) > 0.5
    assert hash_distance(a, b) == hash_distance(b, a) > LIMITS.duplicate_bits
    assert hash_distance(a, ~a[:, ::-1]) == 0


def test_fault_says_what_was_found_and_expected():
    face = FaceMeasures(
        eye_distance=11.26, sharpness=1, yaw_deg=0, pitch_deg=0, outside=0, score=1, disagreement=0
    )
    refusal = fault_of("a.jpg", face, PortraitLimits(min_eye_distance=24))
    assert (refusal.reason, refusal.detail) == (
        "tiny face",
        "got 11.3 px between the eyes, expected at least 24",
    )
