import errno
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from reage.errors import StorageError
from reage.manifest import load_actor, load_shot, validate
from reage.video import probe
from studio.demo import ASTRONAUT, DemoActor, demo_plate, demo_shot, run_demo
from studio.demo_plate import write_demo_plate


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a plate [wip]")
    return write_demo_plate(folder / "plate.mov", num_frames=10, size=(480, 270))


def test_manifests_of_the_demo_are_valid(plate, tmp_path):
    manifest = demo_shot(tmp_path, plate, num_frames=72)
    report = validate([tmp_path / "manifests"])
    assert (report.problems, report.warnings) == ((), ())
    assert len(report.files) == 2
    shot = load_shot(manifest)
    assert Path(shot.resolve(shot.plate.uri)) == plate
    assert (shot.frames.first, shot.frames.last) == (1001, 1010)
    assert shot.path.read_text().startswith("# yaml-language-server: $schema=")


def test_manifest_of_the_demo_uses_no_more_frames_than_asked(plate, tmp_path):
    assert len(load_shot(demo_shot(tmp_path, plate, num_frames=4)).frames) == 4


def test_manifest_of_the_demo_holds_what_was_asked(plate, tmp_path):
    today = datetime.now(UTC).date()
    actor = DemoActor("performer", 'A "name": [odd]', "DOC-1", today, today + timedelta(days=1))
    manifest = demo_shot(
        tmp_path, plate, num_frames=4, shot="sh0020", actor=actor, target_age=33.5, prior="studio"
    )
    shot = load_shot(manifest)
    assert (shot.shot, shot.prior, shot.actors[0].target_age) == ("sh0020", "studio", 33.5)
    record = load_actor(tmp_path / "manifests" / "actors" / "performer.yaml")
    assert record.names == ('A "name": [odd]',)
    assert (record.consent.granted, record.consent.expires) == (today, actor.expires)


def test_consent_of_the_demo_covers_the_demo_alone(plate, tmp_path):
    demo_shot(tmp_path, plate, num_frames=4)
    record = load_actor(tmp_path / "manifests" / "actors" / f"{ASTRONAUT.actor}.yaml").consent
    assert (record.scope, record.shows) == (("render",), ("demo",))


@pytest.mark.parametrize("brings_a_plate", [False, True])
def test_demo_in_a_folder_that_cannot_be_written_is_one_sentence(plate, tmp_path, brings_a_plate):
    (tmp_path / "work").touch()  # in the way: permissions do not hold root back
    with pytest.raises(StorageError) as caught:
        run_demo(
            plate if brings_a_plate else None,
            target_age=70.0,
            prior="compact",
            work=tmp_path / "work",
            max_frames=8,
            console=Console(quiet=True),
        )
    assert str(caught.value) == (
        f"{tmp_path / 'work' / 'demo'}: write: got Not a directory, expected a writable folder "
        "with free space"
    )


def test_demo_without_permission_says_what_to_do(plate, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refuse)
    for write in (
        lambda: demo_plate(tmp_path, Console(quiet=True)),
        lambda: demo_shot(tmp_path, plate, num_frames=4),
    ):
        with pytest.raises(StorageError, match=r"write: got Permission denied, .*; give this user"):
            write()


def test_demo_of_a_plate_ends_by_naming_files_that_exist(plate, tmp_path, prefect_server):
    with (tmp_path / "printed.txt").open("w") as file:
        delivery = run_demo(
            plate,
            target_age=70.0,
            prior="compact",
            work=tmp_path / "work dir [x]",
            max_frames=8,
            console=Console(file=file, width=400),
        )
    text = (tmp_path / "printed.txt").read_text()
    assert text.startswith("By running the demo on this plate you state that the person")
    parts = "wipe clip|contact sheet|QC page|delivery index"
    named = dict(re.findall(rf"^  ({parts}) +(/.*)$", text, re.MULTILINE))
    assert len(named) == 4
    for path in named.values():
        assert Path(path).is_file(), path
    index = json.loads(Path(named["delivery index"]).read_text())
    assert index["version"] == delivery.version == "v001"
    facts = index["facts"]
    assert f"done, v001: {facts['verdict']}\n" in text
    assert re.findall(r"^  ! (.*)$", text, re.MULTILINE) == facts["reasons"]
    assert len(probe(named["wipe clip"]).frames) >= 8
