"""The floor of re-ageing: who people are and how they were photographed, apart from their age."""

import cv2
import numpy as np
import pytest

from benchmarks.held_out import HeldOutFace
from benchmarks.photograph_looks import LOOKS, looks
from benchmarks.prior_floor import LEVELS, Photographed, floors

NAMES = [name for names in LOOKS.values() for name in names]
SIZE = 8


def faces(count: int, *, old: bool, seed: int, groups=(0.5, 0.5), smile: float = 0.0):
    """People as a judge meets them: a direction each for group, smile and age, and noise."""
    rng = np.random.default_rng(seed)
    group = rng.choice(2, count, p=groups)
    seen = rng.normal(size=(count, len(NAMES)))
    seen[:, NAMES.index("smile")] += smile
    embedded = 0.6 * rng.normal(size=(count, SIZE))
    return group, seen, embedded, np.full(count, 60 if old else 20)


def photographed(told, *, by_group=0.0, by_smile=0.0, by_age=0.0):
    group, seen, embedded, ages = told
    embedded = embedded.copy()
    embedded[:, 0] += 2 + by_group * group
    embedded[:, 1] += by_smile * seen[:, NAMES.index("smile")]
    embedded[:, 2] += by_age * (ages > 40)
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    names = np.array([f"{ages[0]}-{number}" for number in range(len(ages))], object)
    return Photographed(names, ages, np.zeros(len(ages), int), group, seen, embedded)


def test_what_age_alone_makes_can_be_taken_away():
    people, real = faces(400, old=True, seed=1), faces(400, old=False, seed=2)
    told = floors(photographed(people, by_age=2.0), photographed(real, by_age=2.0), halvings=3)
    assert set(told) == set(LEVELS)
    for level in LEVELS:
        assert told[level].floor == pytest.approx(0, abs=0.05)
        assert told[level].unedited == pytest.approx(1, abs=0.1)


def test_what_other_groups_make_cannot():
    people = photographed(faces(400, old=True, seed=1, groups=(0.2, 0.8)), by_group=-2.0)
    real = photographed(faces(800, old=False, seed=2, groups=(0.6, 0.4)), by_group=-2.0)
    first = floors(people, real, halvings=3)["gender and group"]
    assert first.floor == pytest.approx(1, abs=0.15)
    assert first.unedited == pytest.approx(0, abs=0.1)


def test_what_other_looks_make_cannot_either_and_is_seen_once_they_are_alike():
    people = photographed(faces(400, old=True, seed=1, smile=1.0), by_smile=1.0)
    real = photographed(faces(800, old=False, seed=2), by_smile=1.0)
    told = floors(people, real, halvings=3)
    assert told["pose"].floor == pytest.approx(0, abs=0.1)
    assert told["expression"].floor > 0.6  # weights are held, so that it is not quite 1
    assert told["expression"].effective < told["pose"].effective


def portrait(*, turned=0.0, smile=0.0, angle=0.0, grey=False, blurred=False):
    """A face of a few points in a picture of noise."""
    points = np.zeros((478, 2))
    for index, place in {
        33: (-0.8, 0), 133: (-0.2, 0), 362: (0.2, 0), 263: (0.8, 0), 1: (turned, 0.6), 152: (0, 2),
        234: (-1, 0.4), 454: (1, 0.4), 61: (-0.4, 1.1 - smile), 291: (0.4, 1.1 - smile),
        13: (0, 1.1), 14: (0, 1.2),
    }.items():  # fmt: skip
        points[index] = place
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    picture = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    if grey:
        picture = np.repeat(picture[..., :1], 3, axis=2)
    if blurred:
        picture = cv2.GaussianBlur(picture, (0, 0), 3)
    return HeldOutFace(None, picture, points @ turn * 40 + 90)  # type: ignore[arg-type]


def test_looks_are_told_apart_and_do_not_depend_on_how_a_head_is_rolled():
    plain = looks(portrait())
    assert set(plain) == set(NAMES)
    assert plain["turn"] == pytest.approx(0, abs=1e-9)
    assert looks(portrait(turned=0.3))["turn"] == pytest.approx(0.15)
    assert looks(portrait(smile=0.1))["smile"] == pytest.approx(plain["smile"] - 0.1)
    rolled = looks(portrait(angle=0.3))
    for name in ("turn", "tilt", "parted", "width", "smile", "eyes_apart"):
        assert rolled[name] == pytest.approx(plain[name])


def test_light_and_sharpness_are_of_the_picture():
    plain = looks(portrait())
    assert (plain["grey"], looks(portrait(grey=True))["grey"]) == (0, 1)
    assert looks(portrait(blurred=True))["sharpness"] < plain["sharpness"] - 1
