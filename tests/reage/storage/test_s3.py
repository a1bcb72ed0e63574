import hashlib
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from reage.storage import (
    S3Storage,
    StorageError,
    StorageSettings,
    StoreUnavailableError,
    VersionExistsError,
)
from tests.s3_server import Fault, FaultyRelay, free_port, write_large

MEBIBYTE = 1 << 20
PARTS = 5 * MEBIBYTE


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def patient(relay, **changes):
    return StorageSettings(endpoint_url=relay.endpoint_url, region="us-east-1", **changes)


def faults(times, method, fragment="", **answer):
    """A fault function that answers the first `times` matching requests itself."""
    left = [times]
    lock = threading.Lock()

    def fault(got_method, path):
        with lock:
            if got_method == method and fragment in path and left[0] > 0:
                left[0] -= 1
                return Fault(**answer)
        return None

    return fault


def test_s3_put_succeeds_when_the_server_is_busy_at_first(s3_server):
    bucket = s3_server.new_bucket()
    with FaultyRelay(s3_server, faults(2, "PUT")) as relay:
        store = S3Storage(bucket, settings=patient(relay))
        assert store.put_bytes("a.txt", b"pixels") == sha256(b"pixels")
        assert relay.count("PUT") == 3


def test_s3_conditional_put_that_meets_another_is_sent_again(s3_server):
    bucket = s3_server.new_bucket()
    fault = faults(1, "PUT", status=409, code="ConditionalRequestConflict")
    with FaultyRelay(s3_server, fault) as relay:
        store = S3Storage(bucket, settings=patient(relay))
        store.put_bytes("a.txt", b"pixels", if_absent=True)
        assert relay.count("PUT") == 2


def test_s3_server_that_is_always_busy_gives_one_sentence(s3_server):
    bucket = s3_server.new_bucket()
    with FaultyRelay(s3_server, faults(99, "PUT")) as relay:
        store = S3Storage(bucket, "out", settings=patient(relay, max_attempts=2))
        with pytest.raises(StoreUnavailableError) as caught:
            store.put_bytes("a.txt", b"pixels")
        assert relay.count("PUT") == 2
    assert str(caught.value) == (
        f"s3://{bucket}/out/a.txt: put: got 503 SlowDown after 2 attempts, expected 200; "
        "the store is overloaded: try again later"
    )


def test_s3_tries_five_times_unless_told_otherwise(s3_server):
    assert StorageSettings().max_attempts == 5
    store = s3_server.new_storage()
    assert store._client.meta.config.retries["total_max_attempts"] == 5
    assert store._client.meta.config.retries["mode"] == "standard"


def test_s3_endpoint_where_nobody_listens_is_named(s3_server):
    settings = replace(
        s3_server.settings, endpoint_url=f"http://127.0.0.1:{free_port()}", max_attempts=1
    )
    with pytest.raises(StoreUnavailableError) as caught:
        S3Storage("bucket", settings=settings).put_bytes("a.txt", b"")
    assert str(caught.value) == (
        "s3://bucket/a.txt: put: got no answer (Connection refused), "
        f"expected an S3 service at {settings.endpoint_url}; check endpoint_url and the network"
    )


def test_s3_bucket_that_does_not_exist_is_named(s3_server):
    store = S3Storage("no-such-bucket", settings=s3_server.settings)
    for verb, operation in (
        ("put", lambda: store.put_bytes("a.txt", b"")),
        ("list", store.list_keys),
        ("read", lambda: store.digest("a.txt")),
        ("look up", lambda: store.exists("a.txt")),
    ):
        with pytest.raises(
            StorageError,
            match=rf"s3://no-such-bucket.*: {verb}: got 404.*, expected 200; create the bucket",
        ):
            operation()


def test_s3_refused_access_says_what_to_check(s3_server):
    bucket = s3_server.new_bucket()
    fault = faults(99, "PUT", status=403, code="AccessDenied")
    with FaultyRelay(s3_server, fault) as relay:
        with pytest.raises(
            StorageError, match="got 403 AccessDenied, expected 200; check the credentials"
        ) as caught:
            S3Storage(bucket, settings=patient(relay)).put_bytes("a.txt", b"")
        assert relay.count("PUT") == 1
    assert not isinstance(caught.value, StoreUnavailableError)


