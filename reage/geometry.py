"""Similarities between pixel grids, and warps along them that are exact to a fraction of a pixel.

Coordinates are (x, y) with pixel centres at whole numbers: the top left pixel spans -0.5 to 0.5. A
transform is named `target_from_source` and takes source points to target points. Knows nothing of
faces or colour.

Source: Umeyama 1991, "Least-squares estimation of transformation parameters between two point
patterns".
"""

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

# OpenCV rounds sample positions to 1/32 px. On a source enlarged this many times the rounding is
# 1/128 px of the original, and linear interpolation between its pixels is nearly cubic.
_SOURCE_ENLARGEMENT = 4
_ENLARGEMENT_MARGIN_PX = 6


@dataclass(frozen=True)
class Roi:
    """A rectangle of whole pixels: columns left to left + width - 1, rows likewise."""

    left: int
    top: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, ready to index an (H, W, ...) array."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    def within(self, canvas: "Roi") -> "Roi":
        """Returns the same rectangle in pixels of `canvas`, counted from its own corner."""
        return Roi(self.left - canvas.left, self.top - canvas.top, self.width, self.height)

    def common(self, other: "Roi") -> "Roi":
        """Returns the rectangle that both hold; empty (width or height 0) where there is none."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.width, other.left + other.width)
        bottom = min(self.top + self.height, other.top + other.height)
        return Roi(left, top, max(right - left, 0), max(bottom - top, 0))

    def joined(self, other: "Roi") -> "Roi":
        """Returns the smallest rectangle that holds both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        right = max(self.left + self.width, other.left + other.width)
        bottom = max(self.top + self.height, other.top + other.height)
        return Roi(left, top, right - left, bottom - top)

    @classmethod
    def around(cls, points: NDArray[np.float64], size: tuple[int, int], *, margin: float) -> Self:
        """Returns the smallest rectangle inside a `size` (w, h) grid holding `points` and a margin.

        Points far outside give an empty rectangle (width or height 0).
        """
        low = np.floor(points.min(axis=0) - margin)
        high = np.ceil(points.max(axis=0) + margin) + 1
        left, top = np.clip(low, 0, size).astype(int)
        right, bottom = np.clip(high, 0, size).astype(int)
        return cls(int(left), int(top), int(right - left), int(bottom - top))


@dataclass(frozen=True, eq=False)
class WarpedPatch:
    """Pixels of a frame inside `roi`; the rest of the frame is exactly zero.

    Attributes:
        roi: Where in the frame the pixels lie; may be empty.
        pixels: float32, (roi.height, roi.width) or (roi.height, roi.width, C).
    """

    roi: Roi
    pixels: NDArray[np.float32]

    def full(self, size: tuple[int, int]) -> NDArray[np.float32]:
        """Returns the whole frame of `size` (w, h), zero outside the patch."""
        width, height = size
        frame = np.zeros((height, width, *self.pixels.shape[2:]), np.float32)
        frame[self.roi.slices] = self.pixels
        return frame


