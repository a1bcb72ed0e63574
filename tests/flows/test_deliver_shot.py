"""Delivering again what a run has rendered."""

import json

import pytest

from flows.deliver_shot import deliver_shot
from flows.reage_shot import reage_shot
from reage.delivery import verify_delivery
from reage.errors import ConsentError, LedgerError, VersionExistsError
from reage.manifest import load_shot
from reage.provenance import AuditLog
from reage.storage import FolderStorage
from reage.versions import list_versions
from tests.flows.conftest import write_shot

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def rendered(small_plate, tmp_path_factory, prefect_server):
    """A shot of four frames, rendered and delivered once; its manifests may be changed."""
    folder = tmp_path_factory.mktemp("rendered")
    shot = write_shot(folder, small_plate, cut_out=1004)
    return shot, reage_shot(str(shot.manifest), work=str(folder / "work"))


@pytest.fixture
def restored(rendered):
    """The rendered shot, whose manifests are put back after the test."""
    shot, _ = rendered
    actor = shot.manifest.parents[3] / "actors" / "astronaut.yaml"
    texts = {path: path.read_text() for path in (shot.manifest, actor)}
    yield shot, actor
    for path, text in texts.items():
        path.write_text(text)


def deliver(shot, **settings):
    return deliver_shot(str(shot.manifest), work=str(shot.manifest.parents[3] / "work"), **settings)


def test_shot_of_which_nothing_is_rendered_says_what_to_run(small_plate, tmp_path):
    shot = write_shot(tmp_path, small_plate)
    with pytest.raises(LedgerError) as caught:
        deliver(shot)
    assert str(caught.value) == (
        f"{shot.manifest}: deliver: got nothing rendered, expected the rendered shot; "
        "run `reage submit` first"
    )


def test_shot_delivered_again_is_the_version_it_has(rendered):
    shot, first = rendered
    assert deliver(shot) == first
    assert list_versions(FolderStorage(shot.destination), _shot_id(shot)) == ["v001"]


def test_shot_goes_to_another_destination_whole(rendered, tmp_path):
    shot, _ = rendered
    ref = deliver(shot, destination=str(tmp_path / "elsewhere"))
    assert ref.uri == (tmp_path / "elsewhere/demo/sq010/sh0010/v001").as_uri()
    there = verify_delivery(FolderStorage(tmp_path / "elsewhere"), _shot_id(shot), "v001")
    here = verify_delivery(FolderStorage(shot.destination), _shot_id(shot), "v001")
    digests = [{f["name"]: f["sha256"] for f in index["files"]} for index in (here, there)]
    assert digests[0] == digests[1]
    assert len(digests[0]) > 8


def test_every_delivery_is_in_the_audit_log(rendered, tmp_path):
    shot, _ = rendered
    ref = deliver(shot, destination=str(tmp_path / "elsewhere"))
    log = shot.manifest.parents[3] / "work" / "audit.jsonl"
    AuditLog(log).verify()
    last = json.loads(log.read_text().splitlines()[-1])
    assert (ref.uri, ref.index_sha256) == (last["event"]["uri"], last["event"]["index"])


def test_destination_that_has_the_version_from_other_work_is_not_touched(rendered, tmp_path):
    shot, _ = rendered
    store = FolderStorage(tmp_path / "elsewhere")
    store.put_bytes("demo/sq010/sh0010/v001/index.json", b'{"files": []}')
    with pytest.raises(VersionExistsError, match="v001"):
        deliver(shot, destination=str(tmp_path / "elsewhere"))
    assert store.list_keys() == ["demo/sq010/sh0010/v001/index.json"]


def test_package_of_an_older_manifest_is_not_delivered(restored):
    shot, _ = restored
    text = shot.manifest.read_text()
    shot.manifest.write_text(text.replace("target_age: 75", "target_age: 74"))
    with pytest.raises(LedgerError, match="got a package of an older manifest, expected the rend"):
        deliver(shot)


def test_manifest_laid_out_otherwise_is_the_same_manifest(rendered, restored):
    shot, _ = restored
    shot.manifest.write_text("# checked by the TD\n" + shot.manifest.read_text())
    assert deliver(shot) == rendered[1]


def test_consent_withdrawn_after_rendering_stops_the_delivery(restored, tmp_path):
    shot, actor = restored
    actor.write_text(actor.read_text() + "  revoked: 2020-01-01\n")
    with pytest.raises(ConsentError, match="revoked: got 2020-01-01"):
        deliver(shot, destination=str(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


def test_package_with_a_damaged_file_is_not_delivered(rendered, tmp_path):
    shot, _ = rendered
    packages = list((shot.manifest.parents[3] / "work").glob("demo/*/*/package/*/*.mp4"))
    whole = packages[0].read_bytes()
    packages[0].write_bytes(whole[:100])
    try:
        with pytest.raises(
            LedgerError, match=r"missing or changed files in .*; run `reage submit`"
        ):
            deliver(shot, destination=str(tmp_path / "elsewhere"))
    finally:
        packages[0].write_bytes(whole)
    assert not (tmp_path / "elsewhere").exists()
    assert deliver(shot, destination=str(tmp_path / "elsewhere")).version == "v001"


def _shot_id(shot):
    return load_shot(shot.manifest).shot_id
