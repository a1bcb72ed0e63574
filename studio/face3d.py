"""Faces in three dimensions from the command line: training one, and looking at it from aside."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from reage.errors import ManifestError
from reage.looks import Looks, parsed_edits
from reage.manifest import load_actor, load_shot
from reage.registry.adapter_facts import Face3DFacts
from reage.registry.adapters import AdapterRecord
from reage.turntable import Turntable, parsed_yaw
from studio.console import marked

ASIDE, FRONT = "-35:35", "0:0"  # degrees of yaw


def run_face3d_training(
    manifest: Path, *, prior: str | None, steps: int | None, seed: int, work: Path, console: Console
) -> AdapterRecord:
    """Runs the training flow on this machine and prints what came of it.

    Raises:
        ReageError: Whatever the flow reports.
    """
    load_actor(manifest)  # what is wrong with it is told before a server is started
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
    yaw: str | None,
    pitch: float,
    age: float | None,
    first: str | None,
    last: str | None,
    edit: Sequence[str],
    fps: int,
    seconds: float,
    version: str,
    prior: str | None,
    work: Path,
    console: Console,
) -> Path:
    """Runs the turntable flow on this machine and prints where the movie lies.

    Raises:
        ManifestError: An angle, the age, an edit or the length is out of range.
        ReageError: Whatever the flow reports.
    """
    try:
        looks = Looks(first=first, last=last, edits=parsed_edits(edit))
        angles = parsed_yaw(yaw or (FRONT if looks.changes else ASIDE))
        view = Turntable(
            first_yaw=angles[0],
            last_yaw=angles[1],
            pitch=pitch,
            target_age=age,
            looks=looks,
            fps=fps,
            seconds=seconds,
        )
    except ValueError as error:
        raise ManifestError(str(error)) from None
    load_actor(manifest)  # what is wrong with it is told before a server is started
    from flows.turntable import turntable

    folder = turntable(str(manifest), view, version=version, prior=prior, work=str(work))
    console.print(marked("rendered", "bold green", folder / "turntable.mp4"), soft_wrap=True)
    console.print(marked("  sheet", "bold", folder / "turntable.png"), soft_wrap=True)
    console.print(marked("  provenance", "bold", folder / "turntable.json"), soft_wrap=True)
    shown = json.loads((folder / "turntable.json").read_text(encoding="utf-8"))["looks"]
    for name, edit_facts in shown["edits"].items():
        asked, reached = edit_facts["asked"], edit_facts["reached"]
        said = f"{name} {reached:+.2f} of {asked:+g}: as far as the photographs' looks reach"
        console.print(marked("  edit", "bold", said), soft_wrap=True)
    return folder


def run_reference_plate(
    manifest: Path,
    actor: str,
    *,
    look: str | None,
    is_aged: bool,
    version: str,
    prior: str | None,
    work: Path,
    console: Console,
) -> Path:
    """Runs the reference plate's flow on this machine and prints where its frames lie.

    Raises:
        ReageError: Whatever the flow reports.
    """
    load_shot(manifest)  # what is wrong with it is told before a server is started
    from flows.reference_plate import reference_plate

    folder = reference_plate(
        str(manifest),
        actor,
        Looks(first=look),
        version=version,
        prior=prior,
        is_aged=is_aged,
        work=str(work),
    )
    record = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    said = f"{record['num_shown']} of {len(record['files'])} frames show {actor}"
    console.print(marked("rendered", "bold green", said), soft_wrap=True)
    console.print(marked("  frames", "bold", folder / "reference.####.exr"), soft_wrap=True)
    console.print(marked("  provenance", "bold", folder / "reference.json"), soft_wrap=True)
    return folder
