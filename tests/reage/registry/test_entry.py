import errno
import os

import pytest

from reage.errors import StorageError
from reage.registry.entry import FILES, RECEIPT, publish_entry


def write(folder):
    for file in FILES:
        (folder / file).write_text(file)
    (folder / "faces").mkdir()
    (folder / "faces" / "0001.png").write_bytes(b"a")


@pytest.fixture
def events(monkeypatch):
    """What is synced, as inode, and what is renamed, as target, in the order in which it is."""
    found = []
    fsync, rename = os.fsync, os.rename

    def recorded_fsync(descriptor):
        found.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def recorded_rename(source, target):
        found.append(target)
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    return found


def test_entry_is_on_the_disk_before_it_is_seen_and_its_name_after(tmp_path, events):
    target = tmp_path / "ada" / "v001"
    assert publish_entry(target, write, {})
    at = events.index(target)
    parts = [target, *target.rglob("*")]
    assert {path.name for path in parts} == {"v001", *FILES, RECEIPT, "faces", "0001.png"}
    assert {path.stat().st_ino for path in parts} <= set(events[:at])
    assert target.parent.stat().st_ino in events[at + 1 :]


def test_folder_of_an_entry_is_synced_after_what_lies_in_it(tmp_path, events):
    target = tmp_path / "v001"
    publish_entry(target, write, {})
    for folder in (target, target / "faces"):
        for path in folder.iterdir():
            places = [events.index(p.stat().st_ino) for p in (path, folder)]
            assert places == sorted(places), path


def fail(*_):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_entry_that_does_not_reach_the_disk_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=r"v001: write: got Input/output error, expected"):
        publish_entry(tmp_path / "v001", write, {})
    assert list(tmp_path.iterdir()) == []


def test_entry_whose_name_may_be_lost_is_not_taken_for_anothers(tmp_path, monkeypatch):
    fsync, inode = os.fsync, tmp_path.stat().st_ino

    def fail_at_parent(descriptor):
        (fail if os.fstat(descriptor).st_ino == inode else fsync)(descriptor)

    monkeypatch.setattr(os, "fsync", fail_at_parent)
    with pytest.raises(StorageError, match="v001: write: got Input/output error"):
        publish_entry(tmp_path / "v001", write, {})


def test_second_writer_of_an_entry_is_told_and_changes_nothing(tmp_path):
    def write_other(folder):
        write(folder)
        (folder / FILES[0]).write_text("other")

    assert publish_entry(tmp_path / "v001", write, {})
    assert not publish_entry(tmp_path / "v001", write_other, {})
    assert (tmp_path / "v001" / FILES[0]).read_text() == FILES[0]
    assert [path.name for path in tmp_path.iterdir()] == ["v001"]
