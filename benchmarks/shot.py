"""Seconds a frame by stage from 720p to 2160p, peak memory of each, and against shot length.

    make bench

Every case runs the real flow in a process of its own. The floor is what any tool pays that reads
this plate and writes this master: decoding ProRes and encoding ProRes 4444, nothing between.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.record import record

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "2160p": (3840, 2160)}
LENGTHS = (48, 480)
SPEED_FRAMES = {"720p": 48, "1080p": 48, "2160p": 24}  # a chunk at least
MEMORY_SIZE = (640, 360)


def main() -> None:
    """Runs every case in a fresh process, prints the table and records the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=3, metavar=("WIDTH", "HEIGHT", "FRAMES"), type=int)
    parser.add_argument("--plate", type=Path)
    arguments = parser.parse_args()
    if arguments.case:
        sys.stdout.write(json.dumps(run_case(arguments.plate, *arguments.case)) + "\n")
        return
    cases = {name: _in_process(size, SPEED_FRAMES[name]) for name, size in SIZES.items()}
    memory = {str(n): _in_process(MEMORY_SIZE, n)["peak_memory_mib"] for n in LENGTHS}
    figures = {
        "frames": SPEED_FRAMES,
        "seconds_a_frame": {name: case["seconds_a_frame"] for name, case in cases.items()},
        "ratio_of_whole_shot_to_transcode": {
            name: case["seconds_a_frame"]["whole shot"] / case["seconds_a_frame"]["transcode"]
            for name, case in cases.items()
        },
        "peak_memory_mib": {name: case["peak_memory_mib"] for name, case in cases.items()},
        "peak_memory_mib_at_640x360_by_frames": memory,
    }
    _show(figures)
    record("shot", figures)


def run_case(plate: Path, width: int, height: int, num_frames: int) -> dict[str, Any]:
    """Runs the flow on a demo plate and returns seconds a frame by stage and peak memory, MiB."""
    from flows.reage_shot import reage_shot
    from studio.demo import demo_shot

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = demo_shot(folder / "demo", plate, num_frames=num_frames)
        started = time.perf_counter()
        reage_shot(str(manifest), work=str(folder / "work"))
        whole = time.perf_counter() - started
        [timings] = (folder / "work").rglob("timings.json")
        seconds = {**json.loads(timings.read_text()), "whole shot": whole}
        # Memory is read before the floor runs, which is no part of the shot.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds["transcode"] = _transcode(plate, folder / "floor.mov", width, height)
    return {
        "seconds_a_frame": {stage: value / num_frames for stage, value in seconds.items()},
        "peak_memory_mib": peak,
    }


def _transcode(plate: Path, target: Path, width: int, height: int) -> float:
    from reage.video import open_writer, probe, read_frames

    info = probe(plate)
    started = time.perf_counter()
    writer = open_writer(
        target, format="prores4444", width=width, height=height, frame_rate=info.frame_rate
    )
    with writer:
        for frame, image in read_frames(info, info.frames, colourspace="rec709"):
            writer.write(frame, image)
    return time.perf_counter() - started


def _in_process(size: tuple[int, int], num_frames: int) -> dict[str, Any]:
    """Runs one case alone, its plate made by another process still."""
    with tempfile.TemporaryDirectory() as folder:
        plate = Path(folder) / "plate.mov"
        make = (
            "import sys; from pathlib import Path; from studio.demo_plate import write_demo_plate;"
            f"write_demo_plate(Path({str(plate)!r}), num_frames={num_frames}, size={size})"
        )
        env = {**os.environ, "PREFECT_LOGGING_LEVEL": "ERROR"}
        subprocess.run([sys.executable, "-c", make], check=True, env=env)
        case = [str(n) for n in (*size, num_frames)]
        command = [sys.executable, "-m", "benchmarks.shot", "--plate", str(plate), "--case", *case]
        done = subprocess.run(command, check=True, env=env, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _show(figures: dict[str, Any]) -> None:
    console = Console()
    table = Table("stage", *figures["seconds_a_frame"], title="seconds a frame", box=None)
    for stage in next(iter(figures["seconds_a_frame"].values())):
        values = (case[stage] for case in figures["seconds_a_frame"].values())
        table.add_row(stage, *(f"{value:.3f}" for value in values))
    console.print(table)
    for name in figures["seconds_a_frame"]:
        ratio = figures["ratio_of_whole_shot_to_transcode"][name]
        peak = figures["peak_memory_mib"][name]
        console.print(f"{name}: {ratio:.1f} x a plain transcode, peak memory {peak:.0f} MiB")
    for length, peak in figures["peak_memory_mib_at_640x360_by_frames"].items():
        console.print(f"640x360, {length} frames: peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
