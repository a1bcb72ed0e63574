"""What is measured of a rendered shot, for benchmarks/video.

Figures of one mode, means over the frames unless said otherwise:

- plate_residual, output_residual, change_residual: as of reage.flicker, display units;
- excess: of the output's residual over the plate's, in parts of the plate's;
- other_excess, other_change: excess and change_residual by optical flow of another kind (TV-L1),
  every few frames, because the pipeline and reage.flicker share theirs and so its errors;
- years_gained: apparent age, result less plate, by the age judge;
- age_spread: standard deviation of the apparent age about its mean over the shot, years (T-Age);
  plate_age_spread is the plate's own;
- likeness: cosine between plate and result, by the identity judge;
- sharpness_kept: energy of fine detail, result over plate;
- outside: largest difference outside the matte, must be 0.

Shapes: T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.registration import optical_flow_tvl1

from benchmarks.held_out import FIVE_POINTS
from benchmarks.judges import Jury
from benchmarks.video.shots import Rendered
from reage.colour import luma, to_display
from reage.detection import MESH_SIZE, region_around
from reage.flicker import FlickerMeter, FrameFlicker
from reage.geometry import Roi, warp_to_crop
from reage.optical_flow import Codes
from reage.tracks import Track, load_track

Pixels = NDArray[np.float32]
Seen = tuple[int, Pixels, Pixels, Pixels]  # frame, lumas before and after, matte

_OTHER_EVERY = 5  # frames
_RESIDUALS = ("plate_residual", "output_residual", "change_residual", "excess", "sharpness_kept")


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures of a shot in one mode, and each frame's flicker for the plot."""

    figures: dict[str, float]
    flicker: Sequence[FrameFlicker]


def measure(rendered: Rendered, jury: Jury) -> Measured:
    """Streams a rendered shot once."""
    track = load_track(Path(rendered.cast.track_path))
    window = face_window(track)
    meter, other, flicker, outside = FlickerMeter(), OtherMeter(), [], 0.0
    squares: dict[str, list[NDArray[np.uint8]]] = {"plate": [], "result": []}
    points = []
    for frame, plate, result, matte in rendered.frames():
        row = track.frames.index_of(frame)
        views = {"plate": to_display(plate), "result": to_display(result)}
        beyond = np.abs(result.pixels - plate.pixels)[matte == 0]
        outside = max(outside, float(beyond.max(initial=0.0)))
        before, after = (luma(view)[window.slices] for view in views.values())
        seen = (frame, before, after, matte[window.slices])
        flicker.append(meter.push(*seen))
        other.push(*seen)
        square_from_plate = region_around(track.landmarks[row])
        for name, view in views.items():
            square = warp_to_crop(view, square_from_plate, (MESH_SIZE, MESH_SIZE))
            squares[name].append(np.rint(square.clip(0, 1) * 255).astype(np.uint8))
        found = square_from_plate.apply(track.landmarks[row])
        points.append(np.array([found[list(pair)].mean(axis=0) for pair in FIVE_POINTS]))
    figures = {name: _mean(flicker, name) for name in _RESIDUALS}
    figures["other_excess"] = _mean(other.found, "excess")
    figures["other_change"] = _mean(other.found, "change_residual")
    return Measured({**figures, **_judged(squares, points, jury), "outside": outside}, flicker)


class OtherMeter:
    """Measures every few frames by TV-L1 optical flow.

    Source: Zach, Pock, Bischof 2007, "A Duality Based Approach for Realtime TV-L1 Optical Flow".
    """

    def __init__(self) -> None:
        self.found: list[FrameFlicker] = []
        self._before: Seen | None = None
        self._count = 0

    def push(self, *seen: *Seen) -> None:
        """Sees a frame: its number, lumas before and after, matte; all of one window."""
        if self._before is not None and self._count % _OTHER_EVERY == 0:
            meter = FlickerMeter(_tv_l1)
            meter.push(*self._before)
            self.found.append(meter.push(*seen))
        self._before, self._count = seen, self._count + 1


def _tv_l1(here: Codes, there: Codes) -> Pixels:
    rows, columns = optical_flow_tvl1(here / 255.0, there / 255.0, num_warp=6, dtype=np.float32)
    return np.stack([columns, rows], axis=2)


def face_window(track: Track) -> Roi:
    """Returns the part of the picture that the face, with room, is in over the whole shot."""
    low, high = track.landmarks.min(axis=(0, 1)), track.landmarks.max(axis=(0, 1))
    margin = 0.35 * float((high - low).max())
    return Roi.around(np.stack([low, high]), track.picture_size, margin=margin)


def landmark_jitter(landmarks: NDArray[np.float64]) -> float:
    """Returns the rms of the landmarks' second difference over time, pixels."""
    return float(np.sqrt(np.square(np.diff(landmarks, n=2, axis=0)).mean()))


def _judged(
    squares: dict[str, list[NDArray[np.uint8]]], points: Sequence[NDArray[Any]], jury: Jury
) -> dict[str, float]:
    ages = {name: jury.ages_and_genders(pictures)[0] for name, pictures in squares.items()}
    embedded = {name: jury.embed(pictures, points) for name, pictures in squares.items()}
    return {
        "years_gained": float((ages["result"] - ages["plate"]).mean()),
        "plate_age_spread": float(ages["plate"].std()),
        "age_spread": float(ages["result"].std()),
        "likeness": float((embedded["plate"] * embedded["result"]).sum(axis=1).mean()),
    }


def _mean(flicker: Sequence[FrameFlicker], name: str) -> float:
    values = [getattr(frame, name) for frame in flicker]
    return float(np.mean([value for value in values if value is not None]))
