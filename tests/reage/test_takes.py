import numpy as np
import pytest

from reage.framerange import FrameRange
from reage.takes import ActorTake, best_rows, parts, rows_of, takes_in_words, velocities

FRAMES = FrameRange(1001, 1012)
TAKES = (
    ActorTake(frames=FrameRange(1001, 1004), track_id=0, decided_by="largest face"),
    ActorTake(frames=FrameRange(1005, 1008), track_id=None, decided_by="no face"),
    ActorTake(frames=FrameRange(1009, 1012), track_id=2, decided_by="likeness", similarity=0.874),
)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (FRAMES, ["1001-1004", "1009-1012"]),
        (FrameRange(1003, 1009), ["1003-1004", "1009-1009"]),
        (FrameRange(1005, 1008), []),
        (FrameRange(1009, 1010), ["1009-1010"]),
    ],
)
def test_parts_are_the_actors_share_of_the_frames_take_by_take(frames, expected):
    assert [str(part) for part in parts(TAKES, frames)] == expected


def test_rows_of_a_part_lie_where_its_frames_do():
    assert list(np.arange(12)[rows_of(FrameRange(1009, 1010), FRAMES)]) == [8, 9]


def test_velocities_do_not_see_a_cut():
    places = np.zeros((12, 2))
    places[:4, 0] = 10 + 2.0 * np.arange(4)
    places[8:, 0] = 400 - 3.0 * np.arange(4)  # elsewhere, and the other way
    motion = velocities(places, TAKES, FRAMES)
    assert motion[:, 0].tolist() == [2] * 4 + [0] * 4 + [-3] * 4
    assert not motion[:, 1].any()


def test_velocity_of_a_take_of_one_frame_is_none():
    alone = (ActorTake(frames=FrameRange(1001, 1001), track_id=0, decided_by="track id"),)
    assert velocities(np.array([[5.0, 5.0]]), alone, FrameRange(1001, 1001)).tolist() == [[0, 0]]


def test_best_rows_are_taken_from_all_takes_in_turn_and_never_where_nothing_shows():
    seen = np.array([1, 1, 1, 0.5, 0, 0, 0, 0, 1, 1, 1, 0.9])
    takes = [slice(0, 4), slice(8, 12)]
    assert best_rows(seen, takes, count=4).tolist() == [0, 1, 8, 9]
    assert best_rows(seen, takes, count=7).tolist() == [0, 1, 2, 8, 9, 10, 11]
    assert best_rows(seen, takes, count=99).tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert best_rows(np.zeros(12), takes, count=4).tolist() == [0]


def test_words_tell_of_every_take_which_track_or_why_none():
    assert takes_in_words(TAKES) == (
        "1001-1004 track 0, chosen by largest face; 1005-1008 no face; "
        "1009-1012 track 2, chosen by likeness 0.87"
    )
    assert takes_in_words(TAKES[:1]) == "track 0, chosen by largest face"
    unlike = ActorTake(
        frames=FRAMES, track_id=None, decided_by="no likeness", similarity=0.3, nearest_id=5
    )
    unnamed = ActorTake(frames=FRAMES, track_id=None, decided_by="not named")
    assert unlike.in_words() == "not recognised, most like is track 5 with 0.30"
    assert unnamed.in_words() == "left as it is, as the manifest names none of its tracks"
    assert [take.is_doubtful for take in (*TAKES, unlike, unnamed)] == [False] * 3 + [True, False]
