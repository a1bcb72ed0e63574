from pathlib import Path

import cv2
import numpy as np
import pytest

from reage.errors import FaceError, StorageError
from reage.framerange import FrameRange
from reage.manifest import ActorInShot
from reage.tracks import load_track
from tasks.casting import cast_actor
from tasks.faces import track_shot
from tests.tasks.conftest import (
    NUM_FRAMES,
    WIDTH,
    admiral_photograph,
    astronaut_photograph,
    frame_set_of,
)
from tests.three_takes import TAKES


def entry(track=None):
    return ActorInShot.model_validate({"actor": "ada", "target_age": 60, "track": track})


def photograph(path, picture):
    """Another print of a picture: mirrored, darker and cropped, as JPEG."""
    print_ = cv2.cvtColor(picture[:-40, 20:-30][:, ::-1], cv2.COLOR_RGB2BGR)
    assert cv2.imwrite(str(path), np.uint8(print_ * 0.8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return str(path)


@pytest.fixture
def cast(two_faces, tiny_prior, workspace):
    """Casts from the two faces with the tiny prior."""

    def run(*, track=None, references=(), prior=tiny_prior, frame_set=two_faces.frame_set):
        return cast_actor.fn(
            frame_set, two_faces.tracks, prior, entry(track), list(references), workspace=workspace
        )

    return run


def side(ref):
    """Which half of the picture the cast face is in."""
    x = load_track(Path(ref.track_path)).landmarks[..., 0].mean()
    return "left" if x < WIDTH / 2 else "right"


def test_largest_face_is_cast_when_nothing_says_otherwise(cast):
    ref = cast()
    assert (side(ref), ref.lead.decided_by, ref.lead.similarity) == ("left", "largest face", None)


def test_track_id_of_the_manifest_decides(cast, two_faces):
    assert side(cast()) == "left", "and the ledger now knows this choice"
    ref = cast(track=two_faces.admiral)
    assert (side(ref), ref.lead.decided_by, ref.lead.similarity) == ("right", "track id", None)


def test_track_id_of_the_manifest_outranks_photographs(cast, two_faces, tmp_path):
    references = [photograph(tmp_path / "a.jpg", astronaut_photograph())]
    ref = cast(track=two_faces.admiral, references=references)
    assert (side(ref), ref.lead.decided_by) == ("right", "track id")


def test_unknown_track_id_is_refused_with_those_there_are(cast):
    with pytest.raises(FaceError, match=r"track: got 7, expected one of 0 .*1 "):
        cast(track=7)


@pytest.mark.parametrize(
    ("picture", "expected"), [(astronaut_photograph, "left"), (admiral_photograph, "right")]
)
def test_photographs_choose_the_face_they_show(cast, compact_prior, tmp_path, picture, expected):
    references = [photograph(tmp_path / "reference.jpg", picture())]
    ref = cast(references=references, prior=compact_prior)
    assert (side(ref), ref.lead.decided_by) == (expected, "identity")
    assert ref.lead.similarity > 0.5


def test_photograph_without_a_face_among_others_is_passed_over(cast, compact_prior, tmp_path):
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.full((64, 64, 3), 90, np.uint8))
    good = photograph(tmp_path / "reference.jpg", admiral_photograph())
    assert side(cast(references=[str(empty), good], prior=compact_prior)) == "right"


def test_photographs_without_any_face_are_refused(cast, tmp_path):
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.full((64, 64, 3), 90, np.uint8))
    with pytest.raises(
        FaceError, match=r"references: faces: got none in 1 photograph\(s\), expected one in each"
    ):
        cast(references=[str(empty)])


def test_photograph_that_is_not_there_is_named(cast, tmp_path):
    with pytest.raises(StorageError, match=r"missing\.jpg"):
        cast(references=[str(tmp_path / "missing.jpg")])


def test_photograph_that_changed_is_looked_at_again(cast, compact_prior, tmp_path):
    path = tmp_path / "reference.jpg"
    first = cast(references=[photograph(path, astronaut_photograph())], prior=compact_prior)
    second = cast(references=[photograph(path, admiral_photograph())], prior=compact_prior)
    assert (side(first), side(second)) == ("left", "right")


