from dataclasses import replace

import numpy as np
import pytest

from reage.casting import (
    followed_takes,
    named_takes,
    refuse_rivals,
    refuse_shared_faces,
    refuse_stranger,
)
from reage.errors import FaceError
from reage.framerange import FrameRange
from reage.takes import ActorTake
from tests.standing_track import track

TAKES = (FrameRange(1001, 1006), FrameRange(1007, 1012), FrameRange(1013, 1018))
LEAD = ActorTake(frames=TAKES[0], track_id=0, decided_by="largest face")


def towards(*cosines):
    """Unit vectors that far from the first axis, each in a direction of its own."""
    vectors = np.zeros((len(cosines), len(cosines) + 1), np.float32)
    vectors[:, 0] = cosines
    vectors[np.arange(len(cosines)), np.arange(1, len(cosines) + 1)] = np.sqrt(
        1 - np.square(cosines)
    )
    return dict(enumerate(vectors))


FACES = [
    track(0, TAKES[0]),
    track(1, TAKES[1], left=20),
    track(2, TAKES[1], left=300),
    track(3, TAKES[2]),
]


def followed(embeddings, tracks=FACES, least=0.7):
    return followed_takes(tracks, TAKES, LEAD, actor="ada", embeddings=embeddings, least=least)


def test_actor_is_who_looks_like_the_lead_in_each_take_and_nobody_where_none_does():
    first, second, third = followed(towards(1.0, 0.2, 0.9, 0.4))
    assert first == LEAD
    assert (second.track_id, second.decided_by) == (2, "likeness")
    assert second.similarity >= 0.9
    assert (third.track_id, third.decided_by, third.is_doubtful) == (None, "no likeness", True)
    assert third.similarity < 0.7
    assert (second.nearest_id, third.nearest_id) == (None, 3)


def test_take_without_any_face_is_no_doubt():
    *_, third = followed(towards(1.0, 0.2, 0.9), FACES[:3])
    assert (third.track_id, third.decided_by, third.is_doubtful) == (None, "no face", False)


def test_takes_that_are_found_help_to_find_more():
    embeddings = towards(1.0, 0.0, 0.9, 0.68)
    assert followed(embeddings)[2].track_id is None
    embeddings[3] = np.float32(0.5 * embeddings[0] + 0.9 * embeddings[2])
    embeddings[3] /= np.linalg.norm(embeddings[3])
    assert followed(embeddings)[2].track_id == 3


def test_two_faces_at_once_that_are_as_like_the_actor_are_refused_in_one_sentence():
    with pytest.raises(
        FaceError,
        match=r"^actor ada: track: got track 2 \(40x50 px, frames 1007-1012\) at likeness 0\.90 "
        r"and track 1 \(.*\) at likeness 0\.87, expected one face clearly more like the actor; ",
    ):
        followed(towards(1.0, 0.87, 0.9, 0.4))


def test_face_that_comes_after_the_other_went_is_no_rival():
    early, late = track(0, FrameRange(1001, 1003)), track(1, FrameRange(1004, 1006))
    refuse_rivals(early, [early, late], {0: 0.9, 1: 0.9}, least=0.7, actor="ada")


def test_stranger_is_refused_in_one_sentence():
    refuse_stranger(FACES[0], 0.5, least=0.5, actor="ada")
    with pytest.raises(
        FaceError,
        match=r"^actor ada: references: got likeness 0\.31 at most, of track 0 \(40x50 px, frames "
        r"1001-1006\), expected at least 0\.5; check that the actor is in the plate",
    ):
        refuse_stranger(FACES[0], 0.31, least=0.5, actor="ada")


def test_tracks_of_the_manifest_are_all_and_other_takes_are_left_alone():
    first, second, third = named_takes(FACES, TAKES, (2,), actor="ada")
    assert [take.track_id for take in (first, second, third)] == [None, 2, None]
    assert [take.decided_by for take in (first, second, third)] == [
        "not named",
        "track id",
        "not named",
    ]


def test_two_tracks_of_the_manifest_in_one_take_are_refused():
    with pytest.raises(
        FaceError,
        match=r"^actor ada: tracks: got 1 and 2, all in the take 1007-1012, expected one at most",
    ):
        named_takes(FACES, TAKES, (0, 1, 2), actor="ada")
    with pytest.raises(FaceError, match=r"track: got 9, expected one of 0 \(40x50 px, frames"):
        named_takes(FACES, TAKES, (9,), actor="ada")


def test_face_that_is_cast_twice_is_refused():
    other = replace(LEAD, frames=TAKES[1], track_id=2)
    refuse_shared_faces({"ada": (LEAD,), "ben": (other,)})
    with pytest.raises(
        FaceError, match=r"^actors ada and ben: track: got 0 \(frames 1001-1006\) for both, expect"
    ):
        refuse_shared_faces({"ada": (LEAD, other), "ben": (LEAD,)})
