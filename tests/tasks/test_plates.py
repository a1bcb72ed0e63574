from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reage.errors import ColourError, PlateError, StorageError
from reage.framerange import FrameRange
from reage.video import probe, read_frames
from reage.workspace import Workspace
from tasks.crops import plate_frames
from tasks.plates import locate_plate
from tasks.retries import may_pass
from tests.s3_server import Fault, FaultyRelay
from tests.tasks.conftest import SHOT, write_frames


def codes(index):
    """A small frame that tells its index."""
    return np.full((36, 64, 3), 2000 + 1000 * index, np.uint16)


def locate(uri, workspace, *, first, last, first_frame=1001, frame_rate=None, **settings):
    return locate_plate.fn(
        str(uri),
        frames=FrameRange(first, last),
        first_frame=first_frame,
        colourspace=settings.pop("colourspace", "rec709"),
        frame_rate=frame_rate,
        workspace=workspace,
        **settings,
    )


@pytest.fixture
def movie(tmp_path):
    return write_frames(tmp_path / "plate.mkv", map(codes, range(8)))


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """A bucket where the environment's endpoint points to."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.endpoint_url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return s3_server.new_bucket()


def level_of(ref, frame):
    [(number, image)] = plate_frames(ref, FrameRange(frame, frame))
    assert number == frame
    return int(image.to_uint16()[0, 0, 0])


def test_plate_is_located_with_the_studios_frame_numbers(movie, workspace):
    ref = locate(movie, workspace, first=102, last=105, first_frame=101)
    assert ref.frames == FrameRange(102, 105)
    assert level_of(ref, 102) == 3000
    assert level_of(ref, 105) == 6000


def test_colour_configuration_is_part_of_what_results_depend_on(movie, workspace):
    there = {"first": 1001, "last": 1004}
    plain = locate(movie, workspace, **there)
    logs = [
        locate(movie, workspace, **there, colourspace="ACEScct", ocio=f"ocio://{name}")
        for name in ("cg-config-v2.1.0_aces-v1.3_ocio-v2.3", "cg-config-v2.2.0_aces-v1.3_ocio-v2.4")
    ]
    brighter = locate(movie, workspace, **there, colourspace="ACEScct", exposure=0.5)
    contents = [ref.content for ref in (plain, *logs, brighter)]
    assert plain.colour_digest is None and all(ref.colour_digest for ref in logs)
    assert len(set(contents)) == 4
    assert not any("ocio" in str(content) for content in contents), "nor where it lies"


def test_unknown_colourspace_is_one_sentence_before_anything_is_fetched(workspace, monkeypatch):
    monkeypatch.delenv("OCIO", raising=False)
    with pytest.raises(ColourError, match="did you mean ACEScg"):
        locate("s3://nowhere/p.mov", workspace, first=1, last=2, colourspace="ACEScgg")


def test_file_uri_is_the_path(movie, workspace):
    by_path = locate(movie, workspace, first=1001, last=1008)
    assert locate(f"file://{movie}", workspace, first=1001, last=1008) == by_path


@pytest.mark.parametrize(("first", "last"), [(1000, 1004), (1001, 1009)])
def test_frames_that_the_plate_lacks_are_named_with_those_it_has(movie, workspace, first, last):
    with pytest.raises(PlateError) as caught:
        locate(movie, workspace, first=first, last=last)
    assert str(caught.value) == (
        f"{movie}: frames: got 1001-1008, expected {first}-{last} (cut and handles); "
        "correct plate.first_frame, cut_in, cut_out or handles"
    )


def test_frame_missing_amid_a_sequence_is_named(tmp_path, workspace):
    pattern = write_frames(tmp_path / "p.%04d.png", map(codes, range(6)), format="png16")
    (tmp_path / "p.1003.png").unlink()
    with pytest.raises(PlateError, match=r"frame 1003 is missing: got 5 of 6 frames"):
        locate(pattern, workspace, first=1001, last=1006, frame_rate=Fraction(24))


def test_frame_missing_outside_the_shot_does_not_matter(tmp_path, workspace):
    pattern = write_frames(tmp_path / "p.%04d.png", map(codes, range(6)), format="png16")
    (tmp_path / "p.1002.png").unlink()
    ref = locate(pattern, workspace, first=1003, last=1006, frame_rate=Fraction(24))
    assert level_of(ref, 1006) == 7000


def test_plate_of_another_rate_than_the_manifests_is_refused(movie, workspace):
    with pytest.raises(PlateError, match="frame rate: got 24, expected 25 as the manifest says"):
        locate(movie, workspace, first=1001, last=1008, frame_rate=Fraction(25))


def test_plate_on_s3_is_the_one_on_disk(movie, workspace, bucket, s3_server):
    s3_server.client.upload_file(str(movie), bucket, "show/plate.mkv")
    ref = locate(f"s3://{bucket}/show/plate.mkv", workspace, first=1001, last=1008)
    assert ref.content == locate(movie, workspace, first=1001, last=1008).content
    assert level_of(ref, 1008) == 9000


def test_plate_on_s3_is_fetched_once_and_found_again(movie, tmp_path, bucket, s3_server):
    s3_server.client.upload_file(str(movie), bucket, "plate.mkv")
    uri = f"s3://{bucket}/plate.mkv"
    first = locate(uri, Workspace(tmp_path / "work", SHOT), first=1001, last=1008)
    written = _stamp(first.path)
    assert locate(uri, Workspace(tmp_path / "work", SHOT), first=1001, last=1008) == first
    assert _stamp(first.path) == written


def test_what_was_fetched_is_listed_and_not_read_again(movie, tmp_path, bucket, s3_server):
    s3_server.client.upload_file(str(movie), bucket, "plate.mkv")
    uri = f"s3://{bucket}/plate.mkv"
    with (
        FaultyRelay(s3_server, lambda *_: None) as relay,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint_url)
        for _ in range(3):
            locate(uri, Workspace(tmp_path / "work", SHOT), first=1001, last=1008)
        assert relay.count("GET", "/plate.mkv") == 1


def test_plate_replaced_while_it_is_fetched_is_refused(
    movie, tmp_path, workspace, bucket, s3_server
):
    s3_server.client.upload_file(str(movie), bucket, "plate.mkv")
    other = write_frames(tmp_path / "other.mkv", (codes(20 + i) for i in range(8)))

    def replace_it(method, path):
        if method == "GET" and "/plate.mkv" in path:
            s3_server.client.upload_file(str(other), bucket, "plate.mkv")

    with FaultyRelay(s3_server, replace_it) as relay, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint_url)
        with pytest.raises(StorageError, match="objects that changed while they were fetched"):
            locate(f"s3://{bucket}/plate.mkv", workspace, first=1001, last=1008)
    assert not list(workspace.folder.rglob("plate.mkv"))


def test_plate_replaced_on_s3_is_fetched_anew(movie, tmp_path, workspace, bucket, s3_server):
    uri = f"s3://{bucket}/plate.mkv"
    s3_server.client.upload_file(str(movie), bucket, "plate.mkv")
    before = locate(uri, workspace, first=1001, last=1008)
    other = write_frames(tmp_path / "other.mkv", (codes(20 + i) for i in range(8)))
    s3_server.client.upload_file(str(other), bucket, "plate.mkv")
    after = locate(uri, workspace, first=1001, last=1008)
    assert after.digest != before.digest
    assert level_of(after, 1001) == 22000


@pytest.mark.parametrize("pattern", ["p.%04d.png", "p.####.png"])
def test_image_sequence_on_s3_is_fetched_whole_and_alone(
    tmp_path, workspace, bucket, s3_server, pattern
):
    local = write_frames(tmp_path / "p.%04d.png", map(codes, range(4)), format="png16")
    for path in sorted(tmp_path.glob("p.*.png")):
        s3_server.client.upload_file(str(path), bucket, f"show/{path.name}")
    for stranger in ("p.1001.png.bak", "p.old/p.1001.png", "p.notes.txt", "plate.1001.png"):
        s3_server.client.put_object(Bucket=bucket, Key=f"show/{stranger}", Body=b"not a frame")
    uri = f"s3://{bucket}/show/{pattern}"
    ref = locate(uri, workspace, first=1001, last=1004, frame_rate=Fraction(24))
    assert ref.content == (
        locate(local, workspace, first=1001, last=1004, frame_rate=Fraction(24)).content
    )
    info = probe(ref.path, frame_rate=Fraction(24))
    assert [f for f, _ in read_frames(info, ref.frames, colourspace="rec709")] == [*ref.frames]
    fetched = {p.name for p in workspace.folder.rglob("p.*")}
    assert fetched == {f"p.{frame}.png" for frame in ref.frames}


def test_sequence_that_is_not_on_s3_is_one_sentence(workspace, bucket):
    with pytest.raises(StorageError, match=r"p\.%04d\.exr: list: got no object, expected files"):
        locate(f"s3://{bucket}/p.%04d.exr", workspace, first=1001, last=1004)


def test_movie_that_is_not_on_s3_is_one_sentence(workspace, bucket):
    with pytest.raises(StorageError, match=r"no-such\.mov: list: got no object, expected files"):
        locate(f"s3://{bucket}/no-such.mov", workspace, first=1001, last=1004)


def test_sequence_whose_fetching_fails_half_way_leaves_nothing_behind(
    tmp_path, workspace, bucket, s3_server
):
    write_frames(tmp_path / "p.%04d.png", map(codes, range(4)), format="png16")
    for path in sorted(tmp_path.glob("p.*.png")):
        s3_server.client.upload_file(str(path), bucket, path.name)
    uri = f"s3://{bucket}/p.%04d.png"

    def refuse_the_third_frame(method, path):
        is_reading = method == "GET" and "p.1003" in path
        return Fault(status=403, code="AccessDenied") if is_reading else None

    with (
        FaultyRelay(s3_server, refuse_the_third_frame) as relay,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint_url)
        with pytest.raises(StorageError, match=r"p\.1003\.png: read: got 403"):
            locate(uri, workspace, first=1001, last=1004, frame_rate=Fraction(24))
    assert not list(workspace.folder.rglob("p.*"))
    ref = locate(uri, workspace, first=1001, last=1004, frame_rate=Fraction(24))
    assert level_of(ref, 1003) == 4000


def test_locating_is_tried_again_only_when_that_may_help():
    assert locate_plate.retries == 3
    assert locate_plate.retry_condition_fn is may_pass


def _stamp(path):
    return Path(path).stat().st_mtime_ns
