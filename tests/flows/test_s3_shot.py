"""The main job from a bucket to a bucket, and on a float EXR plate."""

import hashlib
import json

import numpy as np
import pytest

from flows.reage_shot import reage_shot
from reage.colour import REC709_FROM_ACESCG, decode_display, to_display
from reage.image import Image
from reage.video import open_writer, probe, read_frames
from tests.flows.conftest import write_shot

NUM_FRAMES = 4
LAMP = (slice(4, 20), slice(4, 24))

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def bucket(s3_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.endpoint_url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return s3_server.new_bucket()


def test_shot_goes_from_bucket_to_bucket(small_plate, tmp_path, s3_server, bucket):
    s3_server.client.upload_file(str(small_plate), bucket, "plates/sh0010.mov")
    shot = write_shot(
        tmp_path,
        f"s3://{bucket}/plates/sh0010.mov",
        cut_out=1000 + NUM_FRAMES,
        destination=f"s3://{bucket}/dailies",
        master="prores4444",
    )
    delivery = reage_shot(str(shot.manifest), work=str(tmp_path / "work"))
    prefix = "dailies/demo/sq010/sh0010/v001"
    assert delivery.uri == f"s3://{bucket}/{prefix}"

    def read(name):
        return s3_server.client.get_object(Bucket=bucket, Key=f"{prefix}/{name}")["Body"].read()

    data = read("index.json")
    assert hashlib.sha256(data).hexdigest() == delivery.index_sha256
    index = json.loads(data)
    assert index["version"] == "v001"
    assert {"master", "review", "wipe", "matte", "qc"} <= {f["role"] for f in index["files"]}
    for file in index["files"]:
        assert hashlib.sha256(read(file["name"])).hexdigest() == file["sha256"], file["name"]
    [master] = [file["name"] for file in index["files"] if file["role"] == "master"]
    (tmp_path / "master.mov").write_bytes(read(master))
    assert len(probe(tmp_path / "master.mov").frames) == NUM_FRAMES


@pytest.fixture(scope="module")
def exr_plate(small_plate, tmp_path_factory):
    """The plate's first frames as ACEScg floats, with a lamp of 16 in a corner and a dark -0.01."""
    pattern = tmp_path_factory.mktemp("exr") / "plate.%04d.exr"
    info = probe(small_plate)
    acescg_from_rec709 = np.linalg.inv(REC709_FROM_ACESCG)
    writer = open_writer(
        pattern,
        format="exr",
        width=info.width,
        height=info.height,
        frame_rate=info.frame_rate,
        colourspace="acescg",
    )
    frames = type(info.frames)(1001, 1000 + NUM_FRAMES)
    with writer:
        for frame, image in read_frames(info, frames, colourspace="rec709"):
            linear = decode_display(image.pixels) @ acescg_from_rec709.T
            pixels = np.ascontiguousarray(linear, np.float32)
            pixels[LAMP] = 16.0
            pixels[-8:, -8:] = -0.01
            writer.write(frame, Image(pixels, "acescg"))
    return pattern


def test_exr_shot_keeps_every_bit_outside_the_matte_and_ages_inside(exr_plate, tmp_path):
    shot = write_shot(tmp_path, exr_plate, cut_out=1000 + NUM_FRAMES, master="exr")
    text = shot.manifest.read_text()
    shot.manifest.write_text(
        text.replace("colourspace: rec709", 'colourspace: acescg\n  frame_rate: "24000/1001"')
    )
    delivery = reage_shot(str(shot.manifest), work=str(tmp_path / "work"))
    folder = shot.destination / "demo" / "sq010" / "sh0010" / delivery.version
    plate = _sequence(exr_plate)
    master = _sequence(_pattern(folder, "master"))
    mattes = _sequence(_pattern(folder, "matte"), colourspace="rec709")
    assert list(master) == list(mattes) == list(plate) == list(range(1001, 1001 + NUM_FRAMES))
    for frame, after in master.items():
        before, matte = plate[frame], mattes[frame].pixels.max(axis=2)
        outside = matte == 0
        assert np.array_equal(after.pixels[outside], before.pixels[outside])
        assert outside[LAMP].all()
        assert (after.pixels[LAMP] == 16.0).all()
        assert (after.pixels[-8:, -8:] == before.pixels[-8:, -8:]).all()
        shown = np.abs(to_display(after) - to_display(before))[matte > 0.5]
        assert shown.mean() > 0.005, "the face changes to the eye"
        assert shown.max() < 0.5
        assert np.isfinite(after.pixels).all()


def _pattern(folder, role):
    index = json.loads((folder / "index.json").read_text())
    first = min(file["name"] for file in index["files"] if file["role"] == role)
    stem, _, extension = first.rsplit(".", 2)
    return folder / f"{stem}.%04d.{extension}"


def _sequence(pattern, *, colourspace="acescg"):
    info = probe(pattern, frame_rate=24)
    return dict(read_frames(info, info.frames, colourspace=colourspace))
