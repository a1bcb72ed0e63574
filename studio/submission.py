"""Sending shots to the server, running them here, delivering and verifying."""

import os
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, cast
from uuid import UUID

from rich.console import Console

from reage.delivery import open_destination, read_index, verify_delivery
from reage.errors import ReageError, in_words
from reage.manifest import ShotManifest, load_shot, load_shots
from studio.console import marked

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

_POLL_S = 2.0


def run_locally(manifests: Sequence[Path], *, work: Path, console: Console) -> None:
    """Runs every shot in this process, one after the other; a failed one does not stop the rest.

    Raises:
        ReageError: Some shots failed; the message has one line for each.
    """
    from flows.reage_shot import reage_shot

    failures = []
    for shot in load_shots(manifests):
        try:
            delivery = reage_shot(str(shot.path), work=str(work))
            console.print(marked("delivered", "green", delivery.uri), soft_wrap=True)
            for reason in review_reasons(shot, delivery.version):
                console.print(marked("needs review", "yellow", reason), soft_wrap=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            failures.append(in_words(error))
    if failures:
        raise ReageError("\n".join(failures))


def review_reasons(shot: ShotManifest, version: str) -> list[str]:
    """Returns why a delivered version of a shot needs review; nothing when it passed."""
    index = read_index(open_destination(shot), shot.shot_id, version)
    return list(index["facts"].get("reasons", []))


def send_to_server(
    manifests: Sequence[Path], *, pool: str, work: Path, wait: bool, console: Console
) -> None:
    """Creates one flow run per shot in the deployment `reage-shot/<pool>`.

    Raises:
        ManifestError: A manifest is missing or says something impossible.
        ReageError: No server is set, the deployment is unknown, or (with `wait`) a run failed.
    """
    shots = load_shots(manifests)
    if not os.environ.get("PREFECT_API_URL"):
        raise ReageError(
            "submit: PREFECT_API_URL: got nothing, expected the server's address; "
            "run `prefect server start` and set it, or use --local"
        )
    runs = []
    for shot in shots:
        run = _create_run(Path(str(shot.path)).resolve(), pool=pool, work=work.resolve())
        said = f"{shot.path} as {run.name} ({run.id})"
        console.print(marked("submitted", "green", said), soft_wrap=True)
        runs.append(run.id)
    if wait:
        _wait_for(runs, console)


def deliver_rendered(
    manifest: Path, *, destination: str | None, work: Path, console: Console
) -> None:
    """Delivers what is rendered, to the manifest's destination or another.

    Raises:
        ReageError: The manifest is not as it must be, or whatever the flow reports.
    """
    load_shot(manifest)  # what is wrong with it is told before a server is started
    from flows.deliver_shot import deliver_shot

    delivery = deliver_shot(str(manifest), work=str(work), destination=destination)
    console.print(marked("delivered", "green", delivery.uri), soft_wrap=True)


def verify_delivered(
    manifest: Path, *, version: str, destination: str | None, console: Console
) -> None:
    """Reads every file of a delivered version back and compares its digest with the index.

    Raises:
        StorageError: A file is missing or differs.
    """
    shot = load_shot(manifest)
    index = verify_delivery(open_destination(shot, destination), shot.shot_id, version)
    said = f"{shot.shot_id.code} {version}, {len(index['files'])} files"
    console.print(marked("intact", "green", said), soft_wrap=True)


def _create_run(manifest: Path, *, pool: str, work: Path) -> "FlowRun":
    import httpx
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound

    parameters = {"manifest": str(manifest), "work": str(work)}
    try:
        run = run_deployment(
            f"reage-shot/{pool}", parameters=parameters, timeout=0, as_subflow=False
        )
    except ObjectNotFound as error:
        raise ReageError(
            f"submit: deployment: got reage-shot/{pool}, which the server does not know, "
            "expected a deployed one; run `prefect --no-prompt deploy --all`"
        ) from error
    except httpx.TransportError as error:
        raise ReageError(
            f"submit: PREFECT_API_URL: got no answer from {os.environ['PREFECT_API_URL']}, "
            "expected a server; run `prefect server start`, or use --local"
        ) from error
    return cast("FlowRun", run)


def _wait_for(run_ids: Sequence[UUID], console: Console) -> None:
    from prefect.client.orchestration import get_client

    waiting, failed = set(run_ids), []
    with get_client(sync_client=True) as client, console.status("waiting for the runs"):
        while waiting:
            for run_id in sorted(waiting, key=str):
                run = client.read_flow_run(run_id)
                if run.state is not None and run.state.is_final():
                    waiting.discard(run_id)
                    console.print(f"{run.name}: {run.state.name}")
                    if not run.state.is_completed():
                        failed.append(f"{run.name}: {run.state.name}: {run.state.message}")
            if waiting:
                sleep(_POLL_S)
    if failed:
        raise ReageError("\n".join(failed))
