from dataclasses import replace

import pytest

from reage.rehearsal.examination import ExaminedFace, IncrementRecord
from reage.rehearsal.gate import judge_update

TOLERANCE = {"distance": 0.04, "identity": 0.05, "likeness": 0.05}
EARLIER = IncrementRecord(
    number=1,
    day="2026-01-01",
    num_learnt=5,
    num_held_out=2,
    min_age=30.0,
    max_age=40.0,
    first={"distance": 0.20, "identity": 0.80},
    best={"distance": 0.20, "identity": 0.80},
    last={"distance": 0.22, "identity": 0.78},
)
NEW = replace(EARLIER, number=2, first={}, best={}, last={})


def judged(**after):
    figures = {"distance": 0.22, "identity": 0.78, **after}
    faces = [
        ExaminedFace(photograph="a", increment=1, before={}, after=figures),
        ExaminedFace(photograph="b", increment=2, before={}, after={"distance": 9.0}),
    ]
    return judge_update([EARLIER, NEW], faces, TOLERANCE)


def test_update_within_the_tolerance_passes_whatever_the_new_increment_is_like():
    assert judged().is_pass
    assert judged(distance=0.2399, identity=0.7501).is_pass
    assert judged(distance=0.1, identity=0.9).is_pass


@pytest.mark.parametrize(("name", "value"), [("distance", 0.25), ("identity", 0.74)])
def test_update_beyond_it_is_refused_by_increment_and_figure(name, value):
    verdict = judged(**{name: value})
    assert not verdict.is_pass
    [reason] = verdict.reasons
    assert reason.startswith(f"increment 1 (2026-01-01): {name}: got {value:.3f}, 0.0")
    assert f"expected at most {TOLERANCE[name]:g}" in reason


def test_barrier_is_refused_only_above_what_is_tolerated_and_only_where_it_is_asked_for():
    faces = [ExaminedFace(photograph="b", increment=2, before={}, after={"distance": 9.0})]
    strict = TOLERANCE | {"barrier": 0.05}
    assert judge_update([NEW], faces, TOLERANCE, 9.0).is_pass
    assert judge_update([NEW], faces, strict, None).is_pass
    assert judge_update([NEW], faces, strict, 0.05).is_pass
    [reason] = judge_update([NEW], faces, strict, 0.0512).reasons
    assert reason.startswith("barrier: got a loss 0.051 above")
    assert reason.endswith("expected at most 0.05")


def test_small_losses_add_up_against_the_best_and_not_against_the_night_before():
    assert not judged(distance=0.245).is_pass  # 0.025 worse than last night, 0.045 than the best
