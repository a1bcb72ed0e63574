"""Training an actor's adapter from the command line, and saying what came of it."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from reage.manifest import load_actor
from reage.registry.adapter_facts import TrainedFacts
from reage.registry.adapters import AdapterRecord
from reage.workspace import Workspace
from studio.console import marked
from studio.diagnosis import print_verdict


def run_training(
    manifest: Path,
    *,
    prior: str,
    preset: str,
    steps: int | None,
    seed: int,
    work: Path,
    console: Console,
) -> AdapterRecord:
    """Runs the training flow on this machine and prints version, figures and where they lie.

    Raises:
        ReageError: Whatever the flow reports.
    """
    load_actor(manifest)  # what is wrong with it is told before a server is started
    from flows.diagnose_adapter import REMEMBERED as LANDSCAPE
    from flows.train_actor import train_actor

    record = train_actor(
        str(manifest), prior=prior, preset=preset, steps=steps, seed=seed, work=str(work)
    )
    facts = record.facts
    assert isinstance(facts, TrainedFacts)
    console.print(
        f"\n[bold green]trained[/bold green], {record.name}, on {facts.num_photographs} "
        f"photographs of ages {facts.min_age:g}-{facts.max_age:g}"
    )
    table = Table("on the photographs", "prior", "adapter", box=None, pad_edge=False)
    for name, unit in (("likeness", ""), ("age_error", " years")):
        figures = (facts.metrics[f"{name}_{side}"] for side in ("prior", "adapter"))
        table.add_row(name.replace("_", " "), *(f"{figure:.2f}{unit}" for figure in figures))
    console.print(table)
    landscape = Workspace.of_actor(work, record.actor).recall(LANDSCAPE)
    assert landscape is not None
    print_verdict(landscape["headline"], landscape["findings"], landscape["page"], console=console)
    console.print(marked("  adapter", "bold", record.folder), soft_wrap=True)
    console.print("  use it with `adapter: latest` in a shot manifest", highlight=False)
    return record
