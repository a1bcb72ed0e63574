import numpy as np

from reage.framerange import FrameRange
from reage.joined_track import joined
from reage.takes import ActorTake
from tests.standing_track import track

TAKES = (FrameRange(1001, 1006), FrameRange(1007, 1012), FrameRange(1013, 1018))
FACES = [
    track(0, TAKES[0]),
    track(1, TAKES[1], left=20),
    track(2, TAKES[1], left=300),
    track(3, TAKES[2]),
]


def cast(*numbers):
    return tuple(
        ActorTake(frames=take, track_id=number, decided_by="likeness" if number else "track id")
        for take, number in zip(TAKES, numbers, strict=True)
    )


def test_joined_track_is_each_takes_own_with_nothing_between():
    whole = joined(FACES, cast(0, 2, 3))
    assert whole.frames == FrameRange(1001, 1018)
    for part, source in zip(TAKES, (FACES[0], FACES[2], FACES[3]), strict=True):
        rows = slice(part.first - 1001, part.last - 1000)
        for name in ("landmarks", "raw_landmarks", "depths", "fade", "presence", "yaw_deg"):
            assert np.array_equal(getattr(whole, name)[rows], getattr(source, name)), name
    assert whole.fade.all(), "a cut is no reason to fade"
    assert whole.bridged.dtype == bool


def test_joined_track_shows_nothing_in_a_take_without_the_actor_and_stands_still():
    whole = joined(FACES, cast(0, None, 3))
    away = slice(6, 12)
    assert not whole.fade[away].any()
    assert not whole.presence[away].any()
    assert (whole.landmarks[away] == FACES[0].landmarks[-1]).all()
    before = joined(FACES, cast(None, 2, 3))
    assert (before.landmarks[:6] == FACES[2].landmarks[0]).all()


def test_face_that_comes_late_into_a_take_is_held_from_within_the_take():
    late = track(2, FrameRange(1009, 1012), left=300, appears=True)
    whole = joined([FACES[0], late, FACES[3]], cast(0, 2, 3))
    assert (whole.landmarks[6:8] == late.landmarks[0]).all()
    assert whole.fade[6:12].tolist() == [0, 0, 1, 1, 1, 1]
