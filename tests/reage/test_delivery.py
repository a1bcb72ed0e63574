import hashlib
import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from reage.delivery import delivery_ref, publish, read_index, verify_delivery
from reage.errors import NamingError, StorageError, VersionExistsError
from reage.naming import ShotId
from reage.storage import FolderStorage, S3Storage, StorageSettings
from reage.versions import begun_versions, list_versions, reserve_version
from tests.s3_server import Fault, FaultyRelay

SHOT = ShotId("demo", "sq010", "sh0040")
V001 = "demo/sq010/sh0040/v001"


def package(folder, text="pixels"):
    """A package as a shot makes it: a frame sequence and single files."""
    frames = folder / "master"
    frames.mkdir(parents=True, exist_ok=True)
    for frame in (1001, 1002):
        (frames / f"anything.{frame}.png").write_bytes(f"{text} {frame}".encode())
    (folder / "w.mp4").write_bytes(f"wipe {text}".encode())
    (folder / "report.json").write_bytes(b"{}")
    return {"master": frames, "wipe": folder / "w.mp4", "qc": folder / "report.json"}


def test_delivery_has_every_file_named_described_and_readable(storage, tmp_path):
    index = publish(storage, SHOT, "next", package(tmp_path), {"verdict": "pass"})
    assert json.loads(storage.read_bytes(f"{V001}/index.json")) == index
    assert [entry["name"] for entry in index["files"]] == [
        "reage/sq010_sh0040_reage_v001.1001.png",
        "reage/sq010_sh0040_reage_v001.1002.png",
        "sq010_sh0040_qc_v001.json",
        "sq010_sh0040_wipe_v001.mp4",
    ]
    assert index["files"][3] == {
        "name": "sq010_sh0040_wipe_v001.mp4",
        "role": "wipe",
        "bytes": 11,
        "sha256": hashlib.sha256(b"wipe pixels").hexdigest(),
        "media_type": "video/mp4",
    }
    assert (index["show"], index["shot"], index["version"]) == ("demo", "sq010_sh0040", "v001")
    assert index["facts"] == {"verdict": "pass"}
    assert datetime.fromisoformat(index["created"]).utcoffset() == timedelta(0)
    assert verify_delivery(storage, SHOT, "v001") == index
    ref = delivery_ref(storage, SHOT, index)
    assert ref.uri == storage.uri(V001)
    assert ref.index_sha256 == storage.digest(f"{V001}/index.json")


def test_next_version_follows_the_highest_and_leaves_the_others_alone(storage, tmp_path):
    files = package(tmp_path)
    publish(storage, SHOT, "next", files, {})
    publish(storage, SHOT, "v007", files, {})
    before = {key: storage.digest(key) for key in storage.list_keys()}
    assert publish(storage, SHOT, "next", files, {})["version"] == "v008"
    assert {key: storage.digest(key) for key in before} == before
    assert list_versions(storage, SHOT) == ["v001", "v007", "v008"]


def test_published_version_is_refused_and_untouched(storage, tmp_path):
    publish(storage, SHOT, "v003", package(tmp_path), {})
    before = {key: storage.digest(key) for key in storage.list_keys()}
    for text in ("pixels", "other"):
        with pytest.raises(
            VersionExistsError, match="version: got v003, which is published, expected a free one"
        ):
            publish(storage, SHOT, "v003", package(tmp_path, text), {})
    assert {key: storage.digest(key) for key in storage.list_keys()} == before


def test_racing_publishers_get_a_version_each_and_mix_nothing(storage, tmp_path):
    packages = [package(tmp_path / f"p{i}", f"from {i}") for i in range(3)]
    barrier = threading.Barrier(3)

    def run(files):
        barrier.wait()
        return publish(storage, SHOT, "next", files, {})["version"]

    with ThreadPoolExecutor(3) as pool:
        versions = list(pool.map(run, packages))
    assert sorted(versions) == ["v001", "v002", "v003"]
    for i, version in enumerate(versions):
        verify_delivery(storage, SHOT, version)
        key = f"demo/sq010/sh0040/{version}/sq010_sh0040_wipe_{version}.mp4"
        assert storage.read_bytes(key) == f"wipe from {i}".encode()


def test_racing_publishers_of_the_same_files_get_a_version_each(storage, tmp_path):
    files = package(tmp_path)
    barrier = threading.Barrier(2)

    def run(_):
        barrier.wait()
        return publish(storage, SHOT, "next", files, {})["version"]

    with ThreadPoolExecutor(2) as pool:
        versions = sorted(pool.map(run, range(2)))
    assert versions == ["v001", "v002"] == list_versions(storage, SHOT)
    for version in versions:
        verify_delivery(storage, SHOT, version)


