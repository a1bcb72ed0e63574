"""`reage actor show | rollback | purge`: what is kept of an actor, a way back, and an end to it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reage.errors import RegistryError
from reage.provenance import AuditLog
from reage.registry.adapter_facts import TrainedFacts, UpdatedFacts
from reage.registry.adapters import AdapterRecord, Foundation, list_adapters
from reage.registry.buffers import BufferRecord, buffer_versions, find_buffer
from reage.registry.faces3d import list_faces3d
from reage.registry.mirror import mirrors_of, purge_mirrors
from reage.registry.withdrawal import Holdings, holdings_of, purge, roll_back
from reage.rehearsal.buffer_pictures import draw_buffer
from reage.rehearsal.examination import FIGURES, IncrementRecord
from reage.rehearsal.forgetting_picture import draw_forgetting
from reage.rehearsal.hull_picture import draw_hull
from reage.rehearsal.replay_buffer import load_buffer
from reage.workspace import Workspace
from studio.console import marked
from studio.faces3d_table import face3d_table

app = typer.Typer(
    help="Shows, rolls back and purges what is kept of one actor.", no_args_is_help=True
)
out = Console()

Actor = Annotated[str, typer.Argument(help="Name of the actor, as manifests have it.")]
Work = Annotated[Path, typer.Option(help="Root of the work folders.")]


@app.command()
def show(
    actor: Actor,
    version: Annotated[
        str | None, typer.Argument(help="Whose buffer, as v003; the latest by default.")
    ] = None,
    work: Work = Path("work"),
) -> None:
    """Shows an actor's versions, 3D faces among them, and draws the replay buffer and its hull.

    The pictures go to WORK/actors/ACTOR/show/VERSION.
    """
    foundation, records = Foundation.of(actor), list_adapters(actor)
    faces = list_faces3d(actor)
    if not records and not faces:
        raise RegistryError(
            f"adapter of {actor}: got none registered, and no 3D face, expected at least one"
        )
    if records:
        out.print(_version_table(records, foundation))
    if faces:
        out.print(face3d_table(faces))
    if not records:
        return
    wanted = version or foundation.latest
    buffer = find_buffer(actor, wanted) if wanted else None
    if buffer is None:
        kept = ", ".join(buffer_versions(actor)) or "none"
        said = f"of {wanted or 'latest'}: none kept; kept are: {kept}"
        out.print(marked("buffer", "yellow", said), soft_wrap=True)
        return
    increments = [IncrementRecord(**record) for record in buffer.described["increments"]]
    out.print()
    out.print(_increment_table(increments))
    for label, path in _draw(buffer, increments, work).items():
        out.print(marked(f"  {label:<11}", "bold", path), soft_wrap=True)


@app.command()
def rollback(
    actor: Actor,
    version: Annotated[str, typer.Argument(help="Version that `latest` shall be, as v003.")],
    relearn: Annotated[
        bool,
        typer.Option(
            "--relearn", help="Nights learn anew from what the later versions had learnt from."
        ),
    ] = False,
    work: Work = Path("work"),
) -> None:
    """Makes `latest` an earlier version; no version is changed or removed.

    Later versions are set aside: shots can still name them, `latest` passes over them, and the
    next night goes on from VERSION. The photographs that only they had learnt from are left alone,
    unless --relearn is given. A rollback to a later version undoes one.
    """
    done = roll_back(actor, version, relearn=relearn)
    event = {
        "event": "rollback",
        "actor": actor,
        "from": done.before,
        "to": done.after,
        "set_aside": list(done.set_aside),
        "relearn": relearn,
    }
    AuditLog(work / "audit.jsonl").append(event)
    out.print(marked("latest", "green", f"of {actor} is {done.after}, was {done.before}"))
    if done.set_aside:
        out.print(f"  set aside: {', '.join(done.set_aside)}", highlight=False)
    if done.num_left_alone:
        said = f"  {done.num_left_alone} photographs are left alone by nights from now on"
        out.print(said, highlight=False)
    if not done.has_buffer:
        said = f"  {done.after} has no buffer: the next night begins with the whole collection"
        out.print(said, highlight=False)


@app.command("purge")
def purge_(
    actor: Actor,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    work: Work = Path("work"),
) -> None:
    """Removes an actor's adapters, replay buffers and crops, and enters it in the audit log.

    Their copies, where the manifest's nightly.publish had them made, go first. Pages of nights in
    WORK/nights lose the actor's part, or go where they show no one else. Delivered shots, the
    shots' own work folders and the photographs themselves stay where they are.
    """
    holdings, places = holdings_of(actor, work), mirrors_of(actor)
    if not holdings.folders and not holdings.pages and not places:
        out.print(marked("nothing", "yellow", f"is kept of {actor}"))
        return
    for place in (*holdings.folders, *holdings.pages, *places):
        out.print(f"  {place}", markup=False, highlight=False, soft_wrap=True)
    if not yes:
        said = f"Remove {_said(holdings)} of {actor}? There is no way back."
        typer.confirm(said, abort=True)
    audit = AuditLog(work / "audit.jsonl")
    audit.append({"event": "purge begun", **_facts(actor, holdings, places)})
    places = _without_copies(actor, places)
    removed = purge(actor, work)
    places = _without_copies(actor, places)  # a night may have copied before the registry was empty
    audit.append({"event": "purged", **_facts(actor, removed, places)})
    out.print(marked("purged", "green", f"{actor}: {_said(removed)}"), soft_wrap=True)


def _without_copies(actor: str, known: list[str]) -> list[str]:
    """Removes an actor's copies; returns where there were any, the places known before included."""
    places = sorted({*known, *mirrors_of(actor)})
    purge_mirrors(actor)
    return places


