from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from reage.flicker import FrameFlicker
from reage.framerange import FrameRange
from reage.image import Image
from reage.qc import ActorQC, FaceFrame, FrameIntegrity, PriorCard, QCReport, check_frame
from reage.qc_verdict import frames_in_words, judge_report, worst_frames
from reage.takes import ActorTake

FRAMES = FrameRange(1001, 1020)


def flicker(number, *, excess=0.02, change=0.003, sharpness=0.95):
    return FrameFlicker(
        frame_number=number,
        plate_residual=0.01,
        output_residual=0.01 * (1 + excess),
        change_residual=change,
        excess=excess,
        sharpness_kept=sharpness,
        trusted=1.0,
    )


def face(number, **changes):
    fine = FaceFrame(
        frame_number=number,
        source_age=40.0,
        target_age=70.0,
        measured_age=67.0,
        identity=0.8,
        flicker=flicker(number),
    )
    return replace(fine, **changes)


def report(frames=None, *, integrity=None, actor="ada", **changes):
    frames = [face(n) for n in FRAMES] if frames is None else frames
    if integrity is None:
        integrity = [
            FrameIntegrity(frame_number=n, outside_matte_difference=0.0, num_nonfinite=0)
            for n in FRAMES
        ]
    fine = QCReport(
        show="demo",
        shot_code="sq010_sh0040",
        version="v003",
        created="2026-11-23",
        frames=FRAMES,
        frame_rate=Fraction(24000, 1001),
        integrity=tuple(integrity),
        actors=(ActorQC(actor=actor, consent_document="DEMO-0001", frames=tuple(frames)),),
        prior=PriorCard(
            name="compact", digest="9f" * 32, licence="research", min_age=18, max_age=90
        ),
        digests={"plate": "ab" * 32},
    )
    return replace(fine, **changes)


def test_good_shot_passes():
    verdict = judge_report(report())
    assert verdict.is_pass
    assert verdict.status == "pass"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"measured_age": 50.0}, "age asked is 20.0 years on average, expected at most 10.0 years"),
        ({"measured_age": 50.0}, "looks 50 where 70 was asked: ask for an older face"),
        ({"measured_age": 85.0}, "looks 85 where 70 was asked: ask for a younger face"),
        ({"identity": 0.2}, "identity similarity is 0.20 on average, expected at least 0.50"),
        ({"flicker": flicker(0, excess=0.6)}, "in excess of the plate's is 60% on average"),
        ({"flicker": flicker(0, sharpness=0.2)}, "fine detail kept is 20% on average"),
        ({"flicker": flicker(0, change=0.08)}, "the change jumps at frame 1001 by 8.0%"),
        ({"measured_age": None}, "age from the age asked was not measured"),
        ({"identity": None}, "identity similarity was not measured"),
        ({"identity": float("nan")}, "identity similarity was not measured"),
        ({"fade": 0.0}, "the effect is visible in no frame"),
        ({"is_bridged": True}, "the face was not seen in frames 1001-1020"),
        ({"presence": 0.0}, "the face was not seen in frames 1001-1020"),
    ],
)
def test_each_shortcoming_is_a_reason_in_words(changes, words):
    verdict = judge_report(report([face(n, **changes) for n in FRAMES]))
    assert verdict.status == "needs review"
    assert len(verdict.reasons) == 1
    assert words in verdict.reasons[0]
    assert verdict.reasons[0].startswith("ada: ")


def test_no_other_age_is_advised_for_a_face_that_is_off_to_both_sides():
    read = (90.0, 50.0)
    frames = [face(n, measured_age=read[n % 2]) for n in FRAMES]
    [reason] = judge_report(report(frames)).reasons
    assert "is 20.0 years on average" in reason
    assert "ask for" not in reason


def test_faded_frames_are_named_and_do_not_count_towards_the_means():
    frames = [face(n) for n in range(1001, 1013)]
    frames += [face(n, fade=0.1, measured_age=40.0) for n in range(1013, 1021)]
    reasons = judge_report(report(frames)).reasons
    assert reasons == ("ada: the effect is faded out in frames 1013-1020",)


def cast_in_one_of_two_takes(reason):
    """A good shot whose second take is without the actor, for a reason."""
    frames = [face(n) for n in range(1001, 1011)]
    away = {"presence": 0.0, "fade": 0.0, "measured_age": None, "identity": None, "flicker": None}
    frames += [face(n, is_cast=False, **away) for n in range(1011, 1021)]
    takes = (
        ActorTake(frames=FrameRange(1001, 1010), track_id=0, decided_by="largest face"),
        ActorTake(
            frames=FrameRange(1011, 1020),
            track_id=None,
            decided_by=reason,
            similarity=0.41,
            nearest_id=3,
        ),
    )
    fine = report(frames)
    return replace(fine, actors=(replace(fine.actors[0], takes=takes),))


