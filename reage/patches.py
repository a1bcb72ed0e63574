"""The changed part of each frame, kept exactly: float32 pixels and matte inside a rectangle.

A chunk's patches are one file of raw little-endian floats and a JSON index. Against whole frames
in a lossless codec this is exact for every plate (10-bit with super-whites, 16-bit, float), a
fraction of the bytes, and costs next to no time. Knows nothing of how the pixels came about.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.geometry import Roi
from reage.image import Image

_PIXELS, _INDEX = "patches.f32", "patches.json"


@dataclass(frozen=True, eq=False)
class FramePatch:
    """One frame's changed part.

    Attributes:
        frame: Studio frame number.
        roi: Where it lies; empty when nothing changed.
        pixels: float32, (roi.height, roi.width, 3), in the plate's colourspace.
        matte: float32, (roi.height, roi.width), 0-1; where it is 0 the plate stands.
    """

    frame: int
    roi: Roi
    pixels: NDArray[np.float32]
    matte: NDArray[np.float32]

    def over(self, plate: Image) -> tuple[Image, NDArray[np.float32]]:
        """Returns the result and its matte (H, W): the plate, bit for bit, where the matte is 0."""
        result, matte = plate.pixels.copy(), np.zeros((plate.height, plate.width), np.float32)
        np.copyto(result[self.roi.slices], self.pixels, where=self.matte[..., None] > 0.0)
        matte[self.roi.slices] = self.matte
        return plate.with_pixels(result), matte


class PatchWriter:
    """Writes patches into a folder, frame by frame; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._file = (self._folder / _PIXELS).open("wb")
        return self

    def write(self, frame: int, result: Image, matte: NDArray[np.float32]) -> None:
        """Adds a frame: the smallest rectangle that holds all of its matte above 0."""
        roi = _support(matte)
        patch = np.concatenate(
            [result.pixels[roi.slices], matte[roi.slices][..., None]], axis=2, dtype="<f4"
        )
        entry = {"frame": frame, "roi": [roi.left, roi.top, roi.width, roi.height]}
        self._entries.append({**entry, "offset": self._file.tell()})
        self._file.write(patch.tobytes())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if kind is None:
            (self._folder / _INDEX).write_text(json.dumps(self._entries, indent=0))


def read_patches(folder: Path, frames: FrameRange | None = None) -> Iterator[FramePatch]:
    """Reads patches in order, those of `frames` or all; one at a time is in memory.

    Raises:
        PlateError: A frame asked for is not there.
    """
    entries = {entry["frame"]: entry for entry in json.loads((folder / _INDEX).read_text())}
    missing = [frame for frame in frames or () if frame not in entries]
    if missing:
        raise PlateError(f"{folder}: patches: got none for frame {missing[0]}, expected {frames}")
    with (folder / _PIXELS).open("rb") as file:
        for frame in frames or entries:
            roi = Roi(*entries[frame]["roi"])
            file.seek(entries[frame]["offset"])
            count = roi.width * roi.height * 4
            values = np.frombuffer(file.read(count * 4), "<f4").astype(np.float32, copy=False)
            patch = values.reshape(roi.height, roi.width, 4)
            yield FramePatch(frame, roi, patch[..., :3], patch[..., 3])


def _support(matte: NDArray[np.float32]) -> Roi:
    covered = matte > 0.0
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if not rows.size:
        return Roi(0, 0, 0, 0)
    left, top = int(columns[0]), int(rows[0])
    return Roi(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)