@dataclass(frozen=True, eq=False)
class Similarity:
    """Rotation, uniform scale and shift in the plane; `matrix` is (2, 3) float64."""

    matrix: NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, np.float64)
        if matrix.shape != (2, 3) or not np.isfinite(matrix).all():
            raise ValueError(
                f"Similarity.matrix: got shape {matrix.shape} with "
                f"{np.isfinite(matrix).sum()} finite values, expected (2, 3), all finite"
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def identity(cls) -> Self:
        """Returns the transform that leaves every point where it is."""
        return cls(np.eye(2, 3))

    @classmethod
    def from_parts(cls, *, scale: float, angle_deg: float, shift: NDArray[np.float64]) -> Self:
        """Returns the transform that scales, turns (x towards y) and then shifts by (x, y) px."""
        cosine = scale * math.cos(math.radians(angle_deg))
        sine = scale * math.sin(math.radians(angle_deg))
        return cls(np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]]))

    @classmethod
    def fit(cls, source_points: NDArray[np.float64], target_points: NDArray[np.float64]) -> Self:
        """Returns the least-squares similarity taking source points to target points.

        Args:
            source_points: (N, 2), N at least 2.
            target_points: (N, 2).

        Raises:
            ValueError: Fewer than two points, unequal counts, or all source points coincide.

        Source: Umeyama 1991; in the plane the rotation has a closed form.
        """
        source = np.asarray(source_points, np.float64)
        target = np.asarray(target_points, np.float64)
        if source.shape != target.shape or source.ndim != 2 or len(source) < 2:
            raise ValueError(
                f"Similarity.fit: points: got shapes {source.shape} and {target.shape}, "
                "expected two equal (N, 2) with N at least 2"
            )
        source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
        a, b = source - source_mean, target - target_mean
        spread = float((a**2).sum())
        if spread <= 0.0:
            raise ValueError("Similarity.fit: source points: got one place, expected two or more")
        cosine = float((a * b).sum()) / spread
        sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
        linear = np.array([[cosine, -sine], [sine, cosine]])
        return cls(np.column_stack([linear, target_mean - linear @ source_mean]))

    @property
    def scale(self) -> float:
        """Target pixels per source pixel."""
        return float(math.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def angle_deg(self) -> float:
        """Rotation from x towards y, degrees in -180 to 180."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns `points` (..., 2) carried over, float64."""
        return np.asarray(points, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def inverse(self) -> "Similarity":
        """Returns the transform back.

        Raises:
            ValueError: The scale is 0.
        """
        if self.scale == 0.0:
            raise ValueError("Similarity.inverse: scale: got 0, expected more than 0")
        linear = np.linalg.inv(self.matrix[:, :2])
        return Similarity(np.column_stack([linear, -linear @ self.matrix[:, 2]]))

    def __matmul__(self, other: "Similarity") -> "Similarity":
        linear = self.matrix[:, :2] @ other.matrix[:, :2]
        shift = self.matrix[:, :2] @ other.matrix[:, 2] + self.matrix[:, 2]
        return Similarity(np.column_stack([linear, shift]))


def warp_to_crop(
    pixels: NDArray[np.float32], crop_from_plate: Similarity, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Samples a crop from a plate; antialiased when the crop is the smaller.

    Args:
        pixels: The plate, float32, (H, W) or (H, W, C), C up to 4.
        crop_from_plate: Takes plate pixel centres to crop pixel centres.
        size: (w, h) of the crop.

    Returns:
        float32, (h, w) or (h, w, C). Beyond the plate its edge pixels continue.
    """
    height, width = pixels.shape[:2]
    corners = crop_from_plate.inverse().apply(_corners(size))
    roi = Roi.around(corners, (width, height), margin=_ENLARGEMENT_MARGIN_PX)
    if roi.width == 0 or roi.height == 0:  # wholly beyond the plate: its nearest edge continues
        nearest = np.clip(corners.mean(axis=0), 0, [width - 1, height - 1])
        roi = Roi.around(nearest[None], (width, height), margin=_ENLARGEMENT_MARGIN_PX)
    enlargement = _enlargement(crop_from_plate)
    fine = _enlarge(pixels[roi.slices], enlargement)
    crop_from_fine = crop_from_plate @ _shift(roi.left, roi.top) @ _finer(enlargement).inverse()
    return _sample(fine, crop_from_fine, size, border=cv2.BORDER_REPLICATE)


def warp_to_plate(
    crop: NDArray[np.float32], plate_from_crop: Similarity, size: tuple[int, int]
) -> WarpedPatch:
    """Warps a crop to where it lies in a plate.

    Args:
        crop: float32, (h, w) or (h, w, C), C up to 4.
        plate_from_crop: Takes crop pixel centres to plate pixel centres.
        size: (w, h) of the plate.

    Returns:
        The part of the plate that the crop touches. It is exactly 0 where the crop is not, and
        falls to 0 over the crop's last pixel. Costs the patch's area, not the plate's.
    """
    height, width = crop.shape[:2]
    footprint = plate_from_crop.apply(_corners((width, height)))
    roi = Roi.around(footprint, size, margin=1.0 + plate_from_crop.scale)
    if roi.width == 0 or roi.height == 0:
        return WarpedPatch(Roi(0, 0, 0, 0), np.zeros((0, 0, *crop.shape[2:]), np.float32))
    enlargement = _enlargement(plate_from_crop)
    fine = _with_soft_edge(_enlarge(crop, enlargement), enlargement)
    roi_from_fine = _shift(-roi.left, -roi.top) @ plate_from_crop @ _finer(enlargement).inverse()
    pixels = _sample(fine, roi_from_fine, (roi.width, roi.height), border=cv2.BORDER_CONSTANT)
    return WarpedPatch(roi, pixels)


def _sample(
    source: NDArray[np.float32],
    target_from_source: Similarity,
    size: tuple[int, int],
    *,
    border: int,
) -> NDArray[np.float32]:
    """Resamples `source` on a grid of `size`: linear when enlarging, area mean when shrinking."""
    width, height = size
    # So many samples a side of each target pixel that none of the source is skipped.
    samples = max(1, math.ceil(1.0 / target_from_source.scale - 1e-9))
    warped = cv2.warpAffine(
        source,
        (_finer(samples) @ target_from_source).matrix,
        (width * samples, height * samples),
        flags=cv2.INTER_LINEAR,
        borderMode=border,
    )
    if samples > 1:
        warped = cv2.resize(warped, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(warped.reshape(height, width, *source.shape[2:]), np.float32)


def _enlargement(target_from_source: Similarity) -> int:
    """How many times a source is enlarged before sampling; not when it is to shrink anyway."""
    return _SOURCE_ENLARGEMENT if target_from_source.scale > 0.5 else 1


def _with_soft_edge(fine: NDArray[np.float32], width_px: int) -> NDArray[np.float32]:
    """Lets an image fall to 0 over `width_px` pixels along its edge."""

    def ramp(length: int) -> NDArray[np.float32]:
        from_edge = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
        return np.minimum(from_edge / width_px, 1.0).astype(np.float32)

    window = ramp(fine.shape[0])[:, None] * ramp(fine.shape[1])
    return fine * window.reshape(*window.shape, *(1,) * (fine.ndim - 2))


def _enlarge(source: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    contiguous = np.ascontiguousarray(source, np.float32)
    if factor == 1:
        return contiguous
    enlarged = cv2.resize(contiguous, None, fx=factor, fy=factor, interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(enlarged, np.float32)


def _finer(factor: int) -> Similarity:
    """The grid with `factor` times as many pixels a side, from the original."""
    offset = (factor - 1) / 2
    return Similarity(np.array([[factor, 0.0, offset], [0.0, factor, offset]]))


def _shift(x: float, y: float) -> Similarity:
    return Similarity(np.array([[1.0, 0.0, x], [0.0, 1.0, y]]))


def _corners(size: tuple[int, int]) -> NDArray[np.float64]:
    right, bottom = size[0] - 0.5, size[1] - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])