def test_racing_publishers_of_one_explicit_version_have_one_winner(storage, tmp_path):
    packages = [package(tmp_path / f"p{i}", f"from {i}") for i in range(3)]
    barrier = threading.Barrier(3)

    def run(files):
        barrier.wait()
        try:
            return publish(storage, SHOT, "v002", files, {})["content"]
        except VersionExistsError:
            return None

    with ThreadPoolExecutor(3) as pool:
        contents = [content for content in pool.map(run, packages) if content]
    assert contents == [verify_delivery(storage, SHOT, "v002")["content"]]


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


class DyingStorage(FolderStorage):
    """A folder whose publisher dies at its n-th write, before or after it."""

    def __init__(self, root, *, dies_at, after):
        super().__init__(root)
        self.left, self.after = dies_at, after
        self.lock = threading.Lock()

    def _write(self, source, key, *, if_absent):
        with self.lock:
            self.left -= 1
            if self.left < 0 or (self.left == 0 and not self.after):
                raise Killed
            super()._write(source, key, if_absent=if_absent)
            if self.left == 0:
                raise Killed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", range(1, 7))  # claim, four files, index
@pytest.mark.parametrize("policy", ["next", "v001"])
def test_publisher_that_dies_anywhere_is_invisible_and_completed(tmp_path, dies_at, after, policy):
    files = package(tmp_path / "package")
    store = FolderStorage(tmp_path / "store")
    with pytest.raises(Killed):
        dying = DyingStorage(store.root, dies_at=dies_at, after=after)
        publish(dying, SHOT, policy, files, {}, holder="shot 40")
    if (dies_at, after) != (6, True):
        assert list_versions(store, SHOT) == []
    index = publish(store, SHOT, policy, files, {}, holder="shot 40")
    assert index["version"] == "v001"
    assert verify_delivery(store, SHOT, "v001") == index
    assert begun_versions(store, SHOT) == ["v001"]


