import os
import subprocess
import sys
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from reage.errors import ManifestError, NamingError
from reage.manifest import find_actor, validate

ROOT = Path(__file__).parents[3]
TODAY = date(2026, 6, 1)


@pytest.fixture
def manifests(tmp_path):
    """The project's examples, copied so that a test may spoil them."""
    for name in ("actors/ada.yaml", "shots/demo/sq010/sh0010.yaml"):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((ROOT / "manifests" / name).read_text())
    return tmp_path


def spoil(path, *changes):
    text = path.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)


def lines(report, folder):
    return [str(problem).removeprefix(f"{folder}/") for problem in report.problems]


def test_validate_reads_the_actors_that_a_shot_names(manifests):
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    report = validate(shot, today=TODAY)
    assert report.is_valid
    assert report.files == (shot, manifests / "actors/ada.yaml")


def test_validate_warns_of_a_plate_that_is_not_there_until_it_is(manifests):
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    spoil(shot, ("../../../../work/demo/plate/demo_sq010_sh0010_plate_v001.mov", "plate.mov"))
    report = validate(shot, today=TODAY)
    assert report.is_valid
    (warning,) = report.warnings
    assert str(warning).startswith(f"{shot}:11: plate.uri: got 'plate.mov', expected something")
    (shot.parent / "plate.mov").touch()
    assert validate(shot, today=TODAY).warnings == ()


@pytest.mark.parametrize("key", ["matte", "occlusion_matte"])
def test_validate_warns_of_a_matte_that_is_not_there_until_it_is(manifests, key):
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    plate = ("../../../../work/demo/plate/demo_sq010_sh0010_plate_v001.mov", "plate.mov")
    spoil(shot, plate, ("    target_age: 72", f"    {key}: front.mov\n    target_age: 72"))
    (shot.parent / "plate.mov").touch()
    (warning,) = validate(shot, today=TODAY).warnings
    assert f"actors[0].{key}: got 'front.mov'" in str(warning)
    (shot.parent / "front.mov").touch()
    assert validate(shot, today=TODAY).warnings == ()


@pytest.mark.parametrize("pattern", ["plate.####.exr", "plate.%04d.exr"])
def test_validate_looks_for_the_frames_of_an_image_sequence(manifests, pattern):
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    spoil(
        shot,
        (
            "../../../../work/demo/plate/demo_sq010_sh0010_plate_v001.mov",
            f"{pattern}\n  frame_rate: 24",
        ),
    )
    (shot.parent / "plate.beauty.exr").touch()
    assert len(validate(shot, today=TODAY).warnings) == 1
    (shot.parent / "plate.1001.exr").touch()
    assert validate(shot, today=TODAY).warnings == ()


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            "colourspace: ARRI LogC5 (EI800)",
            "colourspace: got 'ARRI LogC5 (EI800)', expected one of the ",
        ),
        (
            "colourspace: sRGB - Display",
            "colourspace: got 'sRGB - Display' of ocio://",
        ),
        (
            "colourspace: show_log\n  ocio: show.ocio",
            "ocio: got '{folder}/shots/demo/sq010/show.ocio', which is not there, expected a file",
        ),
    ],
)
def test_validate_looks_colourspaces_up(manifests, monkeypatch, keys, sentence):
    monkeypatch.delenv("OCIO", raising=False)
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    spoil(shot, ("  cut_in: 1001 ", f"  {keys}\n  cut_in: 1001 "))
    [line] = lines(validate(manifests, today=TODAY), manifests)
    assert f"plate.{sentence.replace('{folder}', str(manifests))}" in line
    spoil(shot, (keys, "colourspace: ARRI LogC3 (EI800)"))
    assert validate(manifests, today=TODAY).is_valid


def test_validate_names_a_configuration_whose_path_reads_like_a_sentence(manifests):
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    spoil(shot, ("  cut_in: 1001 ", "  colourspace: log\n  ocio: forgot me.ocio\n  cut_in: 1001 "))
    [line] = lines(validate(manifests, today=TODAY), manifests)
    assert f"plate.ocio: got '{shot.parent}/forgot me.ocio', which is not there, expected" in line


@pytest.mark.parametrize("plate", ["locked/plate.mov", "locked/plate.####.exr"])
def test_validate_warns_of_a_plate_that_cannot_be_seen(manifests, monkeypatch, plate):
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    place = "../../../../work/demo/plate/demo_sq010_sh0010_plate_v001.mov"
    spoil(shot, (place, f"{plate}\n  frame_rate: 24" if "#" in plate else plate))
    locked = shot.parent / "locked"
    locked.mkdir()

    def refusing(own, path, *arguments, **options):
        if not isinstance(path, int) and Path(os.fsdecode(path)).is_relative_to(locked):
            raise PermissionError(13, "Permission denied", path)
        return own(path, *arguments, **options)

    with monkeypatch.context() as patch:
        for name in ("stat", "listdir", "scandir"):
            patch.setattr(os, name, partial(refusing, getattr(os, name)))
        report = validate(shot, today=TODAY)
    assert report.is_valid
    (warning,) = report.warnings
    assert f"plate.uri: got '{plate}', expected something there" in str(warning)


