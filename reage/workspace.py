"""Where finished work lies, a shot's or an actor's, and how a step is done once.

A step writes into a folder of its own that appears whole or not at all (temporary name, then
rename), and is then entered in the ledger under its content key: the plate, the settings, the prior
and the version of the code. A rerun finds the entry and skips the work; a killed run leaves nothing
visible. Whoever asks for a step that another thread or process is doing waits, and finds it done
(step_lock.py).
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Self

from reage.errors import ReageError, StorageError
from reage.ledger import Ledger, code_version, content_key
from reage.naming import ActorFolder, ShotId
from reage.step_lock import alone_at
from reage.storage.local import local_errors


@dataclass(frozen=True)
class Step:
    """A finished step: its content key, the folder of its files and the facts it recorded."""

    digest: str
    folder: Path
    facts: dict[str, Any]
    was_done: bool


@cache
def _code() -> str:
    return code_version("reage", "models", "tasks")


class Workspace:
    """The work folder of one shot: `<root>/<show>/<sequence>/<shot>/<stage>/<content key>/`.

    An actor's, as `of_actor` opens it, is `<root>/actors/<actor>/<stage>/<content key>/`.

    Attributes:
        folder: The shot's own folder, or the actor's.
        ledger: Its record of finished steps.
        seconds: Time spent per stage by this object, looking things up and waiting included.
    """

    def __init__(self, root: str | Path, owner: ShotId | ActorFolder) -> None:
        self.folder = Path(root).resolve() / owner.prefix
        self.ledger = Ledger(self.folder / "ledger")
        self.seconds: dict[str, float] = {}

    @classmethod
    def of_actor(cls, root: str | Path, actor: str) -> Self:
        """Opens an actor's work folder; raises NamingError when `actor` is no name."""
        return cls(root, ActorFolder(actor))

    def key(self, stage: str, **inputs: Any) -> str:
        """Returns the content key of `stage` for these inputs and this version of the code."""
        return content_key(stage=stage, code=_code(), **inputs)

    def find(self, stage: str, **inputs: Any) -> Step | None:
        """Returns the step if it is finished and its files are intact, else None."""
        return self._find(stage, self.key(stage, **inputs))

    def step(self, stage: str, produce: Callable[[Path], dict[str, Any]], **inputs: Any) -> Step:
        """Returns the finished step, doing it first if the ledger does not have it.

        Of several threads and processes that ask for a step at once, one does it and the others
        wait; a killed one lets the next begin.

        Args:
            stage: Short name of the step, also its folder's name.
            produce: Writes the step's files into the folder given and returns facts (JSON). It may
                ask for other steps.
            inputs: Everything the result depends on, besides the code.

        Raises:
            StorageError: The work folder cannot be written, say because the disk is full, or its
                file system has no locks.
            RuntimeError: `produce` asks for the very step that it is doing.
        """
        started = time.perf_counter()
        digest = self.key(stage, **inputs)
        done = self._find(stage, digest) or self._do_once(stage, digest, produce)
        elapsed = time.perf_counter() - started
        self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed
        return done

    def _do_once(self, stage: str, digest: str, produce: Callable[[Path], dict[str, Any]]) -> Step:
        """Does a step unless another thread or process, which is waited for, has done it."""
        with alone_at(self._target(stage, digest)):
            return self._find(stage, digest) or self._do(stage, digest, produce)

    def _do(self, stage: str, digest: str, produce: Callable[[Path], dict[str, Any]]) -> Step:
        target = self._target(stage, digest)
        try:
            _remove_leftovers(target)
            partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        except OSError as error:
            raise _unwritable(target, error) from error
        try:
            facts = produce(partial)
            _publish(partial, target)
            outputs = {p.relative_to(target).as_posix(): p for p in _files(target)}
            self.ledger.record(digest, outputs, facts)
        except ReageError:  # some of ours are OSErrors too, and say more than "cannot be written"
            raise
        except OSError as error:
            raise _unwritable(target, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return Step(digest, target, facts, was_done=False)

    def begun(self, holder: str) -> date:
        """Returns the day on which the work `holder` was begun here: today, if it is new.

        A run that is resumed after midnight must write the same slate.
        """
        known = self.recall("job")
        if known is None or known["holder"] != holder:
            known = {"holder": holder, "begun": datetime.now(UTC).date().isoformat()}
            self.remember("job", known)
        return date.fromisoformat(known["begun"])

    def finished_steps(self) -> dict[str, int]:
        """Returns how many finished steps each stage has, in alphabetical order."""
        stages = sorted(p for p in self.folder.glob("*") if p.is_dir() and p.name != "ledger")
        return {
            stage.name: count
            for stage in stages
            if (count := sum(1 for step in stage.glob("[!.]*") if step.is_dir()))
        }

    def clear(self, *stages: str) -> None:
        """Removes the files of stages whose results are kept elsewhere by now.

        Raises:
            StorageError: They cannot be removed.
        """
        for stage in stages:
            folder = self.folder / stage
            with local_errors(str(folder), "remove"):
                if folder.is_dir():
                    shutil.rmtree(folder)

    def remember(self, name: str, facts: dict[str, Any]) -> None:
        """Keeps a small JSON document under a fixed name, replacing the last one atomically."""
        partial = self.folder / f".{name}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(facts, indent=1, sort_keys=True))
            os.replace(partial, self.folder / f"{name}.json")
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def recall(self, name: str) -> dict[str, Any] | None:
        """Returns what was last remembered under `name`, or None."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def _target(self, stage: str, digest: str) -> Path:
        return self.folder / stage / digest[:20]

    def _find(self, stage: str, digest: str) -> Step | None:
        record = self.ledger.find(digest)
        if record is None:
            return None
        return Step(digest, self._target(stage, digest), record.facts, was_done=True)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _publish(partial: Path, target: Path) -> None:
    if target.exists():  # finished files whose ledger entry is missing or damaged: made anew
        shutil.rmtree(target)
    partial.chmod(0o755)
    os.replace(partial, target)


def _remove_leftovers(target: Path) -> None:
    """Removes what killed runs of a step left; to be called alone at it, when none can be alive."""
    for leftover in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _unwritable(target: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{target}: write: got {error.strerror or error}, expected a writable folder with free "
        "space; free some space or choose another --work folder"
    )
