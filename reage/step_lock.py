"""One at a time: a step that several threads or processes ask for is done by one of them.

While it is done a lock file lies beside its folder, `.<name>.lock`; it goes with its holder, so
that finished stages hold finished steps alone. A killed holder lets go.
"""

import errno
import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from reage.errors import StorageError
from reage.storage.local import local_errors

logger = logging.getLogger(__name__)

_in_hand = threading.local()  # the steps that this thread is doing, by their folders


@contextmanager
def alone_at(target: Path) -> Iterator[None]:
    """Holds a step's place while it is done; others wait.

    Args:
        target: The step's folder.

    Raises:
        StorageError: The lock file cannot be written, or its file system has no locks.
        RuntimeError: This thread holds it already.
    """
    in_hand: set[Path] = _in_hand.__dict__.setdefault("steps", set())
    if target in in_hand:
        raise RuntimeError(
            f"{target}: step: got one that asks for itself while it is done, expected one that "
            "asks for other steps alone"
        )
    path = target.with_name(f".{target.name}.lock")
    with local_errors(str(target), "write"):
        lock = _locked(path)
    in_hand.add(target)
    try:
        yield
    finally:
        in_hand.discard(target)
        with lock:
            with suppress(OSError):  # an empty file that stays is in no one's way
                if _lies_at(path, lock):
                    path.unlink()
            fcntl.flock(lock, fcntl.LOCK_UN)  # a forked child may still have the file open


def _locked(path: Path) -> IO[str]:
    """Returns the lock file at `path`, locked; waits for whoever holds it."""
    while True:
        with ExitStack() as stack:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(path.open("a"))
            _wait_for(lock, path)
            if _lies_at(path, lock):  # else its last holder has removed it, and another lies there
                stack.pop_all()
                return lock


def _wait_for(lock: IO[str], path: Path) -> None:
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("waiting for a step that is being done elsewhere lock=%s", path)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise StorageError(
            f"{path}: lock: got {error.strerror or error}, expected a file system with locks "
            "(flock); mount it with them or choose another --work folder"
        ) from error


def _lies_at(path: Path, lock: IO[str]) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return False
        raise