def test_validate_names_a_near_actor_when_there_is_none(manifests):
    spoil(manifests / "shots/demo/sq010/sh0010.yaml", ("actor: ada ", "actor: adda "))
    assert lines(validate(manifests, today=TODAY), manifests) == [
        "shots/demo/sq010/sh0010.yaml:16: actors[0].actor: got adda, "
        "expected actors/adda.yaml in a folder above; did you mean ada"
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("expires: 2036-12-31", "expires: 2026-05-31"),
            ":23: consent.expires: got 2026-05-31, expected 2026-06-01 or later; "
            "ask the production for a new consent document",
        ),
        (
            ("# revoked: 2027-05-01", "revoked: 2026-06-01"),
            ":24: consent.revoked: got 2026-06-01, expected no withdrawal by 2026-06-01; "
            "stop work with this actor and ask the production",
        ),
        (
            ("granted: 2026-01-01", "granted: 2026-06-02"),
            ":22: consent.granted: got 2026-06-02, expected 2026-06-01 or earlier; "
            "wait until the consent begins",
        ),
        (
            ("scope: [render, train]", "scope: [train]"),
            ":20: consent.scope: got train, expected render among the uses; "
            "ask the production for a new consent document",
        ),
        (
            ("shows: [demo]", "shows: [other]"),
            ":21: consent.shows: got other, expected demo among the shows; "
            "ask the production for a new consent document",
        ),
    ],
)
def test_validate_refuses_consent_that_does_not_cover_the_shot(manifests, change, sentence):
    spoil(manifests / "actors/ada.yaml", change)
    report = validate(manifests / "shots", today=TODAY)
    assert lines(report, manifests) == [f"actors/ada.yaml{sentence}"]


def test_validate_refuses_another_consent_document_than_the_actors(manifests):
    spoil(manifests / "shots/demo/sq010/sh0010.yaml", ("DEMO-2026-001", "DEMO-2026-002"))
    (line,) = lines(validate(manifests, today=TODAY), manifests)
    assert line == (
        "shots/demo/sq010/sh0010.yaml:23: consent.document_id: got 'DEMO-2026-002', "
        "expected 'DEMO-2026-001', the document of ada"
    )


def test_validate_tells_the_mistakes_of_every_file_once_and_in_order(manifests):
    first = manifests / "shots/demo/sq010/sh0010.yaml"
    second = first.with_name("sh0020.yaml")
    second.write_text(first.read_text().replace("sh0010", "sh0020"))
    spoil(second, ("cut_out: 1072", "cut_out: 1000"), ("target_age: 72", "target_age: 7"))
    spoil(manifests / "actors/ada.yaml", ("expires: 2036", "expires: 2025"))
    report = validate([manifests, first, manifests / "none.yaml"], today=TODAY)
    assert [line.partition(": got")[0] for line in lines(report, manifests)] == [
        "actors/ada.yaml:23: consent.expires",
        "none.yaml",
        "shots/demo/sq010/sh0020.yaml:13: plate.cut_out",
        "shots/demo/sq010/sh0020.yaml:17: actors[0].target_age",
    ]


def test_find_actor_prefers_the_nearest_folder(manifests):
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    assert find_actor(shot, "ada") == manifests / "actors/ada.yaml"
    nearer = manifests / "shots/demo/actors/ada.yaml"
    nearer.parent.mkdir()
    nearer.touch()
    assert find_actor(shot, "ada") == nearer


def test_find_actor_cannot_be_led_elsewhere(manifests):
    shot = manifests / "shots/demo/sq010/sh0010.yaml"
    with pytest.raises(NamingError, match=r"^actor: got '\.\./shots"):
        find_actor(shot, "../shots/demo/sq010/sh0010")
    with pytest.raises(ManifestError, match=r"actor: got zoe, expected actors/zoe\.yaml in"):
        find_actor(shot, "zoe")


def test_validate_needs_no_network_library_and_no_codec():
    code = (
        "import sys; from reage.manifest import validate; report = validate('manifests')\n"
        "assert report.files and report.is_valid, report.problems\n"
        "heavy = {'torch', 'av', 'boto3', 'cv2', 'mediapipe', 'prefect', 'scipy', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
