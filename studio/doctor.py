"""What this machine has for the work, and what to do about what is missing."""

import importlib.metadata
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from reage.errors import ReageError
from reage.registry.priors import find_prior
from reage.registry.weights import COMMANDS, list_weights
from reage.storage import StorageSettings
from reage.video import available_formats

_GIB = 1 << 30
_ENOUGH_DISK = 10 * _GIB


@dataclass(frozen=True)
class Finding:
    """One line of the examination; `cure` is empty when nothing needs doing."""

    verdict: Literal["ok", "note", "missing"]
    part: str
    found: str
    cure: str = ""


def examine_machine() -> list[Finding]:
    """Examines packages, GPU, codecs, weights, S3, server and disk; touches nothing."""
    checks: tuple[Callable[[], Finding], ...] = (
        _packages,
        _gpu,
        _codecs,
        _weights,
        _published,
        _s3,
        _server,
        _disk,
    )
    return [check() for check in checks]


def _packages() -> Finding:
    names = ("torch", "av", "mediapipe", "prefect", "fastapi", "sqlalchemy")
    versions: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return Finding("missing", "packages", f"{name} is not installed", "run `make setup`")
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    major_minor = {k: tuple(int(n) for n in v.split(".")[:2]) for k, v in versions.items()}
    if major_minor["fastapi"] >= (0, 151) or major_minor["sqlalchemy"] >= (2, 1):
        cure = "pip install -c constraints.txt: Prefect 3.8.8 breaks with these"
        return Finding("missing", "packages", found, cure)
    return Finding("ok", "packages", found)


def _gpu() -> Finding:
    command = shutil.which("nvidia-smi")
    if command is None:
        return Finding("note", "GPU", "none; networks run on the CPU", "optional: a CUDA GPU")
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    if result.returncode != 0:
        return Finding("note", "GPU", result.stderr.strip() or "driver error", "mend the driver")
    return Finding("ok", "GPU", result.stdout.strip().replace("\n", "; "))


def _codecs() -> Finding:
    missing = [name for name, present in available_formats().items() if not present]
    if missing:
        cure = "install av from its wheel: pip install -c constraints.txt av"
        return Finding("missing", "codecs", f"no encoder for {', '.join(missing)}", cure)
    return Finding("ok", "codecs", ", ".join(available_formats()))


def _weights() -> Finding:
    try:
        record = find_prior("compact")
    except ReageError as error:
        return Finding("missing", "weights", str(error), "check the clone out again")
    return Finding("ok", "weights", f"prior {record.name} {record.digest[:12]}… ({record.licence})")


def _published() -> Finding:
    """Imported weights: none are needed, so what lacks is at most worth a note."""
    part = "published"
    try:
        records = list_weights()
    except ReageError as error:
        return Finding("missing", part, str(error), "reage weights remove NAME, import it again")
    kinds = {record.kind for record in records}
    found = ", ".join(f"{r.name} {r.digest[:12]}…" for r in records) or "no imported weights"
    if "sam" not in kinds:
        return Finding("note", part, found, f"optional: {COMMANDS['sam']}")
    lacking = [kind for kind in ("dex", "irse50") if kind not in kinds]
    if lacking:
        cure = "optional, the compact prior judges in their stead: "
        return Finding("note", part, found, cure + ", ".join(COMMANDS[kind] for kind in lacking))
    return Finding("ok", part, found)


def _s3() -> Finding:
    endpoint = StorageSettings().resolved().endpoint_url
    profile = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if "AWS_ACCESS_KEY_ID" not in os.environ and not profile.is_file():
        cure = "for s3:// destinations set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return Finding("note", "S3", "no credentials; folders work", cure)
    if endpoint and not _answers(endpoint):
        return Finding(
            "missing", "S3", f"{endpoint} does not answer", "start it, or correct the URL"
        )
    return Finding("ok", "S3", endpoint or "AWS, credentials found")


def _server() -> Finding:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        cure = "optional: `prefect server start`, then set PREFECT_API_URL"
        found = "none set; submit needs --local, and runs here use a temporary one"
        return Finding("note", "server", found, cure)
    if not _answers(url):
        return Finding("missing", "server", f"{url} does not answer", "run `prefect server start`")
    return Finding("ok", "server", url)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    found = f"{free / _GIB:.0f} GiB free here"
    if free < _ENOUGH_DISK:
        return Finding("note", "disk", found, "choose a --work folder with more space")
    return Finding("ok", "disk", found)


def _answers(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not parts.hostname:
            return False
        with socket.create_connection((parts.hostname, port), timeout=3):
            return True
    except (OSError, ValueError):  # nobody there, or no address
        return False
