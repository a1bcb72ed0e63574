"""A shot of half-float OpenEXR frames with overscan: what a compositor gets back."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import opentimelineio as otio
import pytest

from flows.reage_shot import reage_shot
from reage.colour import decode_display
from reage.video import probe, read_frames
from tests.flows.conftest import write_shot

FRAMES = range(1001, 1005)
OVERSCAN = 16

pytestmark = pytest.mark.usefixtures("prefect_server")

SETTINGS = """\
  exposure: 0.5
  frame_rate: "24000/1001"
"""
LIMITS = """\
qc:
  max_age_error: 0.001
"""


def write_exr_plate(movie, folder):
    """The movie's first frames, darker by half a stop, as linear light with overscan and depth."""
    info = probe(movie)
    for number, image in read_frames(info, info.frames, colourspace="rec709"):
        if number not in FRAMES:
            return folder / "plate.####.exr"
        linear = decode_display(image.pixels) * np.float32(2.0**-0.5)
        wide = np.pad(linear, ((OVERSCAN, OVERSCAN), (OVERSCAN, OVERSCAN), (0, 0)), "edge")
        wide = wide.astype(np.float16)
        channels = {name: np.ascontiguousarray(wide[..., i]) for i, name in enumerate("RGB")}
        channels["Z"] = np.random.default_rng(number).random(wide.shape[:2]).astype(np.float32)
        header = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "displayWindow": (
                np.array([0, 0], np.int32),
                np.array([image.width - 1, image.height - 1], np.int32),
            ),
            "dataWindow": (
                np.array([-OVERSCAN, -OVERSCAN], np.int32),
                np.array([image.width + OVERSCAN - 1, image.height + OVERSCAN - 1], np.int32),
            ),
            "slate:take": "7B",
            "framesPerSecond": Fraction(24000, 1001),
        }
        OpenEXR.File(header, channels).write(str(folder / f"plate.{number}.exr"))
    return folder / "plate.####.exr"


def channels_of(path):
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: c.pixels.copy() for name, c in file.channels().items()}, dict(file.header())


@pytest.fixture(scope="module")
def delivered(small_plate, tmp_path_factory, prefect_server):
    folder = tmp_path_factory.mktemp("exr")
    plate = write_exr_plate(small_plate, folder)
    shot = write_shot(folder, plate, master="exr", cut_out=FRAMES[-1])
    text = shot.manifest.read_text().replace("colourspace: rec709", "colourspace: linear_rec709")
    shot.manifest.write_text(text.replace("  first_frame: 1001\n", SETTINGS) + LIMITS)
    delivery = reage_shot(str(shot.manifest), work=str(folder / "work"), chunk=2)
    return folder, Path(delivery.uri.removeprefix("file://"))


def files_of(folder, role):
    index = json.loads((folder / "index.json").read_text())
    return [folder / file["name"] for file in index["files"] if file["role"] == role]


def test_master_is_the_plates_file_but_for_the_face(delivered):
    plates, delivery = delivered
    for number, path in zip(FRAMES, files_of(delivery, "master"), strict=True):
        before, said = channels_of(plates / f"plate.{number}.exr")
        after, says = channels_of(path)
        matte = after["matte.A"]
        assert 0.005 < (matte > 0).mean() < 0.5
        for name, values in before.items():
            assert values.dtype == after[name].dtype
            assert values[matte == 0].tobytes() == after[name][matte == 0].tobytes()
        assert before["Z"].tobytes() == after["Z"].tobytes()
        assert (before["G"] != after["G"])[matte > 0].mean() > 0.5
        whole = before["G"].astype(np.float32) + after["delta.G"]
        np.testing.assert_allclose(whole, after["G"], rtol=2e-3, atol=1e-4)
        for name in ("dataWindow", "displayWindow", "slate:take", "framesPerSecond"):
            assert repr(says[name]) == repr(said[name])
        assert says["reage:consent"] == "NASA-PUBLIC-DOMAIN"
        assert says["reage:digitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")


def test_clips_show_the_display_window(delivered, small_plate):
    _, delivery = delivered
    [wipe] = files_of(delivery, "wipe")
    plate, shown = probe(small_plate), probe(wipe)
    assert (shown.width, shown.height) == (plate.width, plate.height)


def test_shot_beyond_a_limit_of_its_manifest_is_delivered_as_needs_review(delivered):
    _, delivery = delivered
    facts = json.loads((delivery / "index.json").read_text())["facts"]
    assert facts["verdict"] == "needs review"
    assert "distance of the apparent age" in facts["reasons"][0]
    [page] = files_of(delivery, "qc_page")
    assert "Needs review" in page.read_text()
    [qc] = files_of(delivery, "qc")
    measured = json.loads(qc.read_text())
    assert measured["thresholds"]["max_age_error"] == 0.001
    assert measured["colour"] == "linear_rec709, seen at +0.5 stops"
    assert all(0 < frame["matte_coverage"] < 0.5 for frame in measured["frames"])
    assert "1992-01-01 to 2100-01-01" in measured["actors"][0]["consent_terms"]
    assert {"master, 4 frames", "review", "timeline"} <= set(measured["outputs"])


def test_timeline_plays_plate_and_version_over_the_shots_frames(delivered):
    plates, delivery = delivered
    [path] = files_of(delivery, "timeline")
    timeline = otio.adapters.read_from_file(str(path), "otio_json")
    plate, version = (next(iter(track)) for track in timeline.tracks)
    assert timeline.tracks[1].name == "version" and version.markers
    assert plate.media_reference.target_url_for_image_number(0) == f"file://{plates}/plate.1001.exr"
    for number in range(len(FRAMES)):
        url = version.media_reference.target_url_for_image_number(number)
        assert (path.parent / url).is_file()
    assert plate.duration() == version.duration()
    assert version.duration().to_frames() == len(FRAMES)