def test_s3_without_credentials_says_how_to_give_them(s3_server, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = S3Storage("bucket", settings=s3_server.settings)
    with pytest.raises(StorageError, match=r"got no usable credentials .*; set AWS_PROFILE, or"):
        store.put_bytes("a.txt", b"")


def test_s3_read_that_breaks_off_is_taken_up_where_it_broke(s3_server, tmp_path):
    bucket = s3_server.new_bucket()
    source = write_large(tmp_path / "a.bin", 4 * MEBIBYTE)
    S3Storage(bucket, settings=s3_server.settings).put_file(source, "a.bin")
    fault = faults(1, "GET", cut_after=2 * MEBIBYTE + 17)
    with FaultyRelay(s3_server, fault) as relay:
        S3Storage(bucket, settings=patient(relay)).get_file("a.bin", tmp_path / "back.bin")
        assert relay.count("GET") == 2
    assert (tmp_path / "back.bin").read_bytes() == source.read_bytes()


def test_s3_read_of_an_object_replaced_meanwhile_never_mixes_the_two(s3_server, tmp_path):
    bucket = s3_server.new_bucket()
    direct = S3Storage(bucket, settings=s3_server.settings)
    direct.put_file(write_large(tmp_path / "a.bin", 4 * MEBIBYTE), "a.bin")

    def replace_then_cut(method, _):
        if method != "GET" or relay.count("GET") > 1:
            return None
        return Fault(cut_after=2 * MEBIBYTE)

    with FaultyRelay(s3_server, replace_then_cut) as relay:
        chunks = S3Storage(bucket, settings=patient(relay))._chunks("a.bin")
        next(chunks)
        direct.put_bytes("a.bin", bytes(4 * MEBIBYTE))
        with pytest.raises(StorageError, match="the object changed while it was read"):
            list(chunks)


def test_s3_put_that_comes_back_different_is_an_error(s3_server):
    bucket = s3_server.new_bucket()
    direct = s3_server.client

    def swap_before_reading(method, _):
        if method == "GET":
            direct.put_object(Bucket=bucket, Key="a.txt", Body=b"rotten")

    with (
        FaultyRelay(s3_server, swap_before_reading) as relay,
        pytest.raises(StorageError, match=r"a\.txt: read back: got sha256 .*expected"),
    ):
        S3Storage(bucket, settings=patient(relay)).put_bytes("a.txt", b"pixels")


def test_s3_conditional_multipart_is_decided_at_its_last_step(s3_server, tmp_path):
    bucket = s3_server.new_bucket()
    source = write_large(tmp_path / "a.bin", 2 * PARTS + 5)
    direct = s3_server.client

    def overtake(method, path):
        if method == "POST" and "uploadId" in path:
            direct.put_object(Bucket=bucket, Key="a.bin", Body=b"overtaken")

    with FaultyRelay(s3_server, overtake) as relay:
        store = S3Storage(bucket, settings=patient(relay, part_bytes=PARTS))
        with pytest.raises(VersionExistsError):
            store.put_file(source, "a.bin", if_absent=True)
    assert store.bucket == bucket
    assert direct.get_object(Bucket=bucket, Key="a.bin")["Body"].read() == b"overtaken"
    assert "Uploads" not in direct.list_multipart_uploads(Bucket=bucket)


def test_s3_multipart_that_fails_leaves_neither_object_nor_parts(s3_server, tmp_path):
    bucket = s3_server.new_bucket()
    source = write_large(tmp_path / "a.bin", 3 * PARTS)
    fault = faults(9, "PUT", "partNumber=2", status=403, code="AccessDenied")
    with FaultyRelay(s3_server, fault) as relay:
        store = S3Storage(bucket, settings=patient(relay, part_bytes=PARTS))
        with pytest.raises(StorageError, match=r"a\.bin: put: got 403 AccessDenied"):
            store.put_file(source, "a.bin")
        assert relay.count("DELETE", "uploadId") == 1
    direct = s3_server.client
    assert "Uploads" not in direct.list_multipart_uploads(Bucket=bucket)
    assert "Contents" not in direct.list_objects_v2(Bucket=bucket)


def test_s3_upload_of_a_killed_process_is_invisible_and_can_be_aborted(s3_server, tmp_path):
    bucket = s3_server.new_bucket()
    source = write_large(tmp_path / "a.bin", 3 * PARTS)
    reached, never = threading.Event(), threading.Event()

    def stall(_, path):
        if "partNumber=3" not in path:
            return None
        reached.set()
        return Fault(hold=never)

    with FaultyRelay(s3_server, stall) as relay:
        program = (
            "from pathlib import Path; from reage.storage import *;"
            f"settings = StorageSettings(endpoint_url={relay.endpoint_url!r}, part_bytes={PARTS});"
            f"store = open_storage('s3://{bucket}/out', settings=settings);"
            f"store.put_file(Path({str(source)!r}), 'a.bin')"
        )
        process = subprocess.Popen([sys.executable, "-c", program])
        assert reached.wait(timeout=30)
        process.send_signal(signal.SIGKILL)
        process.wait()
        never.set()
    store = S3Storage(bucket, "out", settings=s3_server.settings)
    assert store.list_keys() == []
    assert not store.exists("a.bin")
    elsewhere = S3Storage(bucket, "elsewhere", settings=s3_server.settings)
    assert elsewhere.abort_stale_uploads(older_than=timedelta(0)) == []
    assert store.abort_stale_uploads() == ["a.bin"]  # moto dates every upload years back
    assert store.abort_stale_uploads() == []


@pytest.mark.parametrize("mode", ["when_required", "when_supported"])
def test_s3_round_trip_holds_in_either_checksum_mode(s3_server, tmp_path, mode):
    settings = replace(s3_server.settings, checksum_mode=mode, part_bytes=PARTS)
    store = S3Storage(s3_server.new_bucket(), settings=settings)
    source = write_large(tmp_path / "a.bin", PARTS + 1)
    store.put_file(source, "a.bin")
    store.get_file("a.bin", tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == source.read_bytes()
