"""Where the pages of nights lie, and how an actor is taken out of them.

A page carries the faces of all actors of a night. Each has a row of its summary and a section, as
`templates/night.html` draws them, and these are cut out; nothing is drawn anew, so that pages can
be cut whose pictures lie nowhere else any more.
"""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from reage.storage.local import PARTIAL_PREFIX, atomic_file, local_errors

_ROW = re.compile(rb' *<tr>\s*<td><a href="#actor-\d+">([^<]*)</a></td>.*?</tr>\n?', re.DOTALL)
_HEAD = rb'<section class="actor" id="actor-\d+">\s*<h2>([^<]*)<'
_SECTION = re.compile(_HEAD + rb".*?</section>", re.DOTALL)
_SHOWN = re.compile(_HEAD + rb'|<td><a href="#actor-\d+">([^<]*)<')  # a killed writer's page, too


def night_page_path(work: Path, day: str) -> Path:
    """Returns where the page of a night goes: a night may be run again the same day."""
    moment = datetime.now(UTC).strftime("%H%M%S")
    return _nights(work) / f"{day}_{moment}" / "night.html"


def pages_showing(actor: str, work: Path) -> list[Path]:
    """Returns the pages of nights that show an actor, oldest first.

    Args:
        actor: As the actor's manifest names them.
        work: Root of the work folders.

    Raises:
        StorageError: A page cannot be read.
    """
    folder = _nights(work)
    with local_errors(str(folder), "read"):
        pages = [path for path in folder.glob("*/*") if path.suffix == ".html" or _is_partial(path)]
        return [page for page in sorted(pages) if actor in _shown(page.read_bytes())]


def take_out(actor: str, page: Path) -> None:
    """Takes an actor out of a night's page, which is removed where it shows no one else.

    In the actor's place the page says that there was one, and when that one was purged. A page
    that another hand has changed, so that the actor's part cannot be told, is removed as well.

    Args:
        actor: As the actor's manifest names them.
        page: One of those that show the actor.

    Raises:
        StorageError: The page cannot be read, written or removed.
    """
    with _changing_pages(page.parent.parent):
        with local_errors(str(page), "read"):
            content = _without(actor, page.read_bytes())
        shown = _shown(content)
        if _is_partial(page) or not shown or actor in shown:
            with local_errors(str(page), "remove"):
                page.unlink()
                with suppress(OSError):  # something else lies there
                    page.parent.rmdir()
            return
        with atomic_file(page, place=str(page)) as partial:
            partial.write_bytes(content)


@contextmanager
def _changing_pages(folder: Path) -> Iterator[None]:
    """Has purges of several actors change the same pages one after the other."""
    with local_errors(str(folder), "write"):
        lock = (folder / ".lock").open("a")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _without(actor: str, content: bytes) -> bytes:
    name, day = actor.encode(), datetime.now(UTC).date()
    said = f'<p class="quiet">An actor of this night was purged on {day}.</p>'.encode()
    content = _ROW.sub(lambda row: b"" if row[1] == name else row[0], content)
    return _SECTION.sub(lambda section: said if section[1] == name else section[0], content)


def _nights(work: Path) -> Path:
    return work.resolve() / "nights"


def _is_partial(page: Path) -> bool:
    return page.name.startswith(PARTIAL_PREFIX)


def _shown(content: bytes) -> set[str]:
    """Returns whom a page shows or names."""
    names = (found[1] or found[2] or b"" for found in _SHOWN.finditer(content))
    return {name.decode("utf-8", "replace") for name in names}
