import numpy as np
import pytest

from reage.head.camera import HeadCamera
from reage.look_sheet import compose_look_sheet
from reage.looks import Looks
from reage.turntable import Turntable, marked_frame, parsed_yaw, turntable_record


def angles(labels):
    return [HeadCamera(label[:16].reshape(4, 4).astype(float)).angles for label in labels]


def test_turntable_goes_from_one_angle_to_the_other_and_back():
    table = Turntable(first_yaw=-35, last_yaw=25, pitch=10, fps=24, seconds=2)
    yaws, pitches = np.array(angles(table.cameras())).T
    assert len(yaws) == table.num_frames == 48
    assert yaws[0] == pytest.approx(-35, abs=0.01)
    assert yaws[24] == pytest.approx(25, abs=0.01)
    assert yaws[1:24] == pytest.approx(yaws[:24:-1], abs=0.01)  # back as it came
    assert pitches == pytest.approx(10, abs=0.01)
    assert np.abs(np.diff([*yaws, yaws[0]])).max() < 4.0  # the loop closes without a jump


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"last_yaw": 80}, "last_yaw: got 80, expected -60 to 60 degrees"),
        ({"pitch": float("nan")}, "pitch: got nan"),
        ({"seconds": 0}, "24 frames a second for 0 s"),
        ({"target_age": 12}, "age: got 12, expected 18 to 100 years"),
    ],
)
def test_turntable_refuses_what_cannot_be_shown(fields, message):
    with pytest.raises(ValueError, match=message):
        Turntable(**fields)


def test_yaw_is_read_from_two_angles():
    assert parsed_yaw("-35:35") == (-35.0, 35.0)
    with pytest.raises(ValueError, match="yaw: got '35', expected two angles"):
        parsed_yaw("35")


def test_frame_says_that_it_is_generated_and_the_picture_stays():
    picture = np.full((256, 256, 3), 90, np.uint8)
    frame = marked_frame(picture, actor="ada", consent="DOC-1")
    assert (picture == 90).all()
    assert (frame[:200] == 90).all()
    assert (frame[230:] != 90).any()


def test_record_says_what_the_movie_is():
    record = turntable_record(Turntable(), movie_digest="ab", facts={"actor": "ada"})
    assert record["digital_source_type"].endswith("/trainedAlgorithmicMedia")
    assert record["movie"] == {"sha256": "ab", "frames": 96}
    assert (record["turntable"]["first_yaw"], record["actor"]) == (-35.0, "ada")


def test_sheet_shows_the_way_there_by_share_or_by_angle():
    table = Turntable(fps=24, seconds=2)
    assert table.sheet_frames() == {
        0: "-35 deg", 6: "-25 deg", 12: "+0 deg", 18: "+25 deg", 24: "+35 deg",
    }  # fmt: skip
    looks = Turntable(fps=24, seconds=2, looks=Looks(last="2"))
    assert list(looks.sheet_frames().values()) == ["0%", "15%", "50%", "85%", "100%"]
    assert len(Turntable(fps=2, seconds=1).sheet_frames()) == 2


def test_look_sheet_keeps_its_pictures_and_says_that_they_are_generated():
    frames = [np.full((64, 64, 3), value, np.uint8) for value in (50, 200)]
    sheet = compose_look_sheet(frames, ["0%", "100%"], actor="ada", consent="DOC-1")
    assert (sheet[28:92, 4:68] == 50).all()
    assert (sheet[28:92, 72:136] == 200).all()
    assert (sheet[92:].max(axis=(0, 1)) > 150).all()  # the line below
