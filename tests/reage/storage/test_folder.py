import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reage.storage import (
    FolderStorage,
    StorageError,
)
from tests.s3_server import write_large

MEBIBYTE = 1 << 20


def test_folder_never_shows_a_half_written_object(tmp_path):
    store = FolderStorage(tmp_path)
    source = write_large(tmp_path.parent / "large.bin", 16 * MEBIBYTE)
    done = threading.Event()
    sizes = set()

    def watch():
        while not done.is_set():
            if store.exists("a/large.bin"):
                sizes.add((tmp_path / "a/large.bin").stat().st_size)
            assert store.list_keys() in ([], ["a/large.bin"])

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        store.put_file(source, "a/large.bin", if_absent=True)
        done.set()
        watching.result()
    assert sizes <= {16 * MEBIBYTE}


def test_folder_put_that_meets_a_full_disk_leaves_nothing(tmp_path):
    result = run_limited(
        f"""
        resource.setrlimit(resource.RLIMIT_FSIZE, ({MEBIBYTE}, {MEBIBYTE}))
        open_storage({str(tmp_path)!r}).put_bytes("a/b.bin", bytes({2 * MEBIBYTE}))
        """
    )
    assert "StorageError" in result
    assert "a/b.bin: write: got File too large, expected a writable folder" in result
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_folder_on_a_full_file_system_says_so(tmp_path):
    mount = f"mount -t tmpfs -o size=256k tmpfs {tmp_path}"
    private = ["unshare", *([] if os.geteuid() == 0 else ["-r"]), "-m", "sh", "-c"]
    if subprocess.run([*private, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a test mount a small file system")
    code = (
        "from reage.storage import open_storage;"
        f"s = open_storage({str(tmp_path)!r}); s.put_bytes('a/small.bin', b'x', if_absent=True)\n"
        "try: s.put_bytes('a/b.bin', bytes(1 << 20), if_absent=True)\n"
        "except OSError as e: print(type(e).__name__, e)\n"
        "print(s.list_keys())"
    )
    command = [*private, f'{mount} && exec "$0" -c "$1"', sys.executable, code]
    result = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "a/b.bin: put: got No space left on device, expected a writable folder" in result
    assert "; free some space" in result
    assert result.splitlines()[-1] == "['a/small.bin']"


def run_limited(code):
    """Runs code in a process of its own and returns the last line of its traceback."""
    lines = "\n".join(line.strip() for line in code.splitlines())
    program = f"import resource\nfrom reage.storage import open_storage\n{lines}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return done.stderr.strip().splitlines()[-1]


def test_folder_removes_only_stale_partial_files(tmp_path):
    store = FolderStorage(tmp_path)
    store.put_bytes("a/kept.bin", b"kept")
    old, young = (tmp_path / "a" / f".reage-partial-{name}" for name in ("old", "young"))
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (1_000_000, 1_000_000))
    assert store.list_keys() == ["a/kept.bin"]
    assert store.abort_stale_uploads() == ["a/.reage-partial-old"]
    assert young.exists()
    assert store.read_bytes("a/kept.bin") == b"kept"


def test_folder_without_hard_links_refuses_conditional_puts(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(StorageError, match="expected a file system with hard links"):
        FolderStorage(tmp_path).put_bytes("a", b"", if_absent=True)
    assert os.listdir(tmp_path) == []