@pytest.mark.parametrize("reason", ["no face", "not named"])
def test_take_that_is_known_to_be_without_the_actor_is_no_shortcoming(reason):
    assert judge_report(cast_in_one_of_two_takes(reason)).is_pass


def test_take_in_which_the_actor_was_not_recognised_is_to_be_looked_at():
    assert judge_report(cast_in_one_of_two_takes("no likeness")).reasons == (
        "ada: left out of frames 1011-1020 (not recognised, most like is track 3 with 0.41); "
        "confirm with tracks: [0] in the shot manifest, or add the track that is theirs",
    )


def test_frames_in_which_the_face_was_lost_are_held_against_the_actors_takes_alone():
    judged = cast_in_one_of_two_takes("no face")
    [actor] = judged.actors
    frames = tuple(
        replace(f, presence=0.0, fade=0.0) if f.frame_number in (1001, 1002, 1003) else f
        for f in actor.frames
    )
    reasons = judge_report(replace(judged, actors=(replace(actor, frames=frames),))).reasons
    assert reasons == (
        "ada: the face was not seen in frames 1001-1003",
        "ada: the effect is faded out in frames 1001-1003",
    )


def test_missing_frames_changed_plate_and_nan_are_reasons():
    integrity = [
        FrameIntegrity(frame_number=1001, outside_matte_difference=0.1, num_nonfinite=0),
        FrameIntegrity(frame_number=1002, outside_matte_difference=0.0, num_nonfinite=3),
    ]
    checked = report(integrity=integrity)
    assert checked.missing_frames() == list(range(1003, 1021))
    assert judge_report(checked).reasons == (
        "frames 1003-1020 missing",
        "the plate was changed outside the matte in frame 1001",
        "pixels that are not numbers in frame 1002",
    )


def test_worst_frames_are_far_apart_and_worst_first():
    frames = [face(n) for n in FRAMES]
    frames[5] = face(1006, measured_age=40.0)
    frames[6] = face(1007, measured_age=45.0)
    frames[15] = face(1016, identity=0.1)
    chosen = worst_frames(report(frames), count=2)
    assert [number for number, _ in chosen] == [1006, 1016]
    assert chosen[0][1].startswith("age 40 for 70")
    assert chosen[1][1].startswith("identity 0.10")


def test_frame_changed_outside_the_matte_is_the_worst():
    integrity = [
        FrameIntegrity(frame_number=n, outside_matte_difference=float(n == 1009), num_nonfinite=0)
        for n in FRAMES
    ]
    assert worst_frames(report(integrity=integrity))[0] == (1009, "changed outside the matte")


def image(pixels):
    return Image(np.ascontiguousarray(pixels, np.float32), "rec709")


def test_check_frame_passes_a_change_inside_the_matte_only():
    rng = np.random.default_rng(0)
    plate = image(rng.random((8, 8, 3)))
    matte = np.zeros((8, 8), np.float32)
    matte[2:5, 2:5] = 0.01
    output = plate.pixels.copy()
    output[3, 3] += 0.5
    assert check_frame(1, plate, image(output), matte).outside_matte_difference == 0.0
    output[7, 7, 1] = np.nextafter(output[7, 7, 1], np.float32(2))
    assert check_frame(1, plate, image(output), matte).outside_matte_difference > 0.0


def test_check_frame_counts_numbers_that_broke_but_not_those_the_plate_has():
    plate = np.ones((4, 4, 3), np.float32)
    plate[0, 0] = np.nan
    output = plate.copy()
    output[1, 1, 0] = np.inf
    output[2, 2, 2] = np.nan
    checked = check_frame(1, image(plate), image(output), np.ones((4, 4)))
    assert checked.num_nonfinite == 2
    outside = check_frame(1, image(plate), image(output), np.zeros((4, 4)))
    assert outside.outside_matte_difference == np.inf


def test_frames_in_words_joins_runs():
    assert frames_in_words([1004, 1001, 1002]) == "frames 1001-1002, 1004"
    assert frames_in_words([5]) == "frame 5"
    assert frames_in_words(range(1, 20, 2)) == "frames 1, 3, 5, 7 and 6 more spans"
