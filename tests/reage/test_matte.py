import numpy as np
import pytest
import skimage.data

from reage.faces import FaceFinder
from reage.matte import FACE_OVAL, INNER_LIPS, LEFT_EYE, face_matte, face_outline

SIZE = (512, 512)


@pytest.fixture(scope="module")
def landmarks():
    with FaceFinder(num_readings=1) as finder:
        return finder.detect(skimage.data.astronaut())[0].landmarks


def test_matte_is_one_inside_and_exactly_zero_away_from_the_face(landmarks):
    matte = face_matte(landmarks, SIZE, exclude_mouth_interior=False).full(SIZE)
    nose = np.round(landmarks[1]).astype(int)
    assert matte[nose[1], nose[0]] == 1.0
    assert 0.0 <= matte.min() <= matte.max() <= 1.0
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    margin = 0.3 * (high - low).max()
    y, x = np.nonzero(matte)
    assert x.min() > low[0] - margin
    assert x.max() < high[0] + margin
    assert y.min() > low[1] - margin
    assert y.max() < high[1] + margin


def test_matte_reaches_its_patch_edge_only_with_zeros(landmarks):
    pixels = face_matte(landmarks, SIZE, feather=1.0, expand=0.2).pixels
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 0).all()


def test_matte_grows_with_expand_and_softens_with_feather(landmarks):
    def area(**controls):
        return float(face_matte(landmarks, SIZE, **controls).pixels.sum())

    def soft(**controls):
        pixels = face_matte(landmarks, SIZE, exclude_mouth_interior=False, **controls).pixels
        return int(((pixels > 0.02) & (pixels < 0.98)).sum())

    assert area(expand=-0.2) < area() < area(expand=0.2)
    assert soft(feather=0.0) < soft(feather=0.3) < soft(feather=1.0)


def test_matte_follows_a_shift_of_a_fraction_of_a_pixel(landmarks):
    def centre(shift):
        patch = face_matte(landmarks + shift, SIZE, exclude_mouth_interior=False)
        y, x = np.mgrid[0 : patch.roi.height, 0 : patch.roi.width]
        weights = patch.pixels / patch.pixels.sum()
        return np.array([(weights * x).sum() + patch.roi.left, (weights * y).sum() + patch.roi.top])

    moved = centre(np.array([0.37, -0.21])) - centre(np.zeros(2))
    np.testing.assert_allclose(moved, [0.37, -0.21], atol=0.005)


def test_large_matte_equals_a_small_one_enlarged(landmarks):
    # The large one is worked out on a coarser grid: the two must agree.
    small = face_matte(landmarks, SIZE, feather=0.8, exclude_mouth_interior=False).full(SIZE)
    large_size = (2048, 2048)
    enlarged = (landmarks + 0.5) * 4 - 0.5
    large = face_matte(enlarged, large_size, feather=0.8, exclude_mouth_interior=False)
    means = large.full(large_size).reshape(512, 4, 512, 4).mean(axis=(1, 3))
    assert np.abs(means - small).max() < 0.01


def test_outline_is_lifted_on_the_forehead_alone(landmarks):
    lift = np.linalg.norm(face_outline(landmarks) - landmarks[list(FACE_OVAL)], axis=1)
    height = np.ptp(landmarks[:, 1])
    assert lift[0] == pytest.approx(0.16 * height, rel=0.1)
    assert lift[FACE_OVAL.index(152)] == 0.0
    assert lift[FACE_OVAL.index(234)] == 0.0


@pytest.mark.parametrize(
    ("ring", "control"),
    [(INNER_LIPS, "exclude_mouth_interior"), (LEFT_EYE, "exclude_eyes")],
)
def test_openings_are_left_out_when_asked(landmarks, ring, control):
    x, y = np.round(landmarks[list(ring)].mean(axis=0)).astype(int)
    assert face_matte(landmarks, SIZE, **{control: True}).full(SIZE)[y, x] < 0.5
    assert face_matte(landmarks, SIZE, **{control: False}).full(SIZE)[y, x] == 1.0


def test_closed_lips_leave_no_hole(landmarks):
    closed = landmarks.copy()
    upper, lower = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308], [95, 88, 178, 87, 14, 317]
    middle = landmarks[[78, 308]].mean(axis=0)[1]
    closed[[*upper, *lower, 402, 318, 324], 1] = middle
    matte = face_matte(closed, SIZE)
    without = face_matte(closed, SIZE, exclude_mouth_interior=False)
    assert np.abs(matte.pixels - without.pixels).max() < 0.05


def test_face_beyond_the_picture_has_an_empty_matte(landmarks):
    assert face_matte(landmarks + 5000.0, SIZE).pixels.size == 0


def test_matte_refuses_controls_out_of_range(landmarks):
    with pytest.raises(ValueError, match=r"feather: got 1.5, expected 0 to 1"):
        face_matte(landmarks, SIZE, feather=1.5)
    with pytest.raises(ValueError, match=r"expand: got -0.6, expected -0.5 to 0.5"):
        face_matte(landmarks, SIZE, expand=-0.6)
