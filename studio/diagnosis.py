"""Diagnosing an adapter from the command line, and saying what was found."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from reage.manifest import load_actor
from studio.console import marked


def run_diagnosis(manifest: Path, *, version: str, work: Path, console: Console) -> None:
    """Runs the diagnosis on this machine and prints verdict, findings and where the page lies.

    Raises:
        ReageError: Whatever the flow reports.
    """
    load_actor(manifest)  # what is wrong with it is told before a server is started
    from flows.diagnose_adapter import diagnose_adapter

    found = diagnose_adapter(str(manifest), version=version, work=str(work))
    print_verdict(found.headline, found.findings, found.page, console=console)


def print_verdict(
    headline: str, findings: Sequence[str], page: Path | str, *, console: Console
) -> None:
    """Prints a landscape's verdict in words."""
    colour = "green" if headline == "sound" else "yellow"
    console.print(Text.assemble((headline, f"bold {colour}")))
    for finding in findings:
        console.print(Text(f"  {finding}"), soft_wrap=True)
    console.print(marked("  page", "bold", page), soft_wrap=True)
