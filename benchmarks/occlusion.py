"""Judges what is kept in front of a face, by things pasted before it and by clips without any.

    make bench-occlusion CLIPS="FILE ..." HAND=FILE [BARE="FILE ..."]

CLIPS and BARE show faces before which nothing passes; things are pasted before those of CLIPS.
HAND is a clip in which a hand comes near the face: it is cut out, given the colour of each other
face, and held before it. Figures, of frames in which the thing meets the face's matte:

- overlap: of what is found and the truth, intersection over union inside the matte, at 0.5;
- leak: share of the thing, by the matte, that the change still falls on; untreated it is 1;
- over: share of the matte that is held back beside the thing;
- held_back, held_back_worst: share of the matte that is held back in frames without the thing,
  a false alarm: the mean, and the worst frame;
- seconds: what finding it takes a frame, and what tracking does.

Pictures go to work/bench-occlusion/, what is held back in magenta.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.hand_cut_out import HandCutOut
from benchmarks.occluded_shot import FIRST, Found, found_fronts, write_plate
from benchmarks.occluders import OCCLUDERS, Codes, Draw, Matte, covered_frames
from benchmarks.occlusion_strip import draw_strip
from benchmarks.record import record
from reage.faces import FaceFinder
from reage.framerange import FrameRange
from reage.video import probe, read_frames

PICTURES = Path("work/bench-occlusion")
AS_IT_IS = "as it is"
_LONGER = 2  # times as many frames of a clip as it is are judged
_LEAST = 64.0  # px of the thing inside the matte from which a frame counts

Figures = dict[str, float]


def figures_of(found: Found, truths: Sequence[Matte]) -> Figures:
    """Returns what the module says of a shot, whose truth (H, W) of each frame is known."""
    overlaps, missed, there, over, held = [], 0.0, 0.0, [], []
    for (matte, front), truth in zip(found.frames, truths, strict=True):
        whole = float(matte.sum())
        if float((matte * truth).sum()) < _LEAST:
            held.append(float((matte * front).sum()) / whole)
            continue
        inside = matte > 0.5
        hidden, wanted = (front > 0.5) & inside, (truth > 0.5) & inside
        overlaps.append(float((hidden & wanted).sum() / max((hidden | wanted).sum(), 1)))
        missed += float((matte * (1 - front) * truth).sum())
        there += float((matte * truth).sum())
        over.append(float((matte * front * (1 - truth)).sum()) / whole)
    figures = {"seconds": found.seconds, "seconds_tracking": found.seconds_tracking}
    if held:
        figures |= {"held_back": float(np.mean(held)), "held_back_worst": max(held)}
    if overlaps:
        means = {"overlap": float(np.mean(overlaps)), "over": float(np.mean(over))}
        figures |= means | {"leak": missed / there}
    return figures


def judge(path: Path, num_frames: int, things: dict[str, Draw]) -> dict[str, Figures]:
    """Judges one clip, as it is and with each thing before the face."""
    info = probe(path, first_frame=FIRST)
    numbers = FrameRange(FIRST, min(FIRST - 1 + _LONGER * num_frames, info.frames.last))
    frames = [image.to_uint8() for _, image in read_frames(info, numbers, colourspace="rec709")]
    with FaceFinder() as finder:
        face = finder.detect(frames[0])[0].landmarks
    rows: dict[str, Figures] = {}
    for name, draw in {AS_IT_IS: None, **things}.items():
        made = _made(frames if draw is None else frames[:num_frames], draw, face)
        with tempfile.TemporaryDirectory() as folder:
            plate = write_plate([codes for codes, _ in made], Path(folder) / "plate.mov")
            found = found_fronts(plate, len(made), Path(folder))
        draw_strip([codes for codes, _ in made], found.frames, PICTURES / f"{path.stem} {name}.png")
        rows[name] = figures_of(found, [truth for _, truth in made])
    return {kind: {k: round(v, 4) for k, v in row.items()} for kind, row in rows.items()}


def _made(
    frames: Sequence[Codes], draw: Draw | None, face: NDArray[np.float64]
) -> list[tuple[Codes, Matte]]:
    if draw is None:
        return [(codes, np.zeros(codes.shape[:2], np.float32)) for codes in frames]
    return list(covered_frames(frames, draw, face.mean(axis=0), float(np.ptp(face[:, 1]))))


def show(name: str, rows: dict[str, Figures]) -> None:
    """Prints one clip's figures."""
    columns = sorted({column for row in rows.values() for column in row})
    table = Table("in front", *columns, title=name, box=None)
    for kind, row in rows.items():
        table.add_row(kind, *(f"{row[c]:.4f}" if c in row else "" for c in columns))
    Console(width=160).print(table)


def summary(plates: dict[str, dict[str, Figures]]) -> dict[str, Any]:
    """Returns means over the clips: by thing, and of false alarms in clips as they are."""
    by_kind: dict[str, list[Figures]] = {}
    for rows in plates.values():
        for kind, row in rows.items():
            by_kind.setdefault(kind, []).append(row)
    alarms = [row["held_back"] for row in by_kind.pop(AS_IT_IS)]
    things = {
        kind: {
            name: round(float(np.mean([row[name] for row in rows])), 4)
            for name in ("overlap", "leak", "over")
        }
        for kind, rows in by_kind.items()
    }
    mean = round(float(np.mean(alarms)), 4)
    return {"things": things, "false_alarms": {"mean": mean, "worst_clip": max(alarms)}}


def main() -> None:
    """Judges every clip and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--hand", type=Path, required=True)
    parser.add_argument("--bare", type=Path, nargs="*", default=[])
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    things = {**OCCLUDERS, "hand": HandCutOut.of_clip(options.hand).held}
    facts = {"frames": options.frames, "hand": options.hand.stem}
    plates = {}
    for path in (*options.clips, *options.bare):
        pasted = things if path in options.clips else {}
        plates[path.stem] = judge(path, options.frames, pasted)
        show(path.stem, plates[path.stem])
        means = summary(plates)
        print(means)
        if not options.no_record:
            print(f"wrote {record('occlusion', {**facts, **means, 'clips': plates})}")


if __name__ == "__main__":
    main()
