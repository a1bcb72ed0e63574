"""Faces in three dimensions from the command line: training one, and looking at it from aside."""

from pathlib import Path

from rich.console import Console

from reage.errors import ManifestError
from reage.registry.adapter_facts import Face3DFacts
from reage.registry.adapters import AdapterRecord
from reage.turntable import Turntable, parsed_yaw
from studio.console import marked


def run_face3d_training(
    manifest: Path, *, prior: str | None, steps: int | None, seed: int, work: Path, console: Console
) -> AdapterRecord:
    """Runs the training flow on this machine and prints what came of it.

    Raises:
        ReageError: Whatever the flow reports.
    """
    from flows.train_face3d import train_face3d

    record = train_face3d(str(manifest), prior=prior, steps=steps, seed=seed, work=str(work))
    facts = record.facts
    assert isinstance(facts, Face3DFacts)
    before, after = (facts.metrics[f"psnr_{side}"] for side in ("prior", "personal"))
    said = (
        f"{record.name} in 3D, {facts.network['numbers']:,} numbers, on {facts.num_photographs} "
        f"photographs; PSNR of these {before:.1f} dB by the prior, {after:.1f} dB by the face"
    )
    console.print(marked("trained", "bold green", said), soft_wrap=True)
    console.print(marked("  face", "bold", record.folder), soft_wrap=True)
    console.print(f"  look at it: reage turntable {manifest}", highlight=False, soft_wrap=True)
    return record


def run_turntable(
    manifest: Path,
    *,
    yaw: str,
    pitch: float,
    age: float | None,
    fps: int,
    seconds: float,
    version: str,
    prior: str | None,
    work: Path,
    console: Console,
) -> Path:
    """Runs the turntable flow on this machine and prints where the movie lies.

    Raises:
        ManifestError: An angle, the age or the length is out of range.
        ReageError: Whatever the flow reports.
    """
    try:
        first, last = parsed_yaw(yaw)
        view = Turntable(
            first_yaw=first,
            last_yaw=last,
            pitch=pitch,
            target_age=age,
            fps=fps,
            seconds=seconds,
        )
    except ValueError as error:
        raise ManifestError(str(error)) from None
    from flows.turntable import turntable

    folder = turntable(str(manifest), view, version=version, prior=prior, work=str(work))
    console.print(marked("rendered", "bold green", folder / "turntable.mp4"), soft_wrap=True)
    console.print(marked("  provenance", "bold", folder / "turntable.json"), soft_wrap=True)
    return folder