def test_publisher_killed_amid_an_upload_to_s3_is_completed(s3_server, tmp_path):
    bucket = s3_server.new_bucket()
    package(tmp_path)
    reached, never = threading.Event(), threading.Event()

    def stall(method, path):
        if method != "PUT" or "wipe" not in path:
            return None
        reached.set()
        return Fault(hold=never)

    with FaultyRelay(s3_server, stall) as relay:
        program = (
            "from pathlib import Path; from reage.delivery import publish\n"
            "from reage.naming import ShotId; from reage.storage import *\n"
            f"settings = StorageSettings(endpoint_url={relay.endpoint_url!r})\n"
            f"store = open_storage('s3://{bucket}', settings=settings)\n"
            f"p = Path({str(tmp_path)!r})\n"
            "files = {'master': p / 'master', 'wipe': p / 'w.mp4', 'qc': p / 'report.json'}\n"
            "publish(store, ShotId('demo', 'sq010', 'sh0040'), 'next', files, {})"
        )
        process = subprocess.Popen([sys.executable, "-c", program])
        assert reached.wait(timeout=60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        never.set()
    store = S3Storage(bucket, settings=s3_server.settings)
    assert begun_versions(store, SHOT) == ["v001"]
    assert list_versions(store, SHOT) == []
    assert publish(store, SHOT, "next", package(tmp_path), {})["version"] == "v001"
    verify_delivery(store, SHOT, "v001")


def test_half_version_of_other_files_is_passed_over_and_never_mixed(storage, tmp_path):
    reserve_version(storage, SHOT, "next", holder="another shot's run")
    storage.put_bytes(f"{V001}/sq010_sh0040_wipe_v001.mp4", b"other wipe")
    files = package(tmp_path)
    with pytest.raises(VersionExistsError, match="v001, which is begun with other files"):
        publish(storage, SHOT, "v001", files, {})
    assert publish(storage, SHOT, "next", files, {})["version"] == "v002"
    assert storage.read_bytes(f"{V001}/sq010_sh0040_wipe_v001.mp4") == b"other wipe"


def test_leftovers_under_an_own_claim_are_not_mixed_in_either(storage, tmp_path):
    files = package(tmp_path)
    assert reserve_version(storage, SHOT, "next", holder="run") == "v001"
    storage.put_bytes(f"{V001}/stray.txt", b"of an earlier manifest")
    assert publish(storage, SHOT, "next", files, {}, holder="run")["version"] == "v002"
    assert list_versions(storage, SHOT) == ["v002"]


def test_reserved_version_is_kept_for_its_holder(storage, tmp_path):
    files = package(tmp_path)
    assert reserve_version(storage, SHOT, "next", holder="run") == "v001"
    assert reserve_version(storage, SHOT, "next", holder="run") == "v001"
    assert reserve_version(storage, SHOT, "next", holder="other") == "v002"
    assert publish(storage, SHOT, "next", files, {}, holder="run")["version"] == "v001"


def test_same_holder_and_files_give_the_same_version_again(storage, tmp_path):
    first = publish(storage, SHOT, "next", package(tmp_path), {}, holder="run")
    assert publish(storage, SHOT, "next", package(tmp_path), {}, holder="run") == first
    changed = publish(storage, SHOT, "next", package(tmp_path, "new"), {}, holder="run")
    assert changed["version"] == "v002"
    with pytest.raises(VersionExistsError):
        publish(storage, SHOT, "v001", package(tmp_path, "newer"), {}, holder="run")


def test_unfinished_version_behind_a_published_one_is_not_completed(storage, tmp_path):
    reserve_version(storage, SHOT, "v001", holder="run")
    publish(storage, SHOT, "v002", package(tmp_path), {})
    assert reserve_version(storage, SHOT, "next", holder="run") == "v003"


def test_index_whose_answer_was_lost_counts_as_written(s3_server, tmp_path):
    bucket = s3_server.new_bucket()
    lost = []

    def lose_answer(method, path):
        if method == "PUT" and path.endswith("index.json") and not lost:
            lost.append(path)
            return Fault(lose_answer=True)
        return None

    with FaultyRelay(s3_server, lose_answer) as relay:
        settings = StorageSettings(endpoint_url=relay.endpoint_url, region="us-east-1")
        store = S3Storage(bucket, settings=settings)
        assert publish(store, SHOT, "next", package(tmp_path), {})["version"] == "v001"
        assert relay.count("PUT", "index.json") == 2
    assert list_versions(store, SHOT) == ["v001"]


def test_verify_names_every_file_that_is_not_as_delivered(tmp_path):
    store = FolderStorage(tmp_path / "store")
    publish(store, SHOT, "next", package(tmp_path), {})
    folder = store.root / V001
    (folder / "sq010_sh0040_qc_v001.json").unlink()
    (folder / "sq010_sh0040_wipe_v001.mp4").write_bytes(b"wipe pixelz")
    (folder / "stray.txt").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        verify_delivery(store, SHOT, "v001")
    assert str(caught.value) == (
        f"{store.uri(V001)}: files: got sq010_sh0040_qc_v001.json is missing; "
        "sq010_sh0040_wipe_v001.mp4 has other bytes; stray.txt is not in the index, "
        "expected the 4 files of the index"
    )


def test_unknown_version_names_the_published_ones(storage, tmp_path):
    publish(storage, SHOT, "v002", package(tmp_path), {})
    with pytest.raises(StorageError, match="expected a published version; published are: v002"):
        read_index(storage, SHOT, "v001")


@pytest.mark.parametrize("text", ["", "[1]", '{"schema": "other"}', '{"version": "v001'])
def test_damaged_index_is_a_sentence(tmp_path, text):
    store = FolderStorage(tmp_path)
    store.put_bytes(f"{V001}/index.json", text.encode())
    with pytest.raises(StorageError, match=r"index\.json: .*got .*expected"):
        read_index(store, SHOT, "v001")


def test_package_that_cannot_be_named_is_refused_before_anything_is_written(tmp_path):
    store = FolderStorage(tmp_path / "store")
    empty, mixed = tmp_path / "empty", tmp_path / "mixed"
    empty.mkdir()
    mixed.mkdir()
    for name in ("a.1001.png", "b.1001.png"):
        (mixed / name).write_bytes(b"")
    good = tmp_path / "a.mp4"
    good.write_bytes(b"")
    for files, message in (
        ({}, "files: got none"),
        ({"master": empty}, "got an empty folder"),
        ({"master": mixed}, "expected one file named reage/sq010_sh0040_reage_v001.1001.png"),
        ({"master": tmp_path}, "expected one ending in <frame>"),
        ({"wipe": tmp_path / "none.mp4"}, "got No such file"),
    ):
        with pytest.raises(StorageError, match=message):
            publish(store, SHOT, "next", files, {})
    with pytest.raises(NamingError, match="role"):
        publish(store, SHOT, "next", {"../up": good}, {})
    with pytest.raises(NamingError, match="version"):
        publish(store, SHOT, "latest", {"wipe": good}, {})
    with pytest.raises(ValueError, match=r"facts: got .*expected plain JSON"):
        publish(store, SHOT, "next", {"wipe": good}, {"x": object()})
    assert not store.root.exists()
