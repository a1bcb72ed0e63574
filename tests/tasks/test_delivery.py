import asyncio
import json
from datetime import date
from pathlib import Path

import pytest
from prefect.states import exception_to_failed_state

from reage.delivery import verify_delivery
from reage.errors import StorageError, VersionExistsError
from reage.manifest import ShotManifest, load_shot
from reage.storage import StoreUnavailableError, open_storage
from reage.workspace import Workspace
from tasks.delivery import deliver, deliver_package, reserve
from tasks.package_refs import JobRef, PackageRef
from tasks.retries import may_pass

MANIFEST = """
schema_version: 1
show: demo
sequence: sq010
shot: sh0010
plate: {{uri: plate.mov, cut_in: 1001, cut_out: 1002}}
actors: [{{actor: ada, target_age: 72}}]
delivery: {{destination: "{destination}", version: "{version}", {settings}}}
consent: {{document_id: DEMO-2026-001}}
"""


def shot_to(folder: Path, destination="../../../out", version="next", settings="") -> ShotManifest:
    path = folder / "shots" / "demo" / "sq010" / "sh0010.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = MANIFEST.format(destination=destination, version=version, settings=settings)
    path.write_text(text)
    return load_shot(path)


def package_of(folder: Path, holder: str, version: str) -> PackageRef:
    package = folder / "package"
    (package / "master").mkdir(parents=True, exist_ok=True)
    files = [("wipe", "any.mp4")]
    (package / "any.mp4").write_bytes(b"wipe")
    for frame in (1001, 1002):
        name = f"master/x.{frame}.png"
        (package / name).write_bytes(str(frame).encode())
        files.append(("master", name))
    return PackageRef(
        folder=str(package),
        digest="d" * 64,
        files=tuple(files),
        manifest_digest="m" * 64,
        job=JobRef(holder=holder, version=version, date=date(2026, 1, 2)),
        verdict="pass",
    )


def test_package_goes_where_the_manifest_says_under_its_reserved_version(tmp_path):
    shot = shot_to(tmp_path)
    workspace = Workspace(tmp_path / "work", shot.shot_id)
    workspace.folder.mkdir(parents=True)
    version, published = reserve.fn(shot, "run")
    assert (version, published) == ("v001", None)
    other, _ = reserve.fn(shot, "another run")
    assert other == "v002"
    ref = deliver_package.fn(shot, package_of(tmp_path, "run", version), workspace=workspace)
    store = open_storage(tmp_path / "out")
    index = verify_delivery(store, shot.shot_id, "v001")
    assert ref.uri == store.uri("demo/sq010/sh0010/v001")
    assert [entry["role"] for entry in index["files"]] == ["master", "master", "wipe"]
    assert ref.index_sha256 == store.digest("demo/sq010/sh0010/v001/index.json")


def test_same_work_delivered_again_is_the_version_that_it_has(tmp_path):
    shot = shot_to(tmp_path)
    workspace = Workspace(tmp_path / "work", shot.shot_id)
    workspace.folder.mkdir(parents=True)
    package = package_of(tmp_path, "run", reserve.fn(shot, "run")[0])
    first = deliver_package.fn(shot, package, workspace=workspace)
    assert deliver_package.fn(shot, package, workspace=workspace) == first
    assert reserve.fn(shot, "run") == ("v001", first)


def test_package_can_go_to_a_bucket_that_the_manifest_names(tmp_path, s3_server):
    bucket = s3_server.new_bucket()
    settings = f"endpoint_url: '{s3_server.endpoint_url}', region: us-east-1"
    shot = shot_to(tmp_path, f"s3://{bucket}/out", "v003", settings)
    workspace = Workspace(tmp_path / "work", shot.shot_id)
    workspace.folder.mkdir(parents=True)
    package = package_of(tmp_path, "run", reserve.fn(shot, "run")[0])
    ref = deliver_package.fn(shot, package, workspace=workspace)
    assert ref.uri == f"s3://{bucket}/out/demo/sq010/sh0010/v003"
    key = "out/demo/sq010/sh0010/v003/index.json"
    index = s3_server.client.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert json.loads(index)["version"] == "v003"


def test_deliver_refuses_a_version_that_exists(tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"clip")
    shot = shot_to(tmp_path).shot_id
    deliver(str(tmp_path / "out"), {}, shot, "v001", {"wipe": clip}, {})
    with pytest.raises(VersionExistsError, match="publish as next"):
        deliver(str(tmp_path / "out"), {}, shot, "v001", {"wipe": clip}, {})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StoreUnavailableError("s3://b: put: got 503, expected 200"), True),
        (StorageError("s3://b: put: got 403, expected 200"), False),
        (VersionExistsError("s3://b: version: got v001"), False),
        (KeyError("a bug"), False),
    ],
)
def test_delivery_is_tried_again_only_when_that_may_help(error, expected):
    async def decide():
        return await may_pass(None, None, await exception_to_failed_state(error))

    assert asyncio.run(decide()) is expected


def test_delivery_waits_longer_after_every_failure():
    delays = deliver_package.retry_delay_seconds
    assert len(delays) == deliver_package.retries
    assert delays == sorted(set(delays))
