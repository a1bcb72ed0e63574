"""Draws what is held back on a face, for benchmarks/occlusion.py."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from benchmarks.occluders import Codes, Matte
from reage.geometry import Roi

_SHOWN = 12
_SIDE = 240  # px
_MAGENTA = np.array([255, 0, 255], np.float32)


def draw_strip(frames: Sequence[Codes], found: Sequence[tuple[Matte, Matte]], path: Path) -> None:
    """Writes a strip of some frames, above as they are, below with what is held back in magenta."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = np.linspace(0, len(frames) - 1, min(_SHOWN, len(frames))).astype(int)
    tiles = [_tile(frames[i], *found[i]) for i in chosen]
    Picture.fromarray(np.concatenate(tiles, axis=1)).save(path)


def _tile(codes: Codes, matte: Matte, front: Matte) -> Codes:
    rows, columns = np.nonzero(matte > 0.02)
    middle = np.array([[columns.mean(), rows.mean()]])
    reach = 0.7 * float(max(np.ptp(rows), np.ptp(columns)))
    part = Roi.around(middle, (codes.shape[1], codes.shape[0]), margin=reach).slices
    view, share = codes[part].astype(np.float32), 0.7 * (matte * front)[part][..., None]
    marked = view * (1 - share) + share * _MAGENTA
    both = np.concatenate([view, marked]).round().astype(np.uint8)
    return np.asarray(Picture.fromarray(both).resize((_SIDE, 2 * _SIDE)))
