"""What is known of shots: the ledger's steps, the server's last run, the delivered versions."""

import os
from collections.abc import Sequence
from pathlib import Path

from reage.delivery import open_destination
from reage.errors import StorageError
from reage.manifest import ShotManifest, load_shots
from reage.versions import list_versions
from reage.workspace import Workspace


def shot_rows(manifests: Sequence[Path], *, work: Path) -> list[tuple[str, str, str, str]]:
    """Returns a row per shot: code, finished steps, last run, delivered versions."""
    rows = []
    for shot in load_shots(manifests):
        steps = Workspace(work, shot.shot_id).finished_steps()
        finished = ", ".join(f"{stage} {count}" for stage, count in steps.items()) or "none"
        last_run = _last_run(Path(str(shot.path)))
        rows.append((shot.shot_id.code, finished, last_run, _delivered(shot)))
    return rows


def _delivered(shot: ShotManifest) -> str:
    try:
        versions = list_versions(open_destination(shot), shot.shot_id)
    except StorageError as error:
        return f"unknown: {error}"
    return ", ".join(versions) or "none"


def _last_run(manifest: Path) -> str:
    """State of the newest run of this manifest on the server, if one is set."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return "no server set"
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    name = FlowRunFilterName(any_=[f"reage {manifest.resolve()}", f"reage {manifest}"])
    try:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(
                flow_run_filter=FlowRunFilter(name=name),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=1,
            )
    except httpx.TransportError:
        return f"unknown: {url} does not answer"
    return str(runs[0].state.name) if runs and runs[0].state else "never"
