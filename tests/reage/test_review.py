import datetime
from fractions import Fraction

import numpy as np
import pytest

from reage.burnin import Slate
from reage.framerange import FrameRange
from reage.image import Image
from reage.review import ClipFormat, ReviewClip, WipeClip, review_picture
from reage.video import probe, read_frames

FRAMES = FrameRange(1001, 1008)
SLATE = Slate(
    show="demo",
    shot_code="sq010_sh0040",
    version="v003",
    frames=FRAMES,
    frame_rate=Fraction(24),
    date=datetime.date(2026, 11, 23),
    prior="compact",
    target_ages="70 years",
    consent_document="DEMO-0001",
    actor="ada",
)
CLIP = ClipFormat(
    width=320, height=180, frame_rate=Fraction(24), frames=FRAMES, timecode="01:00:00:00"
)


def flat(level):
    return Image(np.full((180, 320, 3), level, np.float32), "rec709", 10)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    paths = folder / "review.mp4", folder / "wipe.mp4"
    before, after = (review_picture(flat(level)) for level in (0.25, 0.75))
    with ReviewClip(paths[0], CLIP, slate=SLATE) as review, WipeClip(paths[1], CLIP) as wipe:
        for number in FRAMES:
            review.add(number, after, target_ages="age 41 → 70")
            wipe.add(number, before, after, label="re-aged 70")
    return paths


def pictures(path, first_frame):
    info = probe(path, first_frame=first_frame)
    return info, [i.pixels for _, i in read_frames(info, info.frames, colourspace="rec709")]


def test_review_clip_is_a_second_of_slate_and_then_the_output(clips):
    info, frames = pictures(clips[0], FRAMES.first - 24)
    assert info.codec == "h264"
    assert info.frames.last == FRAMES.last
    assert len(frames) == 24 + 8
    assert all(f[90:95, 300:310].mean() < 0.15 for f in frames[:24])
    assert all(abs(f[60:120, 100:220].mean() - 0.75) < 0.01 for f in frames[24:])


def test_review_clip_keeps_each_frames_timecode(clips):
    assert pictures(clips[0], 977)[0].timecode == "00:59:59:00"
    assert pictures(clips[1], 1001)[0].timecode == "01:00:00:00"


def test_wipe_clip_starts_and_ends_on_the_plate_and_crosses_to_the_output(clips):
    _, frames = pictures(clips[1], 1001)
    level = [f[40:120, 20:300].mean() for f in frames]
    assert len(level) == 8
    assert abs(level[0] - 0.25) < 0.01
    assert abs(level[-1] - 0.25) < 0.01
    assert max(level) > 0.7


def test_failed_clip_does_not_appear(tmp_path):
    with pytest.raises(RuntimeError), ReviewClip(tmp_path / "a.mp4", CLIP, slate=SLATE) as clip:
        clip.add(1001, np.zeros((180, 320, 3), np.uint8))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("plate", "clip"),
    [((1280, 720), (1280, 720)), ((4096, 2160), (2048, 1080)), ((641, 359), (640, 360))],
)
def test_clip_size_is_even_and_at_most_1080_lines(plate, clip):
    form = ClipFormat(width=plate[0], height=plate[1], frame_rate=Fraction(24), frames=FRAMES)
    assert form.size == clip


def test_review_picture_shows_scene_linear_light_on_a_display_curve():
    linear = Image(np.full((2, 2, 3), 0.18, np.float32), "linear_rec709")
    assert abs(int(review_picture(linear)[0, 0, 0]) - 118) <= 1
