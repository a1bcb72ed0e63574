"""Keeps a benchmark's figures: one JSON file a benchmark, the last honest run."""

import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def record(name: str, figures: dict[str, Any]) -> Path:
    """Writes `benchmarks/results/<name>.json` with machine, date and commit; returns its path."""
    return write(name, described(name, figures))


def described(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Returns figures with the benchmark's name, machine, date and commit before them."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "benchmark": name,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit or "none",
        "machine": machine(),
        **figures,
    }


def write(name: str, document: dict[str, Any]) -> Path:
    """Writes a document of `described` as `benchmarks/results/<name>.json`; returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def machine() -> str:
    """Names the processor, its cores and the memory."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    models = [x.split(":")[1].strip() for x in cpuinfo.splitlines() if x.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{models[0]}, {len(models)} cores, {memory:.0f} GiB, {platform.system()}"
