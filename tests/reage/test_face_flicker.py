import numpy as np
import pytest

from reage.face_flicker import FaceFlicker
from reage.framerange import FrameRange
from reage.takes import ActorTake
from tests.standing_track import track

TAKES = (
    ActorTake(frames=FrameRange(1001, 1003), track_id=0, decided_by="largest face"),
    ActorTake(frames=FrameRange(1004, 1006), track_id=None, decided_by="no face"),
    ActorTake(frames=FrameRange(1007, 1009), track_id=1, decided_by="likeness", similarity=0.9),
)
SIZE = (480, 270)


@pytest.fixture
def pictures():
    """A grey of every frame, with noise that differs; RGB float32, (270, 480, 3)."""
    rng = np.random.default_rng(4)
    return {
        frame: rng.uniform(0.3, 0.7, (270, 480, 1)).astype(np.float32).repeat(3, axis=2)
        for frame in range(1001, 1010)
    }


def measured(pictures, takes=TAKES):
    whole = track(0, FrameRange(1001, 1009))
    whole.landmarks[6:] += [250, 120]
    meter = FaceFlicker(whole, takes, SIZE)
    matte = np.ones((270, 480), np.float32)
    return {
        frame: meter.push(frame, picture, picture * np.float32(0.9), matte)
        for frame, picture in pictures.items()
    }


def test_frame_is_not_compared_across_a_cut_nor_measured_without_the_actor(pictures):
    found = measured(pictures)
    assert [frame for frame, figures in found.items() if figures is None] == [1004, 1005, 1006]
    begins = [n for n, f in found.items() if f is not None and f.sharpness_kept and not f.trusted]
    assert begins == [1001, 1007]
    for frame in (1001, 1007):
        assert found[frame].output_residual is None
        assert found[frame].sharpness_kept == pytest.approx(0.81, abs=1e-3)


def test_take_is_measured_as_it_is_by_itself(pictures):
    found = measured(pictures)
    alone = measured({frame: pictures[frame] for frame in (1007, 1008, 1009)})
    assert [found[frame] for frame in alone] == list(alone.values())


def test_window_of_a_take_is_where_its_own_face_is(pictures):
    before = measured(pictures)
    for frame in (1007, 1008, 1009):  # what goes on where the face was in the first take
        pictures[frame][:80, :180] = 0.0
    after = measured(pictures)
    assert [after[frame] for frame in (1007, 1008, 1009)] == [
        before[frame] for frame in (1007, 1008, 1009)
    ]