def test_cast_track_spans_the_shot_and_shows_nothing_where_the_face_was_not_seen(cast, two_faces):
    seen = load_track(Path(two_faces.tracks.folder) / f"track_{two_faces.astronaut}.npz")
    longer = frame_set_of(two_faces.frame_set.path)
    longer = type(longer)(**{**vars(longer), "frames": FrameRange(999, 1001 + NUM_FRAMES + 3)})
    track = load_track(Path(cast(frame_set=longer).track_path))
    assert track.frames == longer.frames
    inside = slice(2, 2 + len(seen.frames))
    assert np.array_equal(track.landmarks[inside], seen.landmarks)
    assert np.array_equal(track.fade[inside], seen.fade)
    for values in (track.fade, track.presence):
        assert not values[:2].any()
        assert not values[inside.stop :].any()
    assert np.array_equal(track.landmarks[0], seen.landmarks[0])
    assert np.array_equal(track.landmarks[-1], seen.landmarks[-1])


@pytest.fixture
def cast_takes(three_takes, compact_prior, workspace):
    """Casts the astronaut in the plate of three takes."""

    def run(*, prior=compact_prior, references=(), **fields):
        actor = ActorInShot.model_validate({"actor": "ada", "target_age": 60, **fields})
        return cast_actor.fn(
            three_takes.frame_set,
            three_takes.tracks,
            prior,
            actor,
            list(references),
            workspace=workspace,
        )

    return run


def track_ids(ref):
    return [take.track_id for take in ref.takes]


def test_actor_is_found_again_in_another_take_by_looks_and_not_by_size(cast_takes, three_takes):
    ref = cast_takes()
    assert track_ids(ref) == [*three_takes.astronaut, None]
    assert [str(take.frames) for take in ref.takes] == ["1001-1005", "1006-1010", "1011-1015"]
    assert [take.decided_by for take in ref.takes] == ["largest face", "likeness", "no likeness"]
    assert ref.takes[1].similarity > 0.9
    assert ref.takes[2].similarity < 0.5


def test_cast_track_is_the_actors_own_in_each_take_full_up_to_the_cut(cast_takes, three_takes):
    whole = load_track(Path(cast_takes().track_path))
    assert whole.frames == three_takes.frame_set.frames
    for rows, number in ((slice(0, 5), 0), (slice(5, 10), 3)):
        own = load_track(Path(three_takes.tracks.folder) / f"track_{number}.npz")
        assert np.array_equal(whole.landmarks[rows], own.landmarks)
    assert whole.fade.tolist() == [1.0] * 10 + [0.0] * 5


def test_track_of_the_manifest_leads_through_the_other_takes(cast_takes, three_takes):
    assert track_ids(cast_takes(track=4)) == list(three_takes.admiral)
    assert track_ids(cast_takes(track=3)) == [*three_takes.astronaut, None]


def test_tracks_of_the_manifest_are_all_there_are(cast_takes, tiny_prior):
    ref = cast_takes(tracks=[3, 4], prior=tiny_prior)
    assert track_ids(ref) == [None, 3, 4]
    assert [take.decided_by for take in ref.takes] == ["not named", "track id", "track id"]


def test_photographs_lead_through_all_takes(cast_takes, three_takes, tmp_path):
    references = [photograph(tmp_path / "reference.jpg", admiral_photograph())]
    ref = cast_takes(references=references)
    assert track_ids(ref) == list(three_takes.admiral)
    assert ref.lead.decided_by == "identity"
    assert sorted(take.decided_by for take in ref.takes) == ["identity", "likeness", "likeness"]


def test_photographs_of_somebody_else_are_refused_rather_than_the_wrong_face_aged(
    three_takes_plate, compact_prior, workspace, tmp_path
):
    frame_set = frame_set_of(three_takes_plate, frames=TAKES[2])  # the admiral alone
    tracks = track_shot.fn(frame_set, workspace=workspace)
    references = [photograph(tmp_path / "astronaut.jpg", astronaut_photograph())]
    with pytest.raises(
        FaceError,
        match=r"actor ada: references: got likeness 0\.\d\d at most, of track 0 .*, expected at "
        r"least 0\.5; check that the actor is in the plate",
    ):
        cast_actor.fn(frame_set, tracks, compact_prior, entry(), references, workspace=workspace)


def test_take_without_the_actor_is_said_in_the_log_of_every_run(cast_takes, caplog):
    for _ in range(2):  # the second finds the work done
        caplog.clear()
        cast_takes()
        [message] = [r.getMessage() for r in caplog.records if r.name == "tasks.casting"]
        assert (
            "actor=ada frames=1011-1015 reason='not recognised, most like is track 4 with 0."
            in message
        )
