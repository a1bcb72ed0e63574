"""Flicker of one actor's face through a shot, take by take: nothing is compared across a cut.

T frames.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reage.colour import luma
from reage.flicker import FlickerMeter, FrameFlicker
from reage.framerange import FrameRange
from reage.geometry import Roi
from reage.takes import ActorTake, parts, rows_of
from reage.tracks import Track

Pixels = NDArray[np.float32]

_MARGIN = 0.25  # of the face's size


class FaceFlicker:
    """Measures the part of each take in which the actor's face is at any time.

    Args of the constructor:
        track: The actor's, over the shot.
        takes: The shot's.
        size: (w, h) pixels of the pictures.
    """

    def __init__(self, track: Track, takes: Sequence[ActorTake], size: tuple[int, int]) -> None:
        self._meters = [
            (take, _window(track, take, size), FlickerMeter())
            for take in parts(takes, track.frames)
        ]

    def push(
        self, frame_number: int, plate: Pixels, output: Pixels, matte: Pixels
    ) -> FrameFlicker | None:
        """Measures a frame against the one pushed before.

        Args:
            frame_number: Studio frame number.
            plate: Display-referred, (H, W, 3).
            output: The same of the output.
            matte: (H, W), 0-1.

        Returns:
            Its figures, without a predecessor at a cut; None in takes without the actor.
        """
        for take, window, meter in self._meters:
            if frame_number in take:
                before, after = (luma(view[window.slices]) for view in (plate, output))
                return meter.push(frame_number, before, after, matte[window.slices])
        return None


def _window(track: Track, take: FrameRange, size: tuple[int, int]) -> Roi:
    """The part of the frame in which the face is at any time of the take, with a margin."""
    points = track.landmarks[rows_of(take, track.frames)]
    sides = (points.max(axis=1) - points.min(axis=1)).mean(axis=0)
    return Roi.around(points.reshape(-1, 2), size, margin=_MARGIN * float(sides.max()))
