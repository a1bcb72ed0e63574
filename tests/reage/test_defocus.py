import cv2
import numpy as np
import pytest
from skimage import data

from reage.colour import luma
from reage.defocus import SIDE, defocus, fineness, softened, without_motion

FRAMES = 40
SEEN = np.ones(FRAMES)


@pytest.fixture(scope="module")
def face():
    """The astronaut's face as an aligned crop, (S, S)."""
    cut = luma(data.astronaut()[40:240, 125:325].astype(np.float32) / 255)
    return cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def blurred(picture, sigma):
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma > 0 else picture


def take(face, sigmas, *, grain=0.004, light=1.0):
    """Frames of a face that drifts by fractions of a pixel, in changing light, with grain."""
    rng = np.random.default_rng(3)
    for number, sigma in enumerate(sigmas):
        shift = np.float32([[1, 0, 0.3 * np.sin(number)], [0, 1, 0.3 * np.cos(number)]])
        moved = cv2.warpAffine(face, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
        lit = blurred(moved, sigma) * (1 + (light - 1) * number / len(sigmas))
        yield (lit + rng.normal(0, grain, face.shape)).astype(np.float32)


def measured(frames, seen=SEEN):
    return SIDE * defocus(np.array([fineness(frame) for frame in frames]), seen)


def rack(largest):
    """In focus for a third, then out, then held out."""
    return np.interp(np.arange(FRAMES), [0, 13, 26, FRAMES], [0, 0, largest, largest])


@pytest.mark.parametrize("largest", [2.0, 3.0, 5.0])
def test_rack_focus_is_measured_frame_by_frame(face, largest):
    asked = rack(largest)
    found = measured(take(face, asked))
    assert not found[asked == 0].any()
    # At the least a face's own comings and goings stay unexplained: 0.8 px, in squares.
    assert found[-8:] == pytest.approx(asked[-8:], rel=0.12)
    assert (np.diff(found) > -0.15).all()


def test_take_in_focus_throughout_has_none_at_all(face):
    assert not measured(take(face, np.zeros(FRAMES))).any()


def test_take_that_is_soft_throughout_is_its_own_measure(face):
    assert not measured(take(face, np.full(FRAMES, 3.0))).any()


@pytest.mark.parametrize("light", [0.5, 2.0])
def test_light_that_changes_is_no_change_of_focus(face, light):
    assert not measured(take(face, np.zeros(FRAMES), light=light)).any()


def test_strong_grain_does_not_pass_for_focus(face):
    asked = rack(4.0)
    found = measured(take(face, asked, grain=0.02))
    assert found[-8:] == pytest.approx(asked[-8:], rel=0.2)


def test_single_frame_of_a_blink_is_not_a_change_of_focus(face):
    frames = list(take(face, np.zeros(FRAMES)))
    frames[20] = blurred(frames[20], 3.0)
    assert not measured(frames).any()


def test_frames_without_the_face_are_no_measure_of_its_sharpness(face):
    """A sharp background where the track was lost must not make the face look soft."""
    frames = list(take(face, np.zeros(FRAMES)))
    pattern = np.indices((SIDE, SIDE)).sum(axis=0) // 3 % 2
    frames[:10] = [pattern.astype(np.float32)] * 10
    seen = np.where(np.arange(FRAMES) < 10, 0.0, 1.0)
    assert not measured(frames, seen)[12:].any()


def test_what_is_in_front_of_the_face_is_no_measure_of_its_sharpness(face):
    """A sharp post that passes; frames behind it have what lies between those beside them."""
    asked = rack(3.0)
    frames = list(take(face, asked))
    covered = np.zeros(FRAMES, bool)
    for first in (4, 20):
        covered[first : first + 4] = True
        for number in range(first, first + 4):
            frames[number][:, 90:170:8] = 0.0
    ratios = np.array([fineness(frame) for frame in frames])
    found = SIDE * defocus(ratios, SEEN, covered=covered)
    bare = measured(take(face, asked))
    assert found == pytest.approx(bare, abs=0.25)
    assert not np.allclose(SIDE * defocus(ratios, SEEN), bare, atol=0.5)


def test_face_that_is_seen_nowhere_has_none(face):
    assert not measured(take(face, rack(3.0)), np.zeros(FRAMES)).any()


def test_fineness_falls_with_every_further_blur_and_refuses_other_sizes(face):
    assert (np.diff(fineness(face)) < 0).all()
    with pytest.raises(ValueError, match=r"luminance: got \(128, 128\), expected \(256, 256\)"):
        fineness(face[::2, ::2])


def test_what_a_motion_explains_is_not_the_lens(face):
    frames = [*take(face, np.zeros(20)), *(cv2.blur(f, (9, 1)) for f in take(face, np.zeros(20)))]
    found = measured(frames)[-1]
    assert found > 0.5
    assert without_motion(found, 9.0) == 0.0
    assert without_motion(5.0, 9.0) == pytest.approx(np.sqrt(25 - 9**2 / 24))


def test_softened_change_is_blurred_by_the_part_of_its_side():
    change = np.zeros((128, 128, 3), np.float32)
    change[64, 64] = 1.0
    soft = softened(change, 3.0 / 128)
    offsets = np.arange(128) - 64
    spread = np.sqrt((soft[..., 0].sum(axis=0) * offsets**2).sum() / soft[..., 0].sum())
    assert spread == pytest.approx(3.0, rel=0.03)
    assert softened(change, 0.0) is change
