"""What people look at: strips, slices over time and a plot, for benchmarks/video.

Shapes: T frames.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as Picture

from benchmarks.video.measures import Measured, face_window
from benchmarks.video.shots import Rendered
from reage.colour import to_display
from reage.lettering import draw_text
from reage.tracks import load_track

_STRIP_FRAMES = 5
_SLICE_HEIGHT = 4  # pixels that a frame takes in a slice over time
_AMPLIFIED = 3.0
_CHEEK = 205  # landmark through whose height the slice is cut


def draw_shot(rendered: Mapping[str, Rendered], folder: Path) -> None:
    """Writes `strip.png`, rows of modes, and `slices.png`, the change at cheek height over time."""
    strips, slices = [], []
    for mode, shot in rendered.items():
        strip, cut = _of_mode(shot)
        for picture in (strip, cut):
            draw_text(picture, mode, (8, 18), size=14, colour=(255, 255, 255))
        strips.append(strip)
        slices.append(cut)
    folder.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(np.concatenate(strips)).save(folder / "strip.png")
    Picture.fromarray(np.concatenate(slices, axis=1)).save(folder / "slices.png")


def draw_flicker(measured: Mapping[str, Measured], path: Path) -> None:
    """Plots the excess of every frame's residual over the plate's, a line for each mode."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    for mode, shot in measured.items():
        seen = [(f.frame_number, f.excess) for f in shot.flicker if f.excess is not None]
        axes.plot(*zip(*seen, strict=True), label=mode, linewidth=1.2)
    axes.axhline(0.1, color="#888888", linewidth=0.8, linestyle=":")
    axes.set_xlabel("frame")
    axes.set_ylabel("residual beyond the plate's")
    axes.legend(frameon=False, ncols=len(measured))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


def _of_mode(shot: Rendered) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    track = load_track(Path(shot.cast.track_path))
    window = face_window(track).slices
    height = int(track.landmarks[:, _CHEEK, 1].mean()) - window[0].start
    chosen = set(np.linspace(0, len(track.frames) - 1, _STRIP_FRAMES).round().astype(int).tolist())
    pictures: list[Any] = []
    lines: list[Any] = []
    for index, (_, plate, result, _) in enumerate(shot.frames()):
        views = [to_display(image)[window] for image in (plate, result)]
        change = 0.5 + _AMPLIFIED * (views[1] - views[0])
        if index in chosen:
            pictures.append(_codes(views[1]))
        lines.append(_codes(change[height : height + 1]))
    cut = np.repeat(np.concatenate(lines), _SLICE_HEIGHT, axis=0)
    return np.concatenate(pictures, axis=1), np.ascontiguousarray(cut)


def _codes(view: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(view.clip(0, 1) * 255).astype(np.uint8)
