"""A real S3 server for the tests: moto in a process of its own, on a free port of the loopback.

`FaultyRelay` stands before it where a test needs a server that fails: it passes requests on, except
those its fault function answers itself.
"""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from reage.storage import FolderStorage, S3Storage, Storage, StorageSettings

_STARTUP_S = 60.0
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1,localhost",
}


@dataclass
class S3Server:
    """Where the server listens, and how tests reach it without the code under test."""

    port: int

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> StorageSettings:
        return StorageSettings(endpoint_url=self.endpoint_url, region="us-east-1")

    @cached_property
    def client(self):
        return boto3.client("s3", endpoint_url=self.endpoint_url, region_name="us-east-1")

    def new_bucket(self) -> str:
        bucket = f"test-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=bucket)
        return bucket

    def new_storage(self, prefix: str = "studio/out") -> S3Storage:
        return S3Storage(self.new_bucket(), prefix, settings=self.settings)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """The server, alive for the whole session; credentials are set in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        for name in [n for n in os.environ if n.startswith(("REAGE_S3_", "AWS_ENDPOINT_URL"))]:
            patch.delenv(name)
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        server = S3Server(free_port())
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(server.port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await_answer(server.port, process)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=10)


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty store of either kind: what a test says of it holds for both."""
    if request.param == "folder":
        return FolderStorage(tmp_path / "store")
    return request.getfixturevalue("s3_server").new_storage()


def write_large(path: Path, size: int) -> Path:
    """Writes bytes that differ from part to part, so that a swapped part would show."""
    with path.open("wb") as file:
        for index in range(0, size, 1 << 20):
            file.write((index.to_bytes(8, "big") * (1 << 17))[: size - index])
    return path


def free_port() -> int:
    """Returns a port of the loopback on which nothing listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _await_answer(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + _STARTUP_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"moto server: ended with {process.returncode} before it listened")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/moto-api/data.json")
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"moto server: silent for {_STARTUP_S:.0f} s")


@dataclass
class Fault:
    """An answer that the relay gives instead of the server's.

    `cut_after` passes the server's answer on, but ends the connection after that many body bytes;
    `lose_answer` has the server do as asked and ends the connection without a word.
    """

    status: int = 503
    code: str = "SlowDown"
    hold: threading.Event | None = None
    cut_after: int | None = None
    lose_answer: bool = False


@dataclass
class FaultyRelay:
    """A loopback HTTP server that relays to the S3 server, but for what `fault` answers.

    `fault` gets the method and path with query of each request, and returns a Fault or None.
    """

    server: S3Server
    fault: Callable[[str, str], Fault | None]
    requests: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> "FaultyRelay":
        handler = type("Handler", (_RelayHandler,), {"relay": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def count(self, method: str, fragment: str = "") -> int:
        return sum(m == method and fragment in path for m, path in self.requests)


class _RelayHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    relay: FaultyRelay

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.relay.requests.append((self.command, self.path))
        fault = self.relay.fault(self.command, self.path)
        if fault is not None and fault.hold is not None:
            fault.hold.wait()
        if fault is not None and fault.cut_after is None and not fault.lose_answer:
            text = f"<Error><Code>{fault.code}</Code><Message>told to</Message></Error>".encode()
            self._answer(fault.status, {"Content-Type": "application/xml"}, text, len(text))
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.relay.server.port)
        connection.request(self.command, self.path, body=body, headers=dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("content-length", "transfer-encoding", "connection")
        }
        size = int(answer.headers.get("Content-Length") or len(content))
        if fault is not None:
            self.close_connection = True
            if fault.lose_answer:
                connection.close()
                return
            content = content[: fault.cut_after]
        self._answer(answer.status, headers, content, size)
        connection.close()

    def _answer(self, status: int, headers: dict[str, str], content: bytes, size: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _relay

    def log_message(self, *_: object) -> None:
        pass
