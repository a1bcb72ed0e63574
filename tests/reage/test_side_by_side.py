import numpy as np
import pytest

from reage.errors import PlateError
from reage.side_by_side import write_side_by_side
from reage.video import open_writer, probe, read_frames


def movie(path, tone, *, num_frames=3, width=64):
    with open_writer(path, format="prores422hq", width=width, height=48, frame_rate=24) as writer:
        for number in range(num_frames):
            writer.write(1001 + number, np.full((48, width, 3), tone, np.uint8))
    return path


def test_both_movies_stand_beside_one_another(tmp_path):
    left, right = movie(tmp_path / "a.mov", 60), movie(tmp_path / "b.mov", 200)
    clip = tmp_path / "clip.mp4"
    write_side_by_side(left, right, clip, labels=("prior", "adapter"))
    info = probe(clip)
    assert (info.width, info.height, len(info.frames)) == (128, 48, 3)
    for _, image in read_frames(info, info.frames, colourspace="rec709"):
        top = image.to_uint8()[:20].astype(int)
        assert abs(np.median(top[:, :60]) - 60) <= 3
        assert abs(np.median(top[:, 68:]) - 200) <= 3


def test_movies_that_do_not_belong_together_are_named(tmp_path):
    left = movie(tmp_path / "a.mov", 60)
    right = movie(tmp_path / "b.mov", 60, num_frames=4)
    with pytest.raises(PlateError, match="expected width, height, rate and length"):
        write_side_by_side(left, right, tmp_path / "clip.mp4", labels=("", ""))
    assert not (tmp_path / "clip.mp4").exists()
