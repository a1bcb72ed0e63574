import hashlib
import itertools
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reage.storage import (
    StorageError,
    VersionExistsError,
    open_storage,
)
from tests.s3_server import write_large

MEBIBYTE = 1 << 20


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_put_returns_the_sha256_of_what_can_be_read(storage, tmp_path):
    source = tmp_path / "frame.bin"
    source.write_bytes(b"pixels")
    assert storage.put_file(source, "demo/sq010/frame.bin") == sha256(b"pixels")
    assert storage.put_bytes("demo/index.json", b"{}") == sha256(b"{}")
    assert storage.read_bytes("demo/sq010/frame.bin") == b"pixels"
    assert storage.digest("demo/index.json") == sha256(b"{}")


def test_get_file_brings_the_same_bytes_into_a_new_folder(storage, tmp_path):
    storage.put_bytes("a/b.bin", b"pixels")
    target = tmp_path / "new" / "folder" / "b.bin"
    assert storage.get_file("a/b.bin", target) == sha256(b"pixels")
    assert target.read_bytes() == b"pixels"
    assert os.listdir(target.parent) == ["b.bin"]


def test_get_of_a_missing_key_is_one_sentence_and_leaves_no_file(storage, tmp_path):
    target = tmp_path / "b.bin"
    storage.put_bytes("a/other.bin", b"x")
    with pytest.raises(StorageError, match=r"a/none\.bin: read: got .*expected .*; check the"):
        storage.get_file("a/none.bin", target)
    assert not target.exists()
    assert not list(tmp_path.glob(".reage-partial-*"))


def test_plain_put_replaces(storage):
    storage.put_bytes("a.txt", b"old")
    storage.put_bytes("a.txt", b"new")
    assert storage.read_bytes("a.txt") == b"new"


def test_removed_object_is_gone_and_removing_it_again_is_no_error(storage):
    storage.put_bytes("a/b.txt", b"old")
    storage.put_bytes("a/c.txt", b"stays")
    storage.remove("a/b.txt")
    storage.remove("a/b.txt")
    assert storage.list_keys() == ["a/c.txt"]
    storage.put_bytes("a/b.txt", b"new", if_absent=True)
    assert storage.read_bytes("a/b.txt") == b"new"


def test_conditional_put_never_replaces(storage, tmp_path):
    source = tmp_path / "new.bin"
    source.write_bytes(b"new")
    storage.put_bytes("a.txt", b"old", if_absent=True)
    with pytest.raises(VersionExistsError, match=r"a\.txt: put: got an object that exists"):
        storage.put_bytes("a.txt", b"new", if_absent=True)
    with pytest.raises(VersionExistsError):
        storage.put_file(source, "a.txt", if_absent=True)
    assert storage.read_bytes("a.txt") == b"old"
    assert storage.list_keys() == ["a.txt"]


def test_of_many_racing_conditional_puts_exactly_one_wins(storage):
    barrier = threading.Barrier(6)

    def put(writer):
        barrier.wait()
        try:
            storage.put_bytes("race.txt", f"writer {writer}".encode(), if_absent=True)
        except VersionExistsError:
            return None
        return writer

    with ThreadPoolExecutor(6) as pool:
        winners = [w for w in pool.map(put, range(6)) if w is not None]
    assert len(winners) == 1
    assert storage.read_bytes("race.txt") == f"writer {winners[0]}".encode()


def test_listing_shows_keys_by_prefix_and_folders_by_level(storage):
    for key in ("demo/sq010/v001/a", "demo/sq010/v002/b/c", "demo/sq010.txt", "other/x"):
        storage.put_bytes(key, b"")
    assert storage.list_keys("demo/sq010") == [
        "demo/sq010.txt",
        "demo/sq010/v001/a",
        "demo/sq010/v002/b/c",
    ]
    assert storage.list_keys("demo/sq010/v00") == ["demo/sq010/v001/a", "demo/sq010/v002/b/c"]
    assert storage.list_folders("demo/sq010") == ["v001", "v002"]
    assert storage.list_folders() == ["demo", "other"]
    assert storage.list_keys("nothing/here") == storage.list_folders("nothing") == []


