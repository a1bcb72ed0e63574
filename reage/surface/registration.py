"""Lays every frame's skin on one reference, where the mesh alone is a fraction of a pixel off.

Landmarks are read frame by frame and know nothing of pores and moles. On the chart all frames
nearly agree, so the little that is left is found by optical flow between a frame's plate and the
mean of all, and smoothed; what is carried on the skin then moves as the plate's own skin does.

N side of the chart in texels. Flows are float32 (N, N, 2), texels (x, y).
"""

from collections.abc import Callable, Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.optical_flow import moved, optical_flow

Pixels = NDArray[np.float32]

SIDE = 192  # N of charts on which frames are registered
_PASSES = 2  # over the frames: the mean sharpens as they come to agree
_SMOOTH = 2.5  # deviation of the flow's blur, texels
_LOCAL, _AROUND = 6.0, 12.0  # deviations between which light and contrast are evened out, texels
_CONTRAST = 28.0  # codes of an evened picture's deviation
_TRUSTED = 0.25  # confidence from which a flow counts in full


class Register:
    """Frames' skin against a reference.

    Args of the constructor:
        reference: Luma of the plate on the chart, float32 (N, N); see `find_reference`.
    """

    def __init__(self, reference: Pixels) -> None:
        self._reference = _evened(reference)

    def frame_from_reference(self, plate: Pixels, confidence: Pixels) -> Pixels:
        """Returns where each texel of the reference lies on a frame's chart, less its own place.

        Args:
            plate: Luma of the frame's plate on the chart, (N, N).
            confidence: (N, N), 0-1; where a frame hardly sees the skin, the mesh is believed.
        """
        return self._between(self._reference, _evened(plate), confidence)

    def reference_from_frame(self, plate: Pixels, confidence: Pixels) -> Pixels:
        """Returns the way back; as `frame_from_reference`."""
        return self._between(_evened(plate), self._reference, confidence)

    def _between(self, here: NDArray[np.uint8], there: NDArray[np.uint8], seen: Pixels) -> Pixels:
        flow = optical_flow(here, there)
        weight = seen + np.float32(1e-3)
        smooth = _blurred(flow * weight[..., None], _SMOOTH) / _blurred(weight, _SMOOTH)[..., None]
        return np.asarray(smooth * np.clip(seen / _TRUSTED, 0.0, 1.0)[..., None], np.float32)


def find_reference(frames: Callable[[], Iterable[tuple[Pixels, Pixels]]]) -> Pixels:
    """Returns the mean of all frames' plates on the chart, laid on one another, float32 (N, N).

    Args:
        frames: Yields luma and confidence of every frame, (N, N) each, anew at each call.
    """
    reference: Pixels | None = None
    for _ in range(1 + _PASSES):
        register = None if reference is None else Register(reference)
        total, weight = np.zeros(1, np.float64), np.zeros(1, np.float64)
        for plate, confidence in frames():
            laid = plate
            if register is not None:
                laid = moved(plate, register.frame_from_reference(plate, confidence))
            total = total + laid * confidence
            weight = weight + confidence
        reference = (total / np.maximum(weight, 1e-6)).astype(
            np.float32
        )  # beside the mesh there is none
    assert reference is not None
    return reference


def _evened(plate: Pixels) -> NDArray[np.uint8]:
    """A picture without light and contrast, so that only what is drawn on the skin is compared."""
    detail = plate - _blurred(plate, _LOCAL)
    deviation = np.sqrt(_blurred(detail * detail, _AROUND) + np.float32(1e-5))
    return np.clip(128 + _CONTRAST * detail / deviation, 0, 255).astype(np.uint8)


def _blurred(picture: Pixels, deviation: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation), np.float32)
