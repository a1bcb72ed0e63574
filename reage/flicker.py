"""Flicker: what changes between neighbouring frames that the plate's own motion does not explain.

The previous frame is warped onto the current one by the *plate's* optical flow, for plate and
output alike, and compared inside the matte where that optical flow can be trusted. Three figures
come of it, all in display units (1.0 = full scale):

- plate residual: what is left on the plate (grain, exposure, errors of the optical flow);
- output residual: the same on the output; its excess over the plate's is the classic figure;
- change residual: the same on output minus plate. Grain and exposure cancel in it, so that it
  sees a flicker far below the grain.

Streams: holds one previous frame.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.optical_flow import Codes, codes, is_consistent, moved, optical_flow

Pixels = NDArray[np.float32]
FindFlow = Callable[[Codes, Codes], Pixels]

_EXCESS_FLOOR = 0.5 / 255.0  # below half an 8-bit code a plate counts as free of residual
_MIN_COVERAGE = 64.0  # px of matte below which a figure would be noise


@dataclass(frozen=True, kw_only=True)
class FrameFlicker:
    """Figures of one frame against the one before.

    Residuals are mean absolute differences in display units. They are None on a frame without a
    usable predecessor: the first, one after a gap, or one whose matte or trusted area is too small.

    Attributes:
        frame_number: Studio frame number.
        plate_residual: Of the plate.
        output_residual: Of the output.
        change_residual: Of output minus plate.
        excess: (output - plate) / plate residual; 0 for an output that flickers like its plate.
        sharpness_kept: Energy of fine detail, output over plate; 1 when nothing was blurred. None
            where the matte is too small or the plate has no detail.
        trusted: Share of the matte where the optical flow passes the forward-backward check.
    """

    frame_number: int
    plate_residual: float | None
    output_residual: float | None
    change_residual: float | None
    excess: float | None
    sharpness_kept: float | None
    trusted: float


@dataclass(frozen=True, eq=False)
class _Window:
    frame_number: int
    plate: Pixels
    output: Pixels


class FlickerMeter:
    """Measures a shot frame by frame.

    The window (region of interest) must lie still and keep its size over consecutive frames: the
    motion inside it is the face's.

    Args of the constructor:
        find_flow: From codes (h, w) to others, how `optical_flow` is found.
    """

    def __init__(self, find_flow: FindFlow = optical_flow) -> None:
        self._find_flow = find_flow
        self._previous: _Window | None = None

    def push(
        self,
        frame_number: int,
        plate_luma: NDArray[np.floating],
        output_luma: NDArray[np.floating],
        matte: NDArray[np.floating],
    ) -> FrameFlicker:
        """Measures a frame against the one pushed before.

        Args:
            frame_number: Studio frame number; a gap starts the comparison anew.
            plate_luma: Display-referred luma of the window, (h, w), about 0-1; broken pixels
                (NaN, infinite) count as black.
            output_luma: The same of the output.
            matte: Weight, (h, w), 0-1.

        Raises:
            ValueError: The arrays differ in shape, or the window changed its size.
        """
        window = _Window(frame_number, _float(plate_luma), _float(output_luma))
        weight = _float(matte)
        self._check(window, weight)
        previous, self._previous = self._previous, window
        sharpness = _sharpness_kept(window, weight)
        if previous is None or frame_number != previous.frame_number + 1:
            return _without_predecessor(frame_number, sharpness, trusted=0.0)
        return self._compare(previous, window, weight, sharpness)

    def _compare(
        self, previous: _Window, window: _Window, weight: Pixels, sharpness: float | None
    ) -> FrameFlicker:
        before, now = codes(previous.plate), codes(window.plate)
        previous_from_now = self._find_flow(now, before)
        now_from_previous = self._find_flow(before, now)
        trust = weight * is_consistent(previous_from_now, now_from_previous)
        coverage = float(weight.sum())
        trusted = float(trust.sum()) / coverage if coverage > 0 else 0.0
        if float(trust.sum()) < _MIN_COVERAGE:
            return _without_predecessor(window.frame_number, sharpness, trusted=trusted)
        plate_step = window.plate - moved(previous.plate, previous_from_now)
        output_step = window.output - moved(previous.output, previous_from_now)
        change_step = (window.output - window.plate) - moved(
            previous.output - previous.plate, previous_from_now
        )
        plate, output, change = (
            _weighted_mean(np.abs(step), trust) for step in (plate_step, output_step, change_step)
        )
        return FrameFlicker(
            frame_number=window.frame_number,
            plate_residual=plate,
            output_residual=output,
            change_residual=change,
            excess=(output - plate) / max(plate, _EXCESS_FLOOR),
            sharpness_kept=sharpness,
            trusted=trusted,
        )

    def _check(self, window: _Window, weight: Pixels) -> None:
        shape = window.plate.shape
        if window.output.shape != shape or weight.shape != shape or len(shape) != 2:
            raise ValueError(
                f"FlickerMeter.push: frame {window.frame_number}: got plate {shape}, output "
                f"{window.output.shape}, matte {weight.shape}, expected one shape (h, w)"
            )
        if self._previous is not None and self._previous.plate.shape != shape:
            raise ValueError(
                f"FlickerMeter.push: frame {window.frame_number}: got a window of {shape}, "
                f"expected {self._previous.plate.shape} as before; use one window for the shot"
            )


def _sharpness_kept(window: _Window, weight: Pixels) -> float | None:
    if float(weight.sum()) < _MIN_COVERAGE:
        return None
    plate, output = (
        _weighted_mean(_fine_detail(picture) ** 2, weight)
        for picture in (window.plate, window.output)
    )
    return output / plate if plate > 1e-10 else None


def _fine_detail(picture: Pixels) -> Pixels:
    """Laplacian after a slight blur, so that single-pixel grain does not outvote the skin."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 0.9)
    return np.asarray(cv2.Laplacian(smooth, cv2.CV_32F), np.float32)


def _weighted_mean(values: Pixels, weight: Pixels) -> float:
    return float(np.sum(values * weight, dtype=np.float64) / np.sum(weight, dtype=np.float64))


def _without_predecessor(
    frame_number: int, sharpness: float | None, *, trusted: float
) -> FrameFlicker:
    return FrameFlicker(
        frame_number=frame_number,
        plate_residual=None,
        output_residual=None,
        change_residual=None,
        excess=None,
        sharpness_kept=sharpness,
        trusted=trusted,
    )


def _float(values: NDArray[Any]) -> Pixels:
    floats = np.ascontiguousarray(values, np.float32)
    return np.nan_to_num(floats, copy=True, nan=0.0, posinf=0.0, neginf=0.0)