def test_exists_is_about_exactly_one_key(storage):
    storage.put_bytes("demo/a.txt", b"")
    assert storage.exists("demo/a.txt")
    assert not storage.exists("demo/a")
    assert not storage.exists("demo")


UNFIT_KEYS = (
    *("", "/etc/passwd", "../up", "a/../../up", "a//b", "a/", "./a", "a\\b", "a\nb", "x" * 1025),
    *("a/" + "n" * 256, "a/.reage-partial-1"),
)


def test_key_that_could_lead_elsewhere_is_refused_by_every_operation(storage, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"")
    operations = (
        lambda key: storage.put_bytes(key, b""),
        lambda key: storage.put_file(source, key),
        lambda key: storage.get_file(key, tmp_path / "target"),
        storage.read_bytes,
        storage.digest,
        storage.exists,
    )
    for key, operation in itertools.product(UNFIT_KEYS, operations):
        with pytest.raises(StorageError, match=r"key: got .*expected a relative key"):
            operation(key)


def test_put_of_a_missing_file_names_the_file(storage, tmp_path):
    with pytest.raises(StorageError, match=r"none\.bin: read: got No such file or directory"):
        storage.put_file(tmp_path / "none.bin", "a.bin")
    assert storage.list_keys() == []


def test_read_bytes_refuses_more_than_its_limit(storage):
    storage.put_bytes("big", b"x" * 100)
    assert len(storage.read_bytes("big", limit=100)) == 100
    with pytest.raises(StorageError, match="got more than 99 bytes"):
        storage.read_bytes("big", limit=99)


def test_large_file_comes_back_whole_in_constant_memory(storage, tmp_path):
    size = 20 * MEBIBYTE + 12_345
    source = write_large(tmp_path / "plate.mov", size)
    storage.put_bytes("warm-up", b"")
    tracemalloc.start()
    try:
        digest = storage.put_file(source, "plate.mov", if_absent=True)
        storage.get_file("plate.mov", tmp_path / "back.mov")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    with source.open("rb") as file:
        assert digest == hashlib.file_digest(file, "sha256").hexdigest()
    assert (tmp_path / "back.mov").read_bytes() == source.read_bytes()
    assert peak < size / 4


def test_open_storage_knows_what_a_uri_means(tmp_path, s3_server):
    spaced = tmp_path / "with space"
    assert open_storage(spaced.as_uri()).root == spaced
    assert open_storage(str(spaced)).root == spaced
    assert open_storage("relative").root == Path.cwd() / "relative"
    s3 = open_storage("s3://bucket/a/b/", settings=s3_server.settings)
    assert s3.uri("c.txt") == "s3://bucket/a/b/c.txt"
    assert open_storage("s3://bucket", settings=s3_server.settings).uri("c") == "s3://bucket/c"


@pytest.mark.parametrize(
    "uri",
    (
        *("", "gs://bucket/a", "file://elsewhere/a", "s3://", "s3://UPPER/a", "s3://b_d/a"),
        *("s3://bucket/../up", "http://host/a", "file://"),
    ),
)
def test_open_storage_refuses_what_it_cannot_mean(uri, s3_server):
    with pytest.raises(StorageError, match=r": got .*, expected "):
        open_storage(uri, settings=s3_server.settings)


def test_listing_tells_size_and_a_stamp_that_changes_with_the_bytes(storage):
    storage.put_bytes("a/1.jpg", b"one")
    storage.put_bytes("a/2.jpg", b"three")
    before = storage.list_objects("a/")
    assert [(item.key, item.num_bytes) for item in before] == [("a/1.jpg", 3), ("a/2.jpg", 5)]
    assert storage.list_objects("a/") == before
    assert [item.key for item in before] == storage.list_keys("a/")
    storage.put_bytes("a/1.jpg", b"two")
    after = storage.list_objects("a/")
    assert after[0].stamp != before[0].stamp
    assert after[1] == before[1]
