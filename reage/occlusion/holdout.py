"""What holds a change back because it is in front of the face, as stored and as drawn.

It is stored coarsely, in the upright crops of `FaceView`, and drawn into a plate with the plate's
own edges.

T frames, S side of the crop, N side of a chart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reage.colour import to_display
from reage.compositing import extent_of
from reage.framerange import FrameRange
from reage.geometry import Roi, Similarity, WarpedPatch, warp_to_crop, warp_to_plate
from reage.image import Image
from reage.occlusion.face_view import CROP, FaceView, Pixels
from reage.occlusion.matting import drawn_edge
from reage.stored_rows import StoredRows
from reage.surface.carrying import unwrap
from reage.surface.chart import Chart
from reage.tracks import Track

HOLDOUT = "holdout.npy"  # uint8 (T, S, S), over all frames of the track
HELD_BACK = "held_back.npy"  # float64 (T,)
_MARGIN = 0.1  # of the face's height: what is looked at around a cover to draw its edge


@dataclass(frozen=True, eq=False)
class Holdout:
    """What was found in front of a face, or what an artist drew there.

    Attributes:
        view: The face in all frames of its track.
        stored: uint8, (T, S, S).
        held_back: Share of the face's matte that is covered, (T,), 0-1.
    """

    view: FaceView
    stored: StoredRows
    held_back: NDArray[np.float64]

    @classmethod
    def open(cls, folder: Path, track: Track) -> Self:
        """Reads what was stored for the faces of a track."""
        return cls(
            view=FaceView.of_frames(track, track.frames),
            stored=StoredRows(folder / HOLDOUT),
            held_back=np.load(folder / HELD_BACK),
        )

    def in_crop(self, frame: int) -> Pixels | None:
        """Returns how far each pixel of a crop is covered, (S, S), 0-1; None where nothing is."""
        codes = self.stored[self.view.frames.index_of(frame)]
        return codes.astype(np.float32) / 255 if codes.any() else None

    def in_crop_of(self, frame: int, crop_from_plate: Similarity, size: int) -> Pixels | None:
        """Returns the same for pixels of another crop of the plate, (size, size)."""
        crop = self.in_crop(frame)
        if crop is None:
            return None
        own_from_plate = self.view.crop_from_plate[self.view.frames.index_of(frame)]
        way = crop_from_plate @ own_from_plate.inverse()
        return np.asarray(warp_to_crop(crop, way, (size, size)).clip(0, 1), np.float32)

    def on_chart(
        self, frame: int, chart: Chart, *, frame_from_chart: Pixels | None = None
    ) -> Pixels | None:
        """Lays it out on a chart of the same face, (N, N), 0-1; None where nothing is."""
        crop = self.in_crop(frame)
        if crop is None:
            return None
        points = self.view.landmarks[self.view.frames.index_of(frame)]
        laid = unwrap(crop[..., None], points, chart, frame_from_chart=frame_from_chart)
        return np.asarray(laid[..., 0].clip(0, 1))

    def on_plate(self, frame: int, plate: Image) -> WarpedPatch | None:
        """Draws it into a plate with the plate's own edges, (h, w), 0-1; None where nothing is.

        Args:
            plate: The frame at square pixels.
        """
        crop = self.in_crop(frame)
        if crop is None:
            return None
        way = self.view.crop_from_plate[self.view.frames.index_of(frame)]
        height = self.view.face_height / way.scale
        coarse = warp_to_plate(crop, way.inverse(), (plate.width, plate.height))
        around = extent_of(coarse.pixels, margin=round(_MARGIN * height))
        if around is None:
            return None
        rows, columns = around
        sides = columns.stop - columns.start, rows.stop - rows.start
        roi = Roi(coarse.roi.left + columns.start, coarse.roi.top + rows.start, *sides)
        pixels = np.ascontiguousarray(plate.pixels[roi.slices])
        display = np.nan_to_num(to_display(plate.with_pixels(pixels)))
        return WarpedPatch(roi, drawn_edge(coarse.pixels[around], display, face_height=height))


def held_back(view: FaceView, frame: int, cover: Pixels) -> float:
    """Returns the share of the face's matte that a cover (S, S) of a crop lies over, 0-1."""
    matte = view.matte(frame)
    return float((matte * cover).sum() / max(float(matte.sum()), 1e-9))


def stored_in(folder: Path, frames: FrameRange) -> StoredRows:
    """Makes the file of covers, all 0, and returns it open for writing, uint8 (T, S, S)."""
    return StoredRows.blank(folder / HOLDOUT, (len(frames), CROP, CROP), np.uint8)