def _said(holdings: Holdings) -> str:
    count = len(holdings.pages)
    return (
        f"{len(holdings.adapters)} adapters, {len(holdings.buffers)} buffers, "
        f"{len(holdings.faces3d)} 3D faces, "
        f"{holdings.num_files} files, {holdings.num_bytes / 1e6:.1f} MB, "
        f"{count} part{'' if count == 1 else 's'} of night pages"
    )


def _facts(actor: str, holdings: Holdings, places: list[str]) -> dict[str, Any]:
    return {
        "actor": actor,
        "adapters": list(holdings.adapters),
        "buffers": list(holdings.buffers),
        "faces3d": list(holdings.faces3d),
        "num_files": holdings.num_files,
        "num_bytes": holdings.num_bytes,
        "pages": [str(page) for page in holdings.pages],
        "copies": places,
    }


def _version_table(records: list[AdapterRecord], foundation: Foundation) -> Table:
    columns = ("version", "kind", "learner", "registered", "learnt from", "increment", "buffer", "")
    table = Table(*columns, box=None, pad_edge=False)
    kept = buffer_versions(records[0].actor)
    for record in records:
        facts = record.facts
        said = foundation.standing.set_aside.get(record.version, "")
        table.add_row(
            record.version,
            facts.origin,
            facts.learner if isinstance(facts, UpdatedFacts) else "adapter",
            record.registered[:10],
            str(facts.num_photographs) if isinstance(facts, TrainedFacts) else "",
            str(facts.increment) if isinstance(facts, UpdatedFacts) else "",
            "kept" if record.version in kept else "",
            Text("latest", style="green")
            if record.version == foundation.latest
            else Text(f"set aside: {said}" if said else "", style="yellow"),
        )
    return table


def _increment_table(records: list[IncrementRecord]) -> Table:
    """Returns a row an increment: what came, and each figure now, with what was forgotten of it."""
    table = Table("no.", "came", "learnt", "held out", "ages", box=None, pad_edge=False)
    for name in FIGURES:
        table.add_column(f"{name} (forgotten)")
    for record in records:
        forgotten = record.forgetting()
        cells = []
        for name in FIGURES:
            shown = f"{record.last[name]:.3f}" if name in record.last else ""
            cells.append(f"{shown} ({forgotten[name]:+.3f})" if name in forgotten else shown)
        table.add_row(
            str(record.number),
            record.day,
            str(record.num_learnt),
            str(record.num_held_out),
            f"{record.min_age:.0f}-{record.max_age:.0f}",
            *cells,
        )
    return table


def _draw(buffer: BufferRecord, records: list[IncrementRecord], work: Path) -> dict[str, Path]:
    home = Workspace.of_actor(work, buffer.actor).folder / "show" / buffer.version
    home.mkdir(parents=True, exist_ok=True)
    loaded, described = load_buffer(buffer.arrays), buffer.described
    name = f"{buffer.actor} {buffer.version}"
    budget = described["budget"]
    subtitle = (
        f"chosen by {described['strategy']} from a pool of {described['num_pool']}; at most "
        f"{budget['images']} rehearsed, {budget['megabytes']} MB; consent {described['consent']}"
    )
    paths = {label: home / f"{label}.png" for label in ("buffer", "hull", "forgetting")}
    title = f"{name}  replay buffer"
    draw_buffer(loaded, title=title, subtitle=subtitle, path=paths["buffer"])
    draw_hull(loaded, title=f"{name}: the pool, and the faces kept of it", path=paths["hull"])
    title = f"{name}: held-out photographs at their best, and now"
    draw_forgetting(records, title=title, path=paths["forgetting"])
    return paths
