"""The main job on a small real shot: real plate, real faces, real network, real delivery."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import flows.reage_shot
from flows.reage_sequence import reage_sequence
from flows.reage_shot import reage_shot
from reage.errors import ConsentError, FaceError, PlateError, ReageError, StorageError
from reage.framerange import FrameRange
from reage.video import open_writer, probe, read_frames
from tests.flows.conftest import write_shot

ROOT = Path(__file__).parents[2]
CHUNK = 4

pytestmark = pytest.mark.usefixtures("prefect_server")


def _folder(delivery) -> Path:
    return Path(delivery.uri.removeprefix("file://"))


def _digests(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "index.json")
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


@pytest.fixture(scope="module")
def delivered(small_plate, tmp_path_factory, prefect_server):
    """The shot, delivered once for the tests that look at the result."""
    folder = tmp_path_factory.mktemp("shot")
    shot = write_shot(folder, small_plate)
    return shot, _folder(reage_shot(str(shot.manifest), work=str(folder / "work"), chunk=CHUNK))


def test_delivery_holds_every_role_with_a_true_digest(delivered):
    _, folder = delivered
    index = json.loads((folder / "index.json").read_text())
    roles = {file["role"] for file in index["files"]}
    assert {"master", "review", "wipe", "matte", "contact_sheet", "qc", "qc_page"} <= roles
    for file in index["files"]:
        data = (folder / file["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"], file["name"]


def test_face_changes_and_pixels_outside_the_matte_are_bit_identical(delivered, small_plate):
    _, folder = delivered
    plate = {f: i for f, i in _frames(small_plate)}
    master = {f: i for f, i in _sequence(folder, "master")}
    mattes = {f: i for f, i in _sequence(folder, "matte")}
    assert list(master) == list(plate) == list(mattes)
    changed = []
    for frame, image in master.items():
        before, after = plate[frame].to_uint16(), image.to_uint16()
        inside = mattes[frame].pixels.max(axis=2) > 0
        np.testing.assert_array_equal(before[~inside], after[~inside])
        assert 0.01 < inside.mean() < 0.5
        changed.append((before[inside] != after[inside]).mean())
    assert min(changed) > 0.5


def test_second_run_keeps_the_version_it_has(delivered, small_plate):
    shot, folder = delivered
    work = shot.manifest.parents[3] / "work"
    again = reage_shot(str(shot.manifest), work=str(work), chunk=CHUNK)
    assert _folder(again) == folder
    assert [p.name for p in folder.parent.iterdir() if (p / "index.json").exists()] == ["v001"]


def test_qc_says_what_was_asked_and_measured(delivered):
    _, folder = delivered
    index = json.loads((folder / "index.json").read_text())
    [name] = [file["name"] for file in index["files"] if file["role"] == "qc"]
    qc = json.loads((folder / name).read_text())
    [actor] = qc["actors"]
    assert actor["actor"] == "astronaut"
    assert [frame["frame_number"] for frame in actor["frames"]] == list(range(1001, 1013))
    assert {frame["target_age"] for frame in actor["frames"]} == {75.0}
    source, measured = (
        np.mean([f[key] for f in actor["frames"]]) for key in ("source_age", "measured_age")
    )
    assert measured > source + 2.0
    assert {frame["outside_matte_difference"] for frame in qc["frames"]} == {0.0}


def test_run_killed_at_any_chunk_resumes_to_identical_bytes(delivered, tmp_path, small_plate):
    _, whole = delivered
    shot = write_shot(tmp_path, small_plate)
    work = tmp_path / "work"
    code = (
        "from flows.reage_shot import reage_shot;"
        f"reage_shot({str(shot.manifest)!r}, work={str(work)!r}, chunk={CHUNK})"
    )
    waits = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}  # a busy machine is slow
    env = {**os.environ, **waits, "PREFECT_HOME": str(tmp_path / "prefect")}
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)
    deadline = time.monotonic() + 300
    while not list(work.glob("demo/*/*/measures/[!.]*")):
        assert process.poll() is None and time.monotonic() < deadline, "no chunk was finished"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    chunks = work.glob("demo/*/*/frames/[!.]*/patches.f32")
    # The first is measured already, so it was entered in the ledger; a second may just not be.
    finished = min(chunks, key=lambda path: path.stat().st_mtime_ns)
    finished_ns = finished.stat().st_mtime_ns
    assert not list(shot.destination.rglob("index.json"))
    resumed = _folder(reage_shot(str(shot.manifest), work=str(work), chunk=CHUNK))
    assert _digests(resumed) == _digests(whole)
    assert finished.stat().st_mtime_ns == finished_ns, "a finished chunk was done again"


def test_chunked_equals_whole(delivered, tmp_path, small_plate):
    _, chunked = delivered
    shot = write_shot(tmp_path, small_plate)
    whole = _folder(reage_shot(str(shot.manifest), work=str(tmp_path / "work"), chunk=64))
    for frame, image in _sequence(whole, "master"):
        [(_, same)] = _sequence(chunked, "master", FrameRange(frame, frame))
        # Batches of another size sum in another order, which may tip a code value over.
        difference = image.to_uint16().astype(int) - same.to_uint16().astype(int)
        assert np.abs(difference).max() <= 1


def test_delivered_manifest_says_what_was_rendered(small_plate, tmp_path, monkeypatch):
    shot = write_shot(tmp_path, small_plate, cut_out=1004)
    rendered = shot.manifest.read_text()

    def package(*settings, **more):
        shot.manifest.write_text(rendered.replace("target_age: 75", "target_age: 25"))
        return packaged(*settings, **more)

    packaged = flows.reage_shot.package_shot
    monkeypatch.setattr(flows.reage_shot, "package_shot", package)
    folder = _folder(reage_shot(str(shot.manifest), work=str(tmp_path / "work")))
    [sent] = folder.glob("*manifest*.yaml")
    assert sent.read_text() == rendered


def test_expired_consent_stops_the_shot_before_any_frame_is_read(small_plate, tmp_path):
    shot = write_shot(tmp_path, small_plate, expires="2001-01-01")
    with pytest.raises(ConsentError, match="2001-01-01"):
        reage_shot(str(shot.manifest), work=str(tmp_path / "work"))
    assert not (tmp_path / "work").exists()


def test_shot_without_a_face_says_so(tmp_path):
    plate = tmp_path / "empty.mov"
    with open_writer(plate, format="prores422hq", width=160, height=90, frame_rate=24) as writer:
        for frame in range(1001, 1005):
            writer.write(frame, np.full((90, 160, 3), 30000, np.uint16))
    shot = write_shot(tmp_path, plate, cut_out=1004)
    with pytest.raises(
        FaceError, match=r"faces: got none in frames 1001-1004, expected at least one"
    ):
        reage_shot(str(shot.manifest), work=str(tmp_path / "work"))


def test_truncated_plate_says_so(small_plate, tmp_path):
    plate = tmp_path / "truncated.mov"
    plate.write_bytes(small_plate.read_bytes()[: small_plate.stat().st_size // 2])
    shot = write_shot(tmp_path, plate)
    with pytest.raises(PlateError, match=r"truncated\.mov"):
        reage_shot(str(shot.manifest), work=str(tmp_path / "work"))


def test_unreachable_bucket_is_one_sentence_before_any_work(small_plate, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    shot = write_shot(tmp_path, small_plate, destination="s3://dailies/show", cut_out=1004)
    with pytest.raises(StorageError, match="s3://dailies"):
        reage_shot(str(shot.manifest), work=str(tmp_path / "work"), chunk=CHUNK)
    assert not list((tmp_path / "work").rglob("ledger"))


def test_sequence_delivers_the_good_shots_and_names_the_failed_one(small_plate, tmp_path):
    good = write_shot(tmp_path, small_plate, cut_out=1004)
    bad = good.manifest.with_name("sh0020.yaml")
    text = good.manifest.read_text().replace("shot: sh0010", "shot: sh0020")
    bad.write_text(text.replace(str(small_plate), str(tmp_path / "missing.mov")))
    with pytest.raises(ReageError, match=r"1 of 2 shots failed\n.*missing\.mov"):
        reage_sequence(str(good.manifest.parent), work=str(tmp_path / "work"), chunk=CHUNK)
    assert list(tmp_path.glob("delivery/demo/sq010/sh0010/v001/index.json"))


def _frames(path, frames=None):
    info = probe(path)
    return read_frames(info, frames or info.frames, colourspace="rec709")


def _sequence(folder, role, frames=None):
    index = json.loads((folder / "index.json").read_text())
    first = min(file["name"] for file in index["files"] if file["role"] == role)
    stem, _, extension = first.rsplit(".", 2)
    info = probe(folder / f"{stem}.%04d.{extension}", frame_rate=24)
    return read_frames(info, frames or info.frames, colourspace="rec709")
