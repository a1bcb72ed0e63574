"""Gathering an actor's photographs from the command line, and showing what became of them."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reage.manifest import load_actor
from studio.console import marked

_MOST_ROWS = 30


def run_collection(manifest: Path, *, prior: str, work: Path, console: Console) -> None:
    """Gathers the collection that an actor's manifest names, and prints the table.

    Raises:
        ReageError: The manifest, consent, photographs or prior are not as they must be.
    """
    load_actor(manifest)  # what is wrong with it is told before a server is started
    from flows.gather_collection import gather_collection

    collection = gather_collection(str(manifest), prior=prior, work=str(work))
    folder = Path(collection.report)
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for warning in document["warnings"]:
        console.print(marked("warning", "yellow", warning), soft_wrap=True)
    if document["refused"]:
        console.print(refusal_table(document))
    console.print(age_table(document))
    ages = f"ages {collection.min_age:.0f}-{collection.max_age:.0f}"
    said = f"{collection.num_photos} photographs, {ages}; {collection.num_refused} refused"
    console.print(marked("accepted", "green", said), soft_wrap=True)
    for name, what in (("sheet.png", "sheet"), ("report.html", "report")):
        console.print(marked(what, "green", folder / name), soft_wrap=True)


def refusal_table(document: dict[str, Any]) -> Table:
    """Returns a row for each file refused, the first of them when they are many."""
    table = Table("refused", "file", "found", box=None, pad_edge=False)
    for refusal in document["refused"][:_MOST_ROWS]:
        reason = Text(refusal["reason"], style="red")
        table.add_row(reason, Text(refusal["name"]), Text(refusal["detail"]))
    if (num_more := len(document["refused"]) - _MOST_ROWS) > 0:
        table.add_row("…", f"{num_more} more in the report", "")
    return table


def age_table(document: dict[str, Any]) -> Table:
    """Returns a row for each decade of the actor's life: how many photographs, how dated."""
    table = Table("age", "photographs", "of these estimated", box=None, pad_edge=False)
    decades: dict[int, list[str]] = {}
    for photo in document["accepted"]:
        decades.setdefault(int(photo["age"]) // 10 * 10, []).append(photo["age_source"])
    for decade, sources in sorted(decades.items()):
        estimated = sources.count("estimated")
        table.add_row(f"{decade}-{decade + 9}", str(len(sources)), str(estimated or ""))
    return table
