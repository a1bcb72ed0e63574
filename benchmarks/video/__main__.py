"""Judges how a re-aged shot holds from frame to frame, in every temporal mode.

    make bench-video CLIPS="FILE ..." JUDGES=FOLDER

Plates are a photograph moved in a known way, whose `floor` is what the meter sees of a change that
moves exactly so, and the clips given; figures are those of measures.py, and on that photograph
`true_residual`, of the change by the motion that is known. JUDGES as of benchmarks/prior.
`unsteadied` is a pipeline without memory: landmarks and latents as each frame reads them. Strips,
slices over time and plots go to work/bench-video/.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import cv2
import skimage.data
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.judges import Jury
from benchmarks.record import record
from benchmarks.video.measures import Measured, landmark_jitter, measure
from benchmarks.video.moving_still import floor_of, true_residual, write_moving_still
from benchmarks.video.pictures import draw_flicker, draw_shot
from benchmarks.video.shots import MODES, UNSTEADIED, Rendered, Stage
from models.ageing.loading import load_prior
from reage.registry.priors import find_prior
from reage.tracks import load_track
from tasks.refs import PriorRef

PICTURES = Path("work/bench-video")
STILL = "moving still"
AGE = 75.0


def judge_plate(
    path: Path, name: str, prior: PriorRef, jury: Jury, *, num_frames: int, work: Path
) -> dict[str, Any]:
    """Renders a plate in every mode; returns the figures, and draws."""
    stage = Stage(path, prior, num_frames=num_frames, age=AGE, work=work)
    rendered: dict[str, Rendered] = {}
    measured: dict[str, Measured] = {}
    for mode in MODES:
        rendered[mode] = stage.render(mode)
        measured[mode] = measure(rendered[mode], jury)
    draw_shot(rendered, PICTURES / name)
    draw_flicker(measured, PICTURES / name / "flicker.png")
    track = load_track(Path(stage.cast.track_path))
    jitter = {"read": track.raw_landmarks, "steadied": track.landmarks}
    figures = {mode: _rounded(shot.figures) for mode, shot in measured.items()}
    _compare(figures)
    facts: dict[str, Any] = {
        "landmark_jitter_px": {k: round(landmark_jitter(v), 4) for k, v in jitter.items()},
        "key_frame": rendered["keyframe"].key_frame,
        "modes": figures,
    }
    if name == STILL:
        for mode, shot in rendered.items():
            residual = true_residual(frame[1:] for frame in shot.frames())
            figures[mode]["true_residual"] = round(residual, 5)
        _, plate, result, matte = next(iter(rendered["surface"].frames()))
        facts["floor"] = _rounded(floor_of(plate, result, matte, num_frames=num_frames))
    return facts


def _compare(figures: dict[str, dict[str, float]]) -> None:
    """Adds how many times less the change flickers, and how the age differs, from `unsteadied`."""
    baseline = figures[UNSTEADIED]
    for row in figures.values():
        row["other_times_calmer"] = round(baseline["other_change"] / row["other_change"], 3)
        row["times_calmer"] = round(baseline["change_residual"] / row["change_residual"], 3)
        row["age_difference"] = round(row["years_gained"] - baseline["years_gained"], 3)


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in figures.items()}


def show(name: str, facts: dict[str, Any]) -> None:
    """Prints one plate's modes."""
    rows = facts["modes"] | ({"floor": facts["floor"]} if "floor" in facts else {})
    columns = list(facts["modes"][UNSTEADIED])
    table = Table("mode", *columns, title=name, box=None)
    for mode, row in rows.items():
        table.add_row(mode, *(f"{row[c]:.4f}" if c in row else "" for c in columns))
    Console(width=220).print(table)


def main() -> None:
    """Judges every plate and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--prior", type=Path, default=find_prior().folder)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    jury, digest = Jury(options.judges), load_prior(options.prior).digest
    prior = PriorRef(name=options.prior.name, folder=str(options.prior), digest=digest)
    plates: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        still = Path(folder) / "still.mov"
        write_moving_still(skimage.data.astronaut(), still, num_frames=options.frames)
        for path in (still, *options.clips):
            name = STILL if path == still else path.stem
            plates[name] = judge_plate(
                path,
                name,
                prior,
                jury,
                num_frames=options.frames,
                work=Path(folder) / path.stem,
            )
            show(name, plates[name])
    if not options.no_record:
        facts = {"prior": prior.name, "digest": digest, "frames": options.frames, "age": AGE}
        print(f"wrote {record('video', {**facts, 'plates': plates})}")


if __name__ == "__main__":
    main()
