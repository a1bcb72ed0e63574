"""A real Prefect server and a real worker: a *scheduled* run of the nightly deployment completes.

Guards the two pins that Prefect needs (fastapi, SQLAlchemy): with the wrong ones the server does
not start, or starts and never schedules anything.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

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
        log = (tmp_path / f"{arguments[0]}.log").open("w")
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
        yield url, start, call
    finally:
        for process in reversed(processes):
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _answers(url):
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_scheduled_run_of_a_sequence_completes_on_a_worker(server, small_shot, tmp_path):
    url, start, call = server
    call("work-pool", "create", "cpu", "--type", "process")
    call("work-pool", "create", "gpu", "--type", "process")
    call("deploy", "--all")
    [deployment] = httpx.post(
        f"{url}/deployments/filter", json={"deployments": {"name": {"any_": ["nightly"]}}}
    ).json()
    work = tmp_path / "work"
    parameters = {"folder": str(small_shot.manifest.parent), "work": str(work), "chunk": 8}
    httpx.patch(
        f"{url}/deployments/{deployment['id']}", json={"parameters": parameters}
    ).raise_for_status()
    httpx.post(
        f"{url}/deployments/{deployment['id']}/schedules",
        json=[
            {"schedule": {"interval": 3600, "anchor_date": _soon()}, "active": True, "slug": "soon"}
        ],
    ).raise_for_status()
    start("worker", "start", "--pool", "cpu", "--limit", "1")

    def finished():
        runs = httpx.post(
            f"{url}/flow_runs/filter",
            json={"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}},
        ).json()
        done = [r for r in runs if r["state_type"] in {"COMPLETED", "FAILED", "CRASHED"}]
        return done or None

    [run, *_] = _until(finished, WITHIN_S, "a scheduled run")
    log = (tmp_path / "worker.log").read_text()
    assert run["state_type"] == "COMPLETED", log[-4000:]
    assert run["auto_scheduled"]
    assert list(small_shot.destination.rglob("index.json"))


def _soon() -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
