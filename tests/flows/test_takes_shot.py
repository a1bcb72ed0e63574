"""The main job on a plate with cuts: the actor in two takes, somebody else alone in the third."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from flows.reage_shot import reage_shot
from reage.video import probe, read_frames
from tests.flows.conftest import write_shot
from tests.three_takes import TAKES

CHUNK = 4  # so that two chunks have a cut in their midst
LAST = TAKES[-1].last

pytestmark = pytest.mark.usefixtures("prefect_server")


def _render(folder, plate, chunk):
    shot = write_shot(folder, plate, cut_out=LAST)
    text = shot.manifest.read_text().replace("delivery:\n", "delivery:\n  review: false\n")
    shot.manifest.write_text(text)
    delivery = reage_shot(str(shot.manifest), work=str(folder / "work"), chunk=chunk)
    return shot, Path(delivery.uri.removeprefix("file://"))


def _file(folder, role):
    index = json.loads((folder / "index.json").read_text())
    return folder / min(file["name"] for file in index["files"] if file["role"] == role)


def _codes(folder, role):
    """16-bit codes of a delivered sequence by frame number."""
    stem, _, extension = str(_file(folder, role)).rsplit(".", 2)
    info = probe(f"{stem}.%04d.{extension}", frame_rate=24)
    frames = read_frames(info, info.frames, colourspace="rec709")
    return {number: image.to_uint16() for number, image in frames}


def _digests(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "index.json")
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


@pytest.fixture(scope="module")
def delivered(three_takes_plate, tmp_path_factory, prefect_server):
    """The shot in chunks that have cuts in their midst, rendered once."""
    return _render(tmp_path_factory.mktemp("takes"), three_takes_plate, CHUNK)


def test_actor_is_aged_in_both_takes_up_to_the_cut_and_the_third_is_the_plate(
    delivered, three_takes_plate
):
    _, folder = delivered
    info = probe(three_takes_plate)
    plate = {
        number: image.to_uint16()
        for number, image in read_frames(info, info.frames, colourspace="rec709")
    }
    master, matte = _codes(folder, "master"), _codes(folder, "matte")
    assert list(master) == list(plate)
    astronaut = {TAKES[0]: np.s_[:, :280], TAKES[1]: np.s_[:, 330:]}
    for take, side in astronaut.items():
        for frame in take:
            inside = matte[frame].max(axis=2) > 0
            assert matte[frame][side].max() == 65535, "the effect is full on each side of a cut"
            inside_elsewhere = inside.copy()
            inside_elsewhere[side] = False
            assert not inside_elsewhere.any(), "the other face is left alone"
            assert (master[frame] != plate[frame])[inside].mean() > 0.5
            assert np.array_equal(master[frame][~inside], plate[frame][~inside])
    for frame in TAKES[2]:
        assert np.array_equal(master[frame], plate[frame])
        assert not matte[frame].any()


def test_report_tells_takes_apart_and_that_the_third_was_left_alone(delivered):
    _, folder = delivered
    qc = json.loads(_file(folder, "qc").read_text())
    [actor] = qc["actors"]
    assert [take["decided_by"] for take in actor["takes"]] == [
        "largest face",
        "likeness",
        "no likeness",
    ]
    faces = {face["frame_number"]: face for face in actor["frames"]}
    assert {faces[frame]["fade"] for take in TAKES[:2] for frame in take} == {1.0}
    compared = [n for n, f in faces.items() if f["flicker"] and f["flicker"]["output_residual"]]
    assert compared == [*range(1002, 1006), *range(1007, 1011)], "never across a cut"
    measured = [n for n, f in faces.items() if f["measured_age"] is not None]
    assert measured == list(range(1001, 1011))
    assert qc["verdict"]["status"] == "needs review"
    assert any("left out of frames 1011-1015" in r
               for r in qc["verdict"]["reasons"])  # fmt: skip
    assert "1011-1015 not recognised" in _file(folder, "qc_page").read_text()


def test_change_does_not_jump_more_within_a_take_than_the_limit(delivered):
    _, folder = delivered
    qc = json.loads(_file(folder, "qc").read_text())
    jumps = [f["flicker"]["change_residual"] for f in qc["actors"][0]["frames"] if f["flicker"]]
    assert max(jump for jump in jumps if jump is not None) < 0.02


def test_chunks_at_the_cuts_and_a_run_taken_up_there_come_out_as_chunks_across_them(
    delivered, three_takes_plate, tmp_path
):
    _, across = delivered
    shot, at_the_cuts = _render(tmp_path, three_takes_plate, len(TAKES[0]))
    before, expected = _digests(at_the_cuts), _digests(across)
    pictures = [name for name in expected if name.endswith((".png", ".mov"))]
    assert len(pictures) == 2 * LAST - 2000 + 1  # master, matte and the contact sheet
    assert {name: before[name] for name in pictures} == {n: expected[n] for n in pictures}
    for stage in ("carried", "frames", "package"):  # as if killed after the first take's chunk
        steps = sorted(
            (tmp_path / "work").glob(f"demo/*/*/{stage}/[!.]*"), key=lambda p: p.stat().st_mtime_ns
        )
        for step in steps[stage != "package" :]:
            shutil.rmtree(step)
    shutil.rmtree(shot.destination)
    _, resumed = _render(tmp_path, three_takes_plate, len(TAKES[0]))
    assert _digests(resumed) == before
