import hashlib
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from reage.video import probe, read_frames
from studio import demo_plate
from studio.demo_plate import demo_frames, write_demo_plate

SMALL = (640, 360)
TINY = (320, 180)


def gray(frame):
    return (cv2.cvtColor((frame >> 8).astype(np.uint8), cv2.COLOR_RGB2GRAY)).astype(np.uint8)


@pytest.fixture(scope="module")
def take():
    return list(demo_frames(72, size=TINY, seed=7))


def motion(first, second):
    optical_flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return optical_flow.calc(gray(first), gray(second), None)


def test_photograph_is_bundled_in_the_wheel():
    import skimage

    file = Path(skimage.__file__).parent / "data" / "astronaut.png"
    # The digest of scikit-image's own registry: the file is not one that it would download.
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest == "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"


def test_demo_frames_repeat_exactly_for_a_seed_and_differ_in_grain_only_for_another():
    first, again, other = (next(demo_frames(72, size=SMALL, seed=s)) for s in (7, 7, 8))
    assert np.array_equal(first, again)
    difference = np.abs(first.astype(int) - other.astype(int)) / 65535
    assert 0.003 < difference.mean() < 0.03


def test_head_turns_against_the_backdrop(take):
    move = motion(take[5], take[40])
    face, backdrop = move[65:95, 128:155, 0], move[30:75, 195:225, 0]
    assert np.median(face) - np.median(backdrop) > 4.0
    nose, ear = move[75:83, 135:145, 0], move[75:83, 111:116, 0]
    assert np.median(nose) - np.median(ear) > 1.0


def test_camera_drifts_smoothly(take):
    steps = [np.median(motion(a, b)[20:75, 190:225], axis=(0, 1)) for a, b in
             zip(take[:30:3], take[3:33:3], strict=True)]  # fmt: skip
    lengths = np.hypot(*np.array(steps).T)
    assert lengths.max() > 0.15
    assert np.abs(np.diff(steps, axis=0)).max() < 0.5  # px: no jerk


def test_exposure_blinks_once(take):
    level = np.array([frame.mean() for frame in take]) / 65535
    at = int(level.argmin())
    assert at == round(0.62 * 72)
    assert 0.84 < level[at] / np.median(level) < 0.91  # -0.45 stops on a display curve
    away = np.abs(np.arange(72) - at) > 6
    assert np.ptp(level[away]) / np.median(level) < 0.02


def test_grain_is_strongest_in_the_mid_tones_and_spatially_correlated():
    pair = [next(demo_frames(72, size=SMALL, seed=s)).astype(np.float32) / 65535 for s in (1, 2)]
    noise = (pair[0] - pair[1])[..., 1] / np.sqrt(2)
    level = cv2.GaussianBlur((pair[0] + pair[1])[..., 1] / 2, (0, 0), 3)
    deviation = [noise[(level > a) & (level < b)].std() for a, b in ((0, 0.1), (0.35, 0.65))]
    assert deviation[1] > 1.5 * deviation[0]
    assert 0.006 < deviation[1] < 0.02
    neighbours = np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]
    assert 0.3 < neighbours < 0.9


def test_face_height_is_250_to_300_pixels_in_a_720_line_plate():
    # Mesh top to chin is 107 px in the photograph (measured once with dense landmarks).
    heights = [107 * demo_plate._pose_at(i, 72, size=(1280, 720)).zoom for i in range(72)]
    assert min(heights) > 250
    assert max(heights) < 300


def test_demo_plate_is_a_ten_bit_prores_movie_with_timecode(tmp_path):
    seen = []
    path = write_demo_plate(
        tmp_path / "demo.mov", num_frames=4, size=SMALL, on_progress=lambda *n: seen.append(n)
    )
    info = probe(path, first_frame=1001)
    assert (info.width, info.height, info.frame_rate) == (*SMALL, Fraction(24))
    assert (info.codec, info.bit_depth, info.timecode) == ("prores", 10, "01:00:00:00")
    assert (info.frames.first, len(info.frames)) == (1001, 4)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    number, image = next(read_frames(info, info.frames, colourspace="rec709"))
    expected = next(demo_frames(4, size=SMALL)).astype(np.float32) / 65535
    assert number == 1001
    # 4:2:2 chroma and ProRes quantisation; the mean level must not shift.
    assert np.abs(image.pixels - expected).mean() < 0.01
    assert np.abs(image.pixels.mean((0, 1)) - expected.mean((0, 1))).max() < 0.002


@pytest.mark.parametrize("size", [(640, 360), (320, 240), (240, 320), (800, 336)])
def test_photograph_fills_the_frame_at_every_instant(size, monkeypatch):
    seen = []
    remap = cv2.remap

    def watched(source, x, y, *args, **options):
        if source.ndim == 3:
            seen.append((x.min(), x.max(), y.min(), y.max()))
        return remap(source, x, y, *args, **options)

    monkeypatch.setattr(cv2, "remap", watched)
    master, depth = np.zeros((1536, 1536, 3), np.float32), demo_plate._scene_depth()
    for index in range(0, 72, 8):
        demo_plate._film(master, depth, demo_plate._pose_at(index, 72, size=size), size=size)
    edges = np.array(seen)
    assert edges[:, (0, 2)].min() >= 0
    assert edges[:, (1, 3)].max() <= 1535


def test_demo_frames_refuse_an_empty_take():
    with pytest.raises(ValueError, match="num_frames: got 0, expected at least 1"):
        next(demo_frames(0))
