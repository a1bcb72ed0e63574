import numpy as np
import pytest

from reage.surface.skin import REACH_FRAMES, Sample, fit_skin, following

SIDE = 24


def sample(frame, texture, *, confidence=1.0, age=70.0):
    shape = (SIDE, SIDE)
    return Sample(
        frame=frame,
        texture=np.broadcast_to(np.float32(texture), (*shape, 3)).astype(np.float32),
        confidence=np.full(shape, confidence, np.float32),
        age=age,
    )


def fitted(samples):
    ages = [s.age for s in samples]
    return fit_skin(lambda: samples, youngest=min(ages), oldest=max(ages))


def test_skin_part_of_frames_that_agree_is_what_they_say():
    part = fitted([sample(frame, 0.1) for frame in range(8)])
    assert np.allclose(part.at(70.0), 0.1, atol=1e-6)
    assert len(part.ages) == 1


def test_skin_part_heeds_a_spoilt_frame_little():
    part = fitted([sample(f, 0.1 if f else 0.5) for f in range(12)])
    assert abs(float(part.at(70.0).mean()) - 0.1) < 0.01  # the plain mean is 0.133


def test_skin_part_counts_frames_by_their_confidence():
    part = fitted([sample(0, 0.10, confidence=0.9), sample(1, 0.11, confidence=0.1)])
    assert np.allclose(part.at(70.0), 0.101, atol=1e-5)


def test_skin_part_lies_on_the_line_between_the_ages_that_frames_show():
    ages = np.linspace(40, 75, 30)
    part = fitted([sample(i, age / 100, age=float(age)) for i, age in enumerate(ages)])
    assert len(part.ages) == 5
    for age in (41.0, 52.5, 74.0):
        assert np.allclose(part.at(age), age / 100, atol=2e-3)


def test_skin_part_of_unseen_texels_is_finite():
    part = fitted([sample(f, 0.2, confidence=1e-6, age=40.0 + f) for f in range(30)])
    assert np.isfinite(part.textures).all()


def test_what_follows_is_nothing_where_frames_agree():
    samples = [sample(frame, 0.1) for frame in range(20)]
    for _, moving in following(samples, fitted(samples), range(20)):
        assert np.abs(moving).max() < 1e-6


def test_what_follows_keeps_slow_change_and_drops_flicker():
    slow = [0.05 * np.sin(2 * np.pi * frame / 80) for frame in range(81)]
    part = fitted([sample(frame, value) for frame, value in enumerate(slow)])
    flickering = [sample(f, v + 0.02 * (-1) ** f) for f, v in enumerate(slow)]
    kept = [float(m.mean()) for _, m in following(flickering, part, range(81))]
    wanted = np.array(slow) - float(part.at(70.0).mean())
    assert np.abs(np.array(kept) - wanted)[20:-20].max() < 0.01


@pytest.mark.parametrize("first", [0, 17, 40])
def test_what_follows_is_the_same_wherever_the_shot_is_cut(first):
    rng = np.random.default_rng(5)
    samples = [sample(f, rng.normal(0, 0.05, (SIDE, SIDE, 3))) for f in range(70)]
    part = fitted(samples)
    whole = dict(following(samples, part, range(70)))
    frames = range(first, first + 12)
    around = [s for s in samples if first - REACH_FRAMES <= s.frame <= frames[-1] + REACH_FRAMES]
    for frame, moving in following(around, part, frames):
        assert np.array_equal(moving, whole[frame])
