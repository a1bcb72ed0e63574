"""The command line: `reage demo | submit | train | collect | weights | ...`; see `reage --help`.

Heavy imports (Prefect, torch) happen inside the commands that need them, so that `reage validate`
and `reage --help` answer at once and work on a laptop without torch.
"""

import logging
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from reage.errors import ReageError
from reage.manifest import validate as validate_manifests
from studio.actor import app as actor_commands
from studio.adapters import app as adapters
from studio.console import marked
from studio.weights import app as weights

app = typer.Typer(
    help="Re-ages actors in VFX shots.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(actor_commands, name="actor")
app.add_typer(adapters, name="adapters")
app.add_typer(weights, name="weights")
out = Console()
err = Console(stderr=True)


class Kind(StrEnum):
    """What is trained: of a prior, or for an actor."""

    AGEING = "ageing"
    FACE3D = "face3d"


Manifests = Annotated[list[Path], typer.Argument(help="Shot manifests, or folders of them.")]
Work = Annotated[Path, typer.Option(help="Root of the work folders.")]


def main() -> None:
    """Runs the command line; an error of ours is one sentence and exit code 1."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
    # What goes wrong is said once, in a sentence of ours; PREFECT_LOGGING_LEVEL=INFO tells more.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    # Prefect's worker for events logs outside Prefect's own loggers, and warns of a late exit.
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)
    try:
        app()
    except ReageError as error:
        err.print(marked("error", "red", error), soft_wrap=True)
        raise SystemExit(1) from None


@app.command()
def demo(
    plate: Annotated[
        Path | None, typer.Option(help="Any movie, instead of the demo plate.")
    ] = None,
    age: Annotated[float, typer.Option(help="Target age in years, 18-100.")] = 75.0,
    prior: Annotated[str, typer.Option(help="Ageing prior to use.")] = "compact",
    work: Work = Path("work"),
    frames: Annotated[int, typer.Option(help="At most this many frames.", min=2)] = 72,
    actor: Annotated[
        str | None,
        typer.Option(help="`synthetic`: train an adapter first; prior and adapter side by side."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Of that training.", min=1)] = 400,
) -> None:
    """Re-ages a shot on this machine with the embedded defaults and shows where the result lies."""
    if actor is not None:
        if actor != "synthetic" or plate is not None:
            raise typer.BadParameter("expected `synthetic`, without --plate", param_hint="--actor")
        from studio.synthetic_demo import run_synthetic_demo

        run_synthetic_demo(
            target_age=age, prior=prior, work=work, max_frames=frames, steps=steps, console=out
        )
        return
    from studio.demo import run_demo

    run_demo(plate, target_age=age, prior=prior, work=work, max_frames=frames, console=out)


@app.command()
def validate(manifests: Manifests) -> None:
    """Checks shot manifests and their actors; reports every problem with file, line and key."""
    report = validate_manifests(manifests)
    for warning in report.warnings:
        err.print(marked("warning", "yellow", warning), soft_wrap=True)
    for problem in report.problems:
        err.print(marked("error", "red", problem), soft_wrap=True)
    out.print(f"{len(report.files)} manifest(s) checked, {len(report.problems)} problem(s)")
    if report.problems:
        raise typer.Exit(1)


@app.command()
def submit(
    manifests: Manifests,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the runs to finish.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Run here, without a server.")] = False,
    pool: Annotated[str, typer.Option(help="Deployment to use: cpu or gpu.")] = "cpu",
    work: Work = Path("work"),
) -> None:
    """Sends shots to the server, or runs them on this machine with --local."""
    from studio.submission import run_locally, send_to_server

    if local:
        run_locally(manifests, work=work, console=out)
    else:
        send_to_server(manifests, pool=pool, work=work, wait=wait, console=out)


@app.command()
def status(manifests: Manifests, work: Work = Path("work")) -> None:
    """Shows per shot what is finished, the last run and the delivered versions."""
    from studio.status import shot_rows

    table = Table("shot", "finished steps", "last run", "delivered", box=None, pad_edge=False)
    for row in shot_rows(manifests, work=work):
        table.add_row(*row)
    out.print(table)


@app.command()
def deliver(
    manifest: Annotated[Path, typer.Argument(help="Shot manifest whose frames are rendered.")],
    to: Annotated[str | None, typer.Option(help="Destination instead of the manifest's.")] = None,
    verify: Annotated[
        str | None, typer.Option(help="Only read this delivered version back, e.g. v003.")
    ] = None,
    work: Work = Path("work"),
) -> None:
    """Delivers a rendered shot (again, or elsewhere), or verifies what was delivered."""
    from studio.submission import deliver_rendered, verify_delivered

    if verify is not None:
        verify_delivered(manifest, version=verify, destination=to, console=out)
    else:
        deliver_rendered(manifest, destination=to, work=work, console=out)


@app.command()
def doctor() -> None:
    """Says what this machine has, and what to do about what is missing."""
    from studio.doctor import examine_machine

    table = Table("", "part", "found", "what to do", box=None, pad_edge=False)
    findings = examine_machine()
    marks = {
        "ok": "[green]ok[/green]",
        "note": "[yellow]note[/yellow]",
        "missing": "[red]missing[/red]",
    }
    for finding in findings:
        table.add_row(marks[finding.verdict], finding.part, finding.found, finding.cure)
    out.print(table)
    if any(finding.verdict == "missing" for finding in findings):
        raise typer.Exit(1)


@app.command()
def collect(
    actor: Annotated[Path, typer.Argument(help="Manifest of the actor, with a collection.")],
    prior: Annotated[str, typer.Option(help="Prior to align photographs for.")] = "compact",
    work: Work = Path("work"),
) -> None:
    """Gathers an actor's photographs for training: found, dated, aligned; refused with a reason."""
    from studio.collection import run_collection

    run_collection(actor, prior=prior, work=work, console=out)


@app.command()
def train(
    actor: Annotated[Path, typer.Argument(help="Actor manifest; its collection is learnt from.")],
    kind: Annotated[
        Kind,
        typer.Option(help="`ageing`, what shots use, or `face3d`, a face that can be turned."),
    ] = Kind.AGEING,
    prior: Annotated[
        str | None,
        typer.Option(help="Prior to personalise: compact, or the first 3D prior there is."),
    ] = None,
    preset: Annotated[str, typer.Option(help="Recipe: default or paper.")] = "default",
    steps: Annotated[
        int | None, typer.Option(help="Instead of the recipe's number.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    work: Work = Path("work"),
) -> None:
    """Trains an actor's personal adapter on the photographs of its collection, and registers it."""
    if kind is Kind.FACE3D:
        from studio.face3d import run_face3d_training

        run_face3d_training(actor, prior=prior, steps=steps, seed=seed, work=work, console=out)
        return
    from studio.training import run_training

    prior = prior or "compact"
    run_training(actor, prior=prior, preset=preset, steps=steps, seed=seed, work=work, console=out)


@app.command()
def turntable(
    actor: Annotated[Path, typer.Argument(help="Actor manifest; a 3D face has been trained.")],
    yaw: Annotated[
        str | None,
        typer.Option(
            help="Degrees from and to; the movie comes back. -35:35; from the front for looks."
        ),
    ] = None,
    pitch: Annotated[float, typer.Option(help="Degrees, positive from above.")] = 0.0,
    age: Annotated[
        float | None, typer.Option(help="Target age, years; the photographs' if not given.")
    ] = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from", help="Look of a photograph, by name or number; of all, if not given."
        ),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Look of the photograph that is gone to, and back.")
    ] = None,
    edit: Annotated[
        list[str] | None,
        typer.Option(help="Direction of the prior and how far, as smile=1.0; may be repeated."),
    ] = None,
    fps: Annotated[int, typer.Option(help="Frames a second.")] = 24,
    seconds: Annotated[float, typer.Option(help="Length of the movie.")] = 4.0,
    version: Annotated[str, typer.Option(help="Of the 3D face, as v003.")] = "latest",
    prior: Annotated[
        str | None, typer.Option(help="Name or folder of the 3D prior it was trained on.")
    ] = None,
    work: Work = Path("work"),
) -> None:
    """Shows an actor's 3D face from a turning camera, as a movie and a sheet with provenance.

    With --to or --edit the look changes on the way, inside the hull of the photographs' looks: what
    no photograph comes near is not made up, and how much of an edit was reached is said.
    """
    from studio.face3d import run_turntable

    run_turntable(
        actor,
        yaw=yaw,
        pitch=pitch,
        age=age,
        first=first,
        last=last,
        edit=edit or [],
        fps=fps,
        seconds=seconds,
        version=version,
        prior=prior,
        work=work,
        console=out,
    )


@app.command("reference-plate")
def reference_plate(
    manifest: Annotated[Path, typer.Argument(help="Shot manifest.")],
    actor: Annotated[str, typer.Argument(help="One of its actors; a 3D face has been trained.")],
    look: Annotated[
        str | None,
        typer.Option("--from", help="Look of a photograph, by name or number; of all by default."),
    ] = None,
    aged: Annotated[
        bool, typer.Option("--aged/--as-photographed", help="At the shot's target age, or not.")
    ] = True,
    version: Annotated[str, typer.Option(help="Of the 3D face, as v003.")] = "latest",
    prior: Annotated[
        str | None, typer.Option(help="Name or folder of the 3D prior it was trained on.")
    ] = None,
    work: Work = Path("work"),
) -> None:
    """Renders an actor's 3D face at a shot's camera, as a reference for comp: EXR with alpha.

    A frame for every frame of the plate, of its size, in scene-linear Rec.709, premultiplied:
    the head as the face is turned there, within the face's outline. The plate is not touched.
    """
    from studio.face3d import run_reference_plate

    run_reference_plate(
        manifest,
        actor,
        look=look,
        is_aged=aged,
        version=version,
        prior=prior,
        work=work,
        console=out,
    )


@app.command()
def nightly(
    manifests: Annotated[
        list[str],
        typer.Argument(help="Actor manifests, or folders or s3:// prefixes of them."),
    ],
    work: Work = Path("work"),
) -> None:
    """Runs the nightly update here and now: new photographs into adapters, none forgotten.

    For each actor whose manifest has a section `nightly`. Ends with a page in WORK/nights.
    """
    from studio.nightly import run_night

    run_night(manifests, work=work, console=out)


@app.command()
def diagnose(
    actor: Annotated[Path, typer.Argument(help="Actor manifest; judged on its collection.")],
    version: Annotated[str, typer.Argument(help="As v003.")] = "latest",
    work: Work = Path("work"),
) -> None:
    """Says what a version of an actor's adapter is worth, in words and as a page with plots.

    Looks at the straight ways to it from its start and from the version before: sound,
    under-trained, learnt from another face, biases out of step, behind a barrier.
    """
    from studio.diagnosis import run_diagnosis

    run_diagnosis(actor, version=version, work=work, console=out)


@app.command("train-prior")
def train_prior(
    folder: Annotated[
        Path,
        typer.Argument(help="Age-labelled faces: `{age}_….jpg`, zips of such, or a labels.csv."),
    ],
    config: Annotated[
        Path | None,
        typer.Option(help="Recipe; configs/prior/compact.json or configs/face3d/compact.json."),
    ] = None,
    kind: Annotated[
        Kind, typer.Option(help="`ageing`, or `face3d`: faces that can be turned.")
    ] = Kind.AGEING,
    name: Annotated[str, typer.Option(help="Name to register the prior under.")] = "studio",
    recogniser: Annotated[
        Path | None,
        typer.Option(help="dlib's face recogniser (.dat), for a recipe with `recognised` phases."),
    ] = None,
    viewer: Annotated[
        Path | None,
        typer.Option(help="EfficientNet-Lite0 (.pth), for a recipe with `photographic` phases."),
    ] = None,
    second_recogniser: Annotated[
        Path | None,
        typer.Option(help="MobileFace (.json), for a recipe with `second_recognised` phases."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Prior to go on from, by its recipe with more phases of the finish."),
    ] = None,
    work: Work = Path("work"),
) -> None:
    """Trains an ageing prior, or a 3D one, on a studio's own licensed faces and registers it.

    Faces are found with all cores; minors are left out. A killed run goes on where it stopped.

    In WORK/priors/NAME (3D: WORK/priors3d/NAME): curve.jsonl (losses), previews/ (sheets of
    validation faces) and prior/ with weights, recipe, loss curve and a model card of the run.

    `reage weights list` shows the registered prior; `reage weights inspect NAME` its card.
    """
    from studio.prior_training import run_face3d_prior_training, run_prior_training

    if kind is Kind.FACE3D:
        given = {"--recogniser": recogniser, "--viewer": viewer, "--start": start}
        given["--second-recogniser"] = second_recogniser
        for option, value in given.items():
            if value is not None:
                raise typer.BadParameter("got one, expected none for a 3D prior", param_hint=option)
        run_face3d_prior_training(folder, config=config, name=name, work=work, console=out)
        return
    run_prior_training(
        folder,
        config=config,
        name=name,
        recogniser=recogniser,
        viewer=viewer,
        second_recogniser=second_recogniser,
        start=start,
        work=work,
        console=out,
    )
