import hashlib
from fractions import Fraction

import pytest

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video import plate_digest, probe

RATE = Fraction(24)


def test_plate_digest_of_a_movie_is_that_of_its_bytes(write_plate):
    path = write_plate("p.mov", "prores422hq", count=2)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert plate_digest(probe(path), FrameRange(1001, 1001)) == expected


def test_plate_digest_of_a_sequence_depends_on_the_range_and_its_files_only(write_plate):
    path = write_plate("p.%04d.exr", "exr", count=4)
    info = probe(path, frame_rate=RATE)
    inner = plate_digest(info, FrameRange(1002, 1003))
    assert inner != plate_digest(info, FrameRange(1002, 1004))
    path.with_name("p.1001.exr").write_bytes(b"other")
    assert plate_digest(info, FrameRange(1002, 1003)) == inner
    path.with_name("p.1003.exr").write_bytes(b"other")
    assert plate_digest(info, FrameRange(1002, 1003)) != inner


def test_plate_digest_names_a_missing_frame(write_plate):
    path = write_plate("p.%04d.exr", "exr", count=3)
    path.with_name("p.1002.exr").unlink()
    with pytest.raises(PlateError, match="frame 1002 is missing"):
        plate_digest(probe(path, frame_rate=RATE), FrameRange(1001, 1003))


def test_plate_digest_names_a_file_that_went_away(write_plate):
    path = write_plate("p.mov", "prores422hq", count=1)
    info = probe(path)
    path.unlink()
    with pytest.raises(PlateError, match=r"p\.mov: plate: got No such file"):
        plate_digest(info, info.frames)
