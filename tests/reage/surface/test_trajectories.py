from itertools import pairwise

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from reage.optical_flow import codes
from reage.surface.trajectories import AROUND_FRAMES, Moment, steadied

PLATE, SIDE = 256, 128
FRAMES = range(1001, 1031)
INNER = (slice(24, -24), slice(24, -24))


def textured(side, seed, deviation):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), deviation)
    return (noise / noise.std()).astype(np.float32)


SKIN = 0.5 + 0.12 * textured(PLATE, 1, 2.0)
DRAWN = np.repeat(0.05 * textured(SIDE, 2, 1.2)[..., None], 3, axis=2)


def glided(picture, frame, x=0.0, y=0.0):
    """A picture as it lies in a frame: the skin sways, and this is `x`, `y` of its pixels off."""
    scale = picture.shape[0] / SIDE
    sway = np.array([2.2 * np.sin((frame - 1001) / 5), 1.4 * np.cos((frame - 1001) / 7)])
    matrix = np.column_stack([np.eye(2), scale * sway + np.array([x, y])])
    flags, border = cv2.INTER_CUBIC, cv2.BORDER_REFLECT_101
    return cv2.warpAffine(picture, matrix, picture.shape[:2], flags=flags, borderMode=border)


def moment(frame, change, *, credit=1.0, plate=None):
    shown = codes(glided(SKIN, frame)) if plate is None else plate
    sure = np.full((SIDE, SIDE), credit, np.float32)
    return Moment(frame=frame, plate=shown, change=change, credit=sure)


@pytest.fixture
def trembling():
    """A change that follows the skin but for half a pixel, anew in each frame."""
    rng = np.random.default_rng(5)
    return [moment(frame, glided(DRAWN, frame, *rng.normal(0, 0.35, 2))) for frame in FRAMES]


def off(changes):
    """How far changes are from one that follows the skin exactly, by frame."""
    return [float(np.abs(c - glided(DRAWN, f))[INNER].mean()) for f, c in changes]


def tremor(changes):
    """How far what lies on a place of the skin steps from frame to frame."""
    on_skin = [c - glided(DRAWN, f) for f, c in changes]
    return float(np.mean([np.abs(b - a)[INNER].mean() for a, b in pairwise(on_skin)]))


def test_change_that_trembles_on_the_skin_is_steadied_and_stays_sharp(trembling):
    before = tremor((m.frame, m.change) for m in trembling)
    found = list(steadied(trembling, FRAMES))
    assert tremor(found) < before / 5
    for _, change in found:
        assert change[INNER].std() > 0.93 * DRAWN[INNER].std()


def test_change_that_follows_the_skin_exactly_stays_as_it_is():
    moments = [moment(frame, glided(DRAWN, frame)) for frame in FRAMES]
    assert np.max(off(steadied(moments, FRAMES))) < 0.12 * np.abs(DRAWN).mean()


def test_frame_depends_on_its_own_neighbours_only(trembling):
    whole = dict(steadied(trembling, FRAMES))
    for asked in (range(1001, 1007), range(1012, 1015), range(1030, 1031)):
        around = [m for m in trembling if asked[0] - AROUND_FRAMES <= m.frame]
        around = [m for m in around if m.frame <= asked[-1] + AROUND_FRAMES]
        for frame, change in steadied(around, asked):
            assert np.array_equal(change, whole[frame])


def test_frame_that_is_hardly_believed_takes_its_neighbours_change(trembling):
    wrong = moment(1015, 0.2 + glided(DRAWN, 1015), credit=1e-3)
    moments = [wrong if m.frame == 1015 else m for m in trembling]
    [(_, found)] = steadied(moments[4:], [1015])
    assert abs(float((found - glided(DRAWN, 1015))[INNER].mean())) < 0.005


def test_nothing_is_fetched_from_where_the_plate_shows_something_else(trembling):
    """From frame 1016 on something else is before the camera, and so is its change."""
    other = codes(0.5 + 0.12 * textured(PLATE, 9, 2.0))
    moments = [
        m if m.frame < 1016 else moment(m.frame, np.full_like(DRAWN, 0.3), plate=other)
        for m in trembling
    ]
    found = dict(steadied(moments, FRAMES))
    assert np.mean(np.abs(found[1015][INNER] - glided(DRAWN, 1015)[INNER]) > 0.1) < 0.03
    assert np.mean(np.abs(found[1016][INNER] - 0.3) > 0.1) < 0.03
