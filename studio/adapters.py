"""`reage adapters list | inspect`: which adapters and 3D faces there are, what they rest on."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from reage.registry.adapters import LATEST, find_adapter, list_adapters
from reage.registry.entry import CARD
from reage.registry.faces3d import find_face3d, list_faces3d
from studio.console import marked
from studio.faces3d_table import face3d_table

app = typer.Typer(help="Shows the actors' personal adapters and 3D faces.", no_args_is_help=True)
out = Console()


@app.command("list")
def list_(
    actor: Annotated[
        str | None, typer.Argument(help="Name of one actor; everybody's by default.")
    ] = None,
) -> None:
    """Shows the adapters there are: whose, trained or published, for which prior, since when.

    Faces in three dimensions, whose versions are numbered apart, follow in a table of their own.
    """
    columns = ("actor", "version", "kind", "prior", "registered", "sha256", "licence")
    table = Table(*columns, box=None, pad_edge=False)
    for record in list_adapters(actor):
        facts = record.facts
        day, digest = record.registered[:10], f"{record.digest[:12]}…"
        table.add_row(
            record.actor,
            record.version,
            facts.origin,
            facts.prior_name,
            day,
            digest,
            facts.licence,
        )
    out.print(table)
    if faces := list_faces3d(actor):
        out.print()
        out.print(face3d_table(faces))


@app.command()
def inspect(
    actor: Annotated[str, typer.Argument(help="Name of the actor.")],
    version: Annotated[str, typer.Argument(help="As v003.")] = LATEST,
    face3d: Annotated[bool, typer.Option("--face3d", help="Of the actor's 3D face.")] = False,
) -> None:
    """Reads an adapter or a 3D face through, checks it against its digests and shows its card."""
    record = find_face3d(actor, version) if face3d else find_adapter(actor, version)
    out.print(marked("folder", "bold", record.folder), soft_wrap=True)
    out.print(
        f"\n{(record.folder / CARD).read_text(encoding='utf-8')}", markup=False, highlight=False
    )
