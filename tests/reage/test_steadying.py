import numpy as np
import pytest

from reage.geometry import Similarity
from reage.steadying import Steadying, repeats, smooth, steady_landmarks

FPS = 24


def rms(values):
    return float(np.sqrt((np.asarray(values) ** 2).mean()))


def test_smooth_removes_most_of_the_noise_of_what_is_still():
    noise = np.random.default_rng(0).normal(0, 0.1, (96, 8))
    assert rms(smooth(5.0 + noise) - 5.0) < 0.05


@pytest.mark.parametrize("frequency_hz", [0.5, 1.0, 3.0])
def test_smooth_keeps_amplitude_and_phase_of_motion(frequency_hz):
    seconds = np.arange(96) / FPS
    motion = 4.0 * np.sin(2 * np.pi * frequency_hz * seconds)
    noisy = motion + np.random.default_rng(1).normal(0, 0.1, 96)
    component = np.exp(-2j * np.pi * frequency_hz * seconds)
    gain = (component @ smooth(noisy[:, None])[:, 0]) / (component @ motion)
    assert abs(gain) == pytest.approx(1.0, abs=0.02)
    assert abs(np.degrees(np.angle(gain))) < 1.0


def test_smooth_is_the_same_played_backwards():
    series = np.cumsum(np.random.default_rng(2).normal(0, 1, (40, 3)), axis=0)
    np.testing.assert_allclose(smooth(series[::-1])[::-1], smooth(series), atol=1e-9)


def test_smooth_follows_a_ramp_to_its_very_ends():
    ramp = np.linspace(0, 60, 40)[:, None]
    np.testing.assert_allclose(smooth(ramp), ramp, atol=1e-9)


def test_repeats_are_frames_that_stand_still_in_a_motion():
    carried = np.floor(np.arange(30) * 24 / 30)  # 24 frames a second shown at 30
    motion = np.column_stack([4.0 * carried, 1.0 * carried])
    expected = np.concatenate([[False], np.diff(carried) == 0])
    expected[:2] = False  # nothing before to tell by
    assert np.array_equal(repeats(motion), expected)
    swing = np.column_stack([20 * np.sin(np.arange(60) / 3), np.zeros(60)])
    assert not repeats(swing).any()
    assert not repeats(np.zeros((20, 2))).any()


def face_shape(count=40):
    return np.random.default_rng(4).normal(0, 40, (count, 2))


def moved(shape, positions):
    return np.stack([shape + position for position in positions])


def test_repeated_frame_repeats_its_landmarks():
    carried = np.floor((np.arange(38) + 2) * 24 / 30)  # neither first nor last is a repeat
    landmarks = moved(face_shape(), np.column_stack([5.0 * carried, 2.0 * carried]))
    np.testing.assert_allclose(steady_landmarks(landmarks), landmarks, atol=1e-6)


def test_a_glitch_of_one_frame_is_removed():
    landmarks = moved(face_shape(), np.column_stack([np.arange(40) * 0.5, np.zeros(40)]))
    landmarks += np.random.default_rng(5).normal(0, 0.05, landmarks.shape)
    clean = landmarks.copy()
    landmarks[17] += [9.0, -6.0]
    landmarks[25, 3] += [7.0, 0.0]
    steadied = steady_landmarks(landmarks)
    assert np.abs(steadied - clean).max() < 0.4


def test_a_shout_of_three_frames_is_kept():
    shape = face_shape(478)
    landmarks = np.repeat(shape[None], 40, axis=0)
    opening = np.array([6.0, 12.0, 6.0])
    landmarks[18:21, 14, 1] += opening  # the lower lip
    steadied = steady_landmarks(landmarks)
    assert steadied[19, 14, 1] - shape[14, 1] > 0.8 * 12.0
    assert np.abs(steadied[10] - shape).max() < 0.05


def test_unreliable_frames_are_bridged():
    landmarks = moved(face_shape(), np.column_stack([np.arange(30) * 1.0, np.zeros(30)]))
    broken = landmarks.copy()
    broken[12:15] += 30.0
    reliable = np.ones(30, bool)
    reliable[12:15] = False
    np.testing.assert_allclose(steady_landmarks(broken, reliable=reliable), landmarks, atol=1e-6)


def test_turn_and_size_are_steadied_about_the_faces_own_middle():
    rng = np.random.default_rng(6)
    shape = face_shape(478)
    truth, noisy = [], []
    for frame in range(60):
        motion = Similarity.from_parts(
            scale=1 + 0.002 * frame, angle_deg=0.3 * frame, shift=np.array([300.0, 200.0])
        )
        truth.append(motion.apply(shape))
        jitter = Similarity.from_parts(
            scale=1 + rng.normal(0, 0.002), angle_deg=rng.normal(0, 0.15), shift=np.zeros(2)
        )
        noisy.append((motion @ jitter).apply(shape))
    assert rms(steady_landmarks(np.stack(noisy)) - truth) < 0.5 * rms(np.stack(noisy) - truth)


def test_short_stretches_come_back_as_they_are():
    landmarks = moved(face_shape(), np.random.default_rng(7).normal(0, 1, (4, 2)))
    assert np.array_equal(steady_landmarks(landmarks), landmarks)


def test_steadying_refuses_even_windows():
    with pytest.raises(ValueError, match="window: got 8, expected an odd number from 5"):
        Steadying(fits=((8, 2),))
