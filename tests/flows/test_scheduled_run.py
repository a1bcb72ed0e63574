"""A real Prefect server and real workers: *scheduled* runs of the nightly deployments complete.

Guards the two pins that Prefect needs (fastapi, SQLAlchemy): with the wrong ones the server does
not start, or starts and never schedules anything.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient

from reage.registry.adapters import find_adapter
from reage.registry.buffers import find_buffer
from tests.flows.nights import Studio, register_first_adapter, register_tiny_prior

ROOT = Path(__file__).parents[2]
WITHIN_S = 240.0

pytestmark = pytest.mark.server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _until(condition, within_s, what):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(1.0)
    raise AssertionError(f"{what}: not within {within_s:.0f} s")


@pytest.fixture
def server(tmp_path):
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "PREFECT_WORKER_QUERY_SECONDS": "3",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "DO_NOT_TRACK": "1",
        "REAGE_CHECKOUT": str(ROOT),
    }
    processes = []

    def start(*arguments):
        log = (tmp_path / f"{arguments[0]}-{len(processes)}.log").open("w")
        command = [sys.executable, "-m", "prefect", *arguments]
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
        processes.append(process)

    def call(*arguments):
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        done = subprocess.run(
            command, env=env, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    start("server", "start", "--host", "127.0.0.1", "--port", str(port))
    try:
        _until(lambda: _answers(f"{url}/health"), 90, "server")
        # Prefect's client asks again on a 503, the server's answer while its database is busy.
        with SyncPrefectClient(url) as client:
            yield client, start, call
    finally:
        for process in reversed(processes):
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _answers(url):
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def studio(tmp_path, monkeypatch):
    """An actor with an adapter and a photograph that arrived; in the environment of all."""
    studio = Studio(tmp_path / "studio")
    monkeypatch.setenv("REAGE_HOME", str(studio.home))
    register_tiny_prior(studio.root / "tiny")
    register_first_adapter("ada")
    studio.write_actor()
    studio.receive(34)
    return studio


def test_scheduled_runs_of_sequence_and_actors_complete_on_workers(
    studio, server, small_shot, tmp_path
):
    client, start, call = server
    call("work-pool", "create", "cpu", "--type", "process")
    call("work-pool", "create", "gpu", "--type", "process")
    call("deploy", "--all")
    shots = {"folder": str(small_shot.manifest.parent), "work": str(tmp_path / "work"), "chunk": 8}
    actors = {"manifests": str(studio.actors), "work": str(studio.work)}
    sequence = _scheduled_soon(client, "nightly", shots)
    update = _scheduled_soon(client, "actors", actors)
    start("worker", "start", "--pool", "cpu", "--limit", "1")
    start("worker", "start", "--pool", "gpu", "--limit", "1")
    for deployment in (sequence, update):
        run = _until(lambda d=deployment: _finished(client, d), WITHIN_S, "a scheduled run")
        log = "".join(path.read_text() for path in tmp_path.glob("worker*.log"))
        assert run["state_type"] == "COMPLETED", log[-4000:]
        assert run["auto_scheduled"]
    assert list(small_shot.destination.rglob("index.json"))
    adapter = find_adapter("ada")
    assert (adapter.version, adapter.facts.parent) == ("v002", "v001")
    assert find_buffer("ada", "v002").digest == adapter.facts.buffer_digest
    [artifact] = client.request(
        "POST",
        "/artifacts/latest/filter",
        json={"artifacts": {"key": {"any_": ["nightly-update"]}}},
    ).json()
    assert "1 updated" in artifact["data"]


def _scheduled_soon(client, name, parameters):
    """Gives a deployment its parameters and a schedule of its own; returns it."""
    [deployment] = client.request(
        "POST", "/deployments/filter", json={"deployments": {"name": {"any_": [name]}}}
    ).json()
    [schedule] = deployment["schedules"]
    assert schedule["schedule"]["timezone"] == "Europe/London"
    assert deployment["global_concurrency_limit"]["limit"] == 1
    assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    place = f"/deployments/{deployment['id']}"
    client.request("PATCH", place, json={"parameters": parameters})
    soon = {"schedule": {"interval": 3600, "anchor_date": _soon()}, "active": True, "slug": "soon"}
    client.request("POST", f"{place}/schedules", json=[soon])
    return deployment


def _finished(client, deployment):
    """The deployment's first finished run, None while there is none."""
    runs = client.request(
        "POST",
        "/flow_runs/filter",
        json={"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}},
    ).json()
    done = [r for r in runs if r["state_type"] in {"COMPLETED", "FAILED", "CRASHED"}]
    return done[0] if done else None


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
