import datetime
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from reage.burnin import (
    ActorAges,
    BurnIn,
    Slate,
    age_caption,
    draw_burnin,
    draw_slate,
    span_caption,
    spans_caption,
)
from reage.framerange import FrameRange

SLATE = Slate(
    show="demo",
    shot_code="sq010_sh0040",
    version="v003",
    frames=FrameRange(1001, 1072),
    frame_rate=Fraction(24000, 1001),
    date=datetime.date(2026, 11, 23),
    prior="compact",
    target_ages="70 years",
    consent_document="DEMO-0001",
    actor="ada",
)
BURNIN = BurnIn(
    shot_code="sq010_sh0040",
    version="v003",
    frame_number=1042,
    timecode="01:00:01:17",
    target_ages=age_caption([ActorAges("ada", 41, 70)]),
)


@pytest.mark.parametrize("field", [
    ("show", "other"), ("shot_code", "sq020_sh0040"), ("version", "v004"),
    ("frames", FrameRange(1001, 1073)), ("frame_rate", Fraction(24)),
    ("date", datetime.date(2026, 11, 24)), ("prior", "sam"), ("target_ages", "71 years"),
    ("consent_document", "DEMO-0002"), ("actor", "eve"), ("colourspace", "srgb"),
])  # fmt: skip
def test_slate_shows_each_of_its_facts(field):
    changed = replace(SLATE, **{field[0]: field[1]})
    pictures = [draw_slate(s, width=640, height=360) for s in (SLATE, changed)]
    assert not np.array_equal(*pictures)


def test_slate_has_a_step_wedge_from_black_to_white():
    picture = draw_slate(SLATE, width=1280, height=720)
    row = picture[648, 110:1170]
    assert (row[0] == 0).all()
    assert (row[-1] == 255).all()
    assert (np.diff(row[:, 0].astype(int)) >= 0).all()
    assert len(np.unique(row[:, 0])) == 11


@pytest.mark.parametrize("height", [540, 1080, 2160])
def test_burnin_is_as_large_in_every_frame_height(height):
    grey = np.full((height, height * 16 // 9, 3), 128, np.uint8)
    marked = draw_burnin(grey, BURNIN)
    digits = marked[height * 9 // 10 :, marked.shape[1] * 9 // 10 :].max(axis=2) > 200
    rows = np.flatnonzero(digits.any(axis=1))
    cap_height = (rows[-1] - rows[0] + 1) / height
    assert 0.016 < cap_height < 0.024


@pytest.mark.parametrize("level", [0, 128, 255])
def test_burnin_is_legible_on_any_ground(level):
    ground = np.full((540, 960, 3), level, np.uint8)
    marked = draw_burnin(ground, BURNIN).astype(int)
    corner = marked[510:530, 28:160]
    assert np.ptp(corner) > 90


def test_burnin_leaves_the_middle_of_the_picture_and_its_input_alone():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (540, 960, 3), dtype=np.uint8)
    before = picture.copy()
    marked = draw_burnin(picture, BURNIN)
    assert np.array_equal(picture, before)
    assert np.array_equal(marked[60:480], picture[60:480])
    assert (marked != picture).any(axis=2).mean() < 0.03


def test_burnin_shows_each_of_its_facts():
    ground = np.full((540, 960, 3), 90, np.uint8)
    for name, value in (("shot_code", "x"), ("version", "v009"), ("frame_number", 7),
                        ("timecode", ""), ("target_ages", "")):  # fmt: skip
        other = draw_burnin(ground, replace(BURNIN, **{name: value}))
        assert not np.array_equal(draw_burnin(ground, BURNIN), other)


def test_span_caption_says_one_age_a_ramp_or_keyframes():
    assert span_caption([70, 70]) == "70 years"
    assert span_caption([62, 50, 38]) == "62 to 38 years"
    assert span_caption([40, 60, 40]) == "40 to 60 years (keyframed)"


def test_every_actor_s_ages_are_told():
    ada, bob = ActorAges("ada", 41.2, 70), ActorAges("bob", 30, 24.6)
    assert age_caption([ada]) == "age 41 → 70"
    assert age_caption([ada, bob]) == "ada 41 → 70, bob 30 → 25"
    assert spans_caption({"ada": [70, 70]}) == "70 years"
    assert spans_caption({"ada": [70, 70], "bob": [30, 25]}) == "ada 70 years, bob 30 to 25 years"
