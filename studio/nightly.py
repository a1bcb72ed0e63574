"""Running the night on this machine now, and saying what became of each actor."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reage.rehearsal.night import TONES, Night
from studio.console import marked

_STYLES = {"good": "green", "quiet": "dim", "bad": "red"}


def run_night(manifests: Sequence[str], *, work: Path, console: Console) -> Night:
    """Runs the flow and prints a row an actor and where the page lies.

    Raises:
        ReageError: Whatever the flow reports.
    """
    from flows.nightly_update import nightly_update

    night = nightly_update(list(manifests), work=str(work))
    console.print(night_table(night))
    console.print(marked("page", "green", night.page), soft_wrap=True)
    return night


def night_table(night: Night) -> Table:
    """Returns a row for each actor: what became of it, the version, what came and was forgotten."""
    columns = ("actor", "outcome", "version", "new", "forgetting", "")
    table = Table(*columns, box=None, pad_edge=False)
    for actor in night.actors:
        name, outcome, *others = actor.row().values()
        cells = [Text(value) for value in others]
        table.add_row(Text(name), Text(outcome, style=_STYLES[TONES[actor.outcome]]), *cells)
    return table
