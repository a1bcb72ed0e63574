import errno
import fcntl
import multiprocessing
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

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


def _do_slowly(root, name, seconds, said):
    """Asks for a step as a process of its own, says by whom it was done, and reads it a while."""

    def produce(folder):
        time.sleep(seconds)
        return _write(folder, name)

    step = Workspace(root, SHOT).step("frames", produce, plate="abc")
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        said.put((name, step.was_done, (step.folder / "frames.bin").read_text()))
        time.sleep(0.05)


def test_step_asked_for_by_two_processes_is_done_by_one_and_read_by_both(tmp_path):
    processes = multiprocessing.get_context("spawn")
    said = processes.Queue()
    both = [
        processes.Process(target=_do_slowly, args=(tmp_path, name, seconds, said))
        for name, seconds in (("first", 0.3), ("second", 0.5))
    ]
    for process in both:
        process.start()
    heard = [said.get(timeout=60) for _ in range(8)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len({text for _, _, text in heard}) == 1
    [doer] = {name for name, was_done, _ in heard if not was_done}
    assert {text for _, _, text in heard} == {doer}


def test_step_asked_for_by_many_threads_is_done_once(tmp_path):
    calls = []

    def produce(folder):
        calls.append(folder)
        time.sleep(0.05)
        return _write(folder)

    def ask(_):
        return Workspace(tmp_path, SHOT).step("frames", produce, plate="abc").was_done

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(16)))
    assert (len(calls), found.count(False)) == (1, 1)


def test_long_step_keeps_its_folder_from_whoever_asks_for_it_meanwhile(tmp_path):
    begun, asked = Event(), Event()

    def train(folder):
        os.utime(folder, (0, 0))  # nothing was made in it for long
        begun.set()
        asked.wait(timeout=10)
        time.sleep(0.2)
        return _write(folder, "weights")

    def ask():
        begun.wait(timeout=10)
        asked.set()
        return Workspace(tmp_path, SHOT).step("frames", _write, plate="abc")

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(ask)
        own = Workspace(tmp_path, SHOT).step("frames", train, plate="abc")
        assert (own.was_done, other.result().was_done) == (False, True)
    assert (own.folder / "frames.bin").read_text() == "weights"


def _do_for_ever(root, begun):
    def produce(folder):
        _write(folder, "half")
        begun.set()
        time.sleep(600)

    Workspace(root, SHOT).step("frames", produce, plate="abc")


def test_step_of_a_killed_process_is_done_by_the_next_and_its_folder_goes_at_once(tmp_path):
    processes = multiprocessing.get_context("spawn")
    begun = processes.Event()
    killed = processes.Process(target=_do_for_ever, args=(tmp_path, begun))
    killed.start()
    assert begun.wait(timeout=60)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    workspace = Workspace(tmp_path, SHOT)
    assert len(list((workspace.folder / "frames").iterdir())) == 2  # half a step and its lock
    done = workspace.step("frames", _write, plate="abc")
    assert (done.folder / "frames.bin").read_text() == "pixels"
    assert list((workspace.folder / "frames").iterdir()) == [done.folder]


def test_step_may_ask_for_others_and_is_told_when_it_asks_for_itself(tmp_path):
    workspace = Workspace(tmp_path, SHOT)

    def produce(folder):
        inner = workspace.step("frames", _write, plate="inner")
        return _write(folder, (inner.folder / "frames.bin").read_text())

    assert not workspace.step("frames", produce, plate="outer").was_done

    def ask_again(folder):
        return workspace.step("frames", ask_again, plate="abc").facts

    with pytest.raises(RuntimeError, match="step: got one that asks for itself"):
        workspace.step("frames", ask_again, plate="abc")
    assert not workspace.step("frames", _write, plate="abc").was_done


def test_step_being_done_is_neither_counted_nor_in_the_way_of_clearing(tmp_path):
    workspace = Workspace(tmp_path, SHOT)

    def produce(folder):
        assert (workspace.folder / "frames" / f".{workspace.key('frames')[:20]}.lock").is_file()
        assert workspace.finished_steps() == {}
        workspace.clear("frames")
        folder.mkdir(parents=True)
        return _write(folder)

    step = workspace.step("frames", produce)
    assert list((workspace.folder / "frames").iterdir()) == [step.folder]
    assert workspace.finished_steps() == {"frames": 1}


def test_step_cleared_while_others_wait_for_it_is_still_done_by_one_at_a_time(tmp_path):
    workspace, at_once = Workspace(tmp_path, SHOT), []
    begun, waiting = Event(), Event()

    def cleared(folder):
        begun.set()
        waiting.wait(timeout=10)
        time.sleep(0.2)
        shutil.rmtree(workspace.folder / "frames")
        raise ConsentError("ada: consent: got revoked, expected valid")

    def produce(folder):
        at_once.append(1)
        assert sum(at_once) == 1
        time.sleep(0.1)
        at_once.append(-1)
        return _write(folder)

    def ask(_):
        begun.wait(timeout=10)
        waiting.set()
        return Workspace(tmp_path, SHOT).step("frames", produce, plate="abc").was_done

    with ThreadPoolExecutor(4) as pool:
        others = pool.map(ask, range(4))
        with pytest.raises(ConsentError):
            workspace.step("frames", cleared, plate="abc")
        assert list(others).count(False) == 1


def test_file_system_without_locks_is_one_sentence(tmp_path, monkeypatch):
    def refuse(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    workspace = Workspace(tmp_path, SHOT)
    monkeypatch.setattr(fcntl, "flock", refuse)
    said = r"\.lock: lock: got No locks available, expected a file system with locks \(flock\); "
    with pytest.raises(StorageError, match=said):
        workspace.step("frames", _write, plate="abc")
    assert workspace.find("frames", plate="abc") is None


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
