"""Copies of versions and buffers in a folder; those in a bucket are in tests/flows."""

from pathlib import Path

import pytest

from reage.errors import RegistryError, StorageError
from reage.registry.adapters import adapters_folder, register_adapter
from reage.registry.buffers import commit_buffer, retire_buffers, stage_buffer
from reage.registry.mirror import mirror, mirrors_of, purge_mirrors
from reage.storage import FolderStorage
from tests.reage.registry.test_buffers import FACTS

ADAPTERS, BUFFERS = "adapters/ada", "buffers/ada"


@pytest.fixture(autouse=True)
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    for number in (1, 2):
        register_adapter("ada", b"weights %d" % number, FACTS)
        digest = stage_buffer("ada", b"arrays", {"number": number})
        commit_buffer("ada", f"v00{number}", digest)


@pytest.fixture
def place(tmp_path):
    return str(tmp_path / "published")


def test_copy_has_every_file_and_is_done_once(place):
    assert mirror("ada", place) == [
        f"{kind}/v00{number}" for kind in (ADAPTERS, BUFFERS) for number in (1, 2)
    ]
    own = adapters_folder() / "ada" / "v002"
    copy = FolderStorage(Path(place))
    for file in own.iterdir():
        assert copy.read_bytes(f"{ADAPTERS}/v002/{file.name}") == file.read_bytes()
    assert mirror("ada", place) == []


def test_part_that_a_failing_store_left_is_written_over(place, monkeypatch):
    real = FolderStorage.put_bytes

    def full(self, key, data, **settings):
        if key == f"{ADAPTERS}/v002/registered.json":
            raise StorageError("full")
        return real(self, key, data, **settings)

    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(FolderStorage, "put_bytes", full)
        mirror("ada", place)
    assert mirror("ada", place) == [f"{ADAPTERS}/v002", f"{BUFFERS}/v001", f"{BUFFERS}/v002"]


def test_buffer_that_is_retired_goes_from_the_copy(place):
    mirror("ada", place)
    retire_buffers("ada", keep=1)
    assert mirror("ada", place) == [f"{BUFFERS}/v001"]


def test_other_version_of_the_same_name_is_refused_and_stays(place, tmp_path, monkeypatch):
    mirror("ada", place)
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "elsewhere"))
    register_adapter("ada", b"other weights", FACTS)
    with pytest.raises(RegistryError, match="got another version of this name"):
        mirror("ada", place)


def test_purge_removes_every_copy_wherever_it_is(place, tmp_path):
    other = str(tmp_path / "other")
    mirror("ada", place)
    mirror("ada", other)
    assert mirrors_of("ada") == [place, other]
    assert len(purge_mirrors("ada")) == 8
    assert mirrors_of("ada") == []
    assert not [path for folder in (place, other) for path in Path(folder).rglob("*.json")]
