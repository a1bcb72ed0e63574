import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from reage.surface.registration import Register, find_reference

SIDE = 128


@pytest.fixture
def skin():
    noise = gaussian_filter(np.random.default_rng(3).normal(size=(SIDE, SIDE)), 2.0)
    return (0.5 + noise).astype(np.float32)


@pytest.fixture
def sure():
    return np.ones((SIDE, SIDE), np.float32)


def shifted(picture, x, y):
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    flags, border = cv2.INTER_CUBIC, cv2.BORDER_REFLECT_101
    return cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=flags, borderMode=border)


MIDDLE = (slice(24, -24), slice(24, -24))


def test_register_finds_a_fraction_of_a_texel_both_ways(skin, sure):
    frame = shifted(skin, 0.6, -0.35)
    register = Register(skin)
    forth = register.frame_from_reference(frame, sure)[MIDDLE]
    back = register.reference_from_frame(frame, sure)[MIDDLE]
    # Optical flow of a picture with few pixels is good to a tenth.
    assert np.allclose(forth.mean(axis=(0, 1)), (0.6, -0.35), atol=0.1)
    assert np.allclose(back.mean(axis=(0, 1)), (-0.6, 0.35), atol=0.1)


def test_register_is_blind_to_light_and_contrast(skin, sure):
    dimmed = shifted(skin, 0.5, 0.0) * 0.6 + np.linspace(0, 0.2, SIDE, dtype=np.float32)
    forth = Register(skin).frame_from_reference(dimmed, sure)[MIDDLE]
    assert np.allclose(forth.mean(axis=(0, 1)), (0.5, 0.0), atol=0.1)


def test_register_believes_the_mesh_where_the_skin_is_not_seen(skin, sure):
    flow = Register(skin).frame_from_reference(shifted(skin, 2.0, 0.0), 0 * sure)
    assert (flow == 0).all()


def test_reference_of_unsteady_frames_is_as_sharp_as_one(skin, sure):
    rng = np.random.default_rng(1)
    frames = [shifted(skin, *rng.normal(0, 0.8, 2)) for _ in range(16)]
    reference = find_reference(lambda: [(frame, sure) for frame in frames])
    blurred = np.mean(frames, axis=0)
    deviation = [float(x[MIDDLE].std()) for x in (blurred, reference, skin)]
    assert deviation[1] - deviation[0] > 0.6 * (deviation[2] - deviation[0])
