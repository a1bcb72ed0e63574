import pytest

from reage.errors import ConsentError, NamingError, StorageError
from reage.naming import ShotId
from reage.workspace import Workspace

SHOT = ShotId("demo", "sq010", "sh0010")


def _write(folder, text="pixels"):
    (folder / "frames.bin").write_text(text)
    return {"num_frames": 3}


def test_step_is_done_once_and_found_again(tmp_path):
    calls = []
    workspace = Workspace(tmp_path, SHOT)

    def produce(folder):
        calls.append(folder)
        return _write(folder)

    first = workspace.step("frames", produce, plate="abc")
    second = Workspace(tmp_path, SHOT).step("frames", produce, plate="abc")
    assert len(calls) == 1
    assert (first.was_done, second.was_done) == (False, True)
    assert second.facts == {"num_frames": 3}
    assert (second.folder / "frames.bin").read_text() == "pixels"


def test_step_is_done_anew_when_an_input_differs(tmp_path):
    workspace = Workspace(tmp_path, SHOT)
    first = workspace.step("frames", _write, target_age=70.0)
    second = workspace.step("frames", _write, target_age=71.0)
    assert first.folder != second.folder


def test_failed_step_leaves_nothing_visible(tmp_path):
    workspace = Workspace(tmp_path, SHOT)

    def fail(folder):
        _write(folder)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        workspace.step("frames", fail, plate="abc")
    assert list((workspace.folder / "frames").iterdir()) == []
    assert workspace.find("frames", plate="abc") is None


def test_step_whose_file_was_damaged_is_done_again(tmp_path):
    workspace = Workspace(tmp_path, SHOT)
    done = workspace.step("frames", _write, plate="abc")
    (done.folder / "frames.bin").write_text("garbage")
    again = workspace.step("frames", _write, plate="abc")
    assert not again.was_done
    assert (again.folder / "frames.bin").read_text() == "pixels"


def test_full_disk_is_one_sentence(tmp_path):
    workspace = Workspace(tmp_path, SHOT)

    def fill(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left on device, expected a writable folder"):
        workspace.step("frames", fill, plate="abc")


def test_error_of_ours_passes_through_a_step_as_it_is(tmp_path):
    workspace = Workspace(tmp_path, SHOT)

    def refuse(folder):
        raise ConsentError("ada: consent: got revoked, expected valid")

    with pytest.raises(ConsentError, match=r"^ada: consent: got revoked, expected valid$"):
        workspace.step("frames", refuse, plate="abc")


def test_remembered_document_is_recalled_and_replaced(tmp_path):
    workspace = Workspace(tmp_path, SHOT)
    workspace.folder.mkdir(parents=True)
    assert workspace.recall("package") is None
    workspace.remember("package", {"a": 1})
    workspace.remember("package", {"a": 2})
    assert workspace.recall("package") == {"a": 2}
    assert [p.name for p in workspace.folder.iterdir()] == ["package.json"]


def test_actor_has_a_work_folder_of_its_own(tmp_path):
    workspace = Workspace.of_actor(tmp_path, "ada")
    assert workspace.folder == tmp_path / "actors" / "ada"
    assert workspace.step("frames", _write, plate="abc").folder.is_relative_to(workspace.folder)
    with pytest.raises(NamingError, match="actor: got"):
        Workspace.of_actor(tmp_path, "../ada")
