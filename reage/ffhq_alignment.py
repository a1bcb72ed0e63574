"""FFHQ alignment: the square around a face that published ageing networks are trained on.

The square (quad) follows from four points: the middles of both eyes and the corners of the mouth.
`align_picture` cuts it as the published scripts do, shrinking, padding and blurring included, to
uint8; `crop_from_plate` gives the same square as a similarity, for video, where borders, filters
and bit depth are the plate pipeline's.

Points are defined on the 68-point scheme of iBUG 300-W; `FacePoints.from_mesh` reads the same from
the mediapipe mesh (478 points). On average over 800 faces the mesh's points lie within 0.8 % of the
square's side of where dlib's 68 points are brought to, the square's corners within 1.6 %; agreement
on one and the same face is unmeasured, see docs/alignment.md.

Coordinates are (x, y) in pixels, pixel centres at whole numbers. Left is the picture's left.
Source: Karras et al. 2019, "A Style-Based Generator Architecture", the FFHQ data set's script;
Alaluf et al. 2021, "Only a Matter of Style", for output and transform sizes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from reage.errors import FaceError
from reage.geometry import Similarity

Points = NDArray[np.float64]
Picture = NDArray[np.uint8]

# Corners and lids of each eye in the order of points 36-41 and 42-47, then points 48 and 54.
MESH_LEFT_EYE = (33, 160, 158, 133, 153, 144)
MESH_RIGHT_EYE = (362, 385, 387, 263, 373, 380)
MESH_MOUTH_CORNERS = (61, 291)

_EYE_SCALE, _MOUTH_SCALE, _TOWARDS_MOUTH = 2.0, 1.8, 0.1
_BORDER, _MIN_BORDER_PX, _PADDING, _BLUR = 0.1, 3, 0.3, 0.02  # shares of the quad's side
_MIN_SIDE_PX = 8.0


@dataclass(frozen=True, eq=False)
class FacePoints:
    """What a quad follows from; each (2,), pixels."""

    left_eye: Points
    right_eye: Points
    left_mouth: Points
    right_mouth: Points

    @classmethod
    def from_68(cls, landmarks: NDArray[np.float64] | NDArray[np.int64]) -> "FacePoints":
        """Reads the points from landmarks (68, 2) of the iBUG scheme.

        Raises:
            FaceError: There are not 68 of them.
        """
        places = _checked(landmarks, 68)
        return cls(places[36:42].mean(axis=0), places[42:48].mean(axis=0), places[48], places[54])

    @classmethod
    def from_mesh(cls, landmarks: NDArray[np.float64]) -> "FacePoints":
        """Reads the points from mediapipe landmarks (478, 2).

        Raises:
            FaceError: There are not 478 of them.
        """
        places = _checked(landmarks, 478)
        left, right = MESH_MOUTH_CORNERS
        return cls(
            places[list(MESH_LEFT_EYE)].mean(axis=0),
            places[list(MESH_RIGHT_EYE)].mean(axis=0),
            places[left],
            places[right],
        )


def ffhq_quad(points: FacePoints) -> Points:
    """Returns the square's corners (4, 2): top left, bottom left, bottom right, top right.

    The corners are where the picture's edges meet, in coordinates whose whole numbers are pixel
    centres; "top" is the face's.

    Raises:
        FaceError: The points lie so that no square follows from them.
    """
    across = points.right_eye - points.left_eye
    middle = (points.left_eye + points.right_eye) / 2
    down = (points.left_mouth + points.right_mouth) / 2 - middle
    x = across - np.array([-down[1], down[0]])
    length = float(np.hypot(*x))
    if not length > 0:
        raise FaceError("quad: got eyes and mouth in one place, expected a face")
    x *= max(np.hypot(*across) * _EYE_SCALE, np.hypot(*down) * _MOUTH_SCALE) / length
    y = np.array([-x[1], x[0]])
    centre = middle + down * _TOWARDS_MOUTH
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def crop_from_plate(quad: Points, size: int) -> Similarity:
    """Returns what takes plate pixel centres to pixel centres of the aligned crop.

    Args:
        quad: From `ffhq_quad`, (4, 2).
        size: Of the crop, pixels.
    """
    low, high = -0.5, size - 0.5
    corners = np.array([[low, low], [low, high], [high, high], [high, low]])
    return Similarity.fit(quad, corners)


def align_picture(
    picture: Picture, points: FacePoints, *, size: int = 256, transform_size: int | None = None
) -> Picture:
    """Cuts the aligned picture out as the published scripts do.

    Args:
        picture: RGB, uint8, (H, W, 3), as shown on a screen.
        points: In pixels of `picture`.
        size: Of the result, pixels. SAM: 256.
        transform_size: Sampled at this size and reduced to `size`; None samples at `size` (SAM).
            The FFHQ data set itself: 4096 for 1024.

    Returns:
        uint8, (size, size, 3). Beyond the picture its reflection, blurred and faded to its median.

    Raises:
        FaceError: The face is too small or its points are none of a face.
    """
    source, quad = prepare_picture(picture, ffhq_quad(points), size=size)
    sampled = transform_size or size
    data = tuple(float(value) for value in (quad + 0.5).flatten())
    aligned = source.transform(
        (sampled, sampled), Pillow.Transform.QUAD, data, Pillow.Resampling.BILINEAR
    )
    if size < sampled:
        aligned = aligned.resize((size, size), Pillow.Resampling.LANCZOS)
    return np.asarray(aligned, np.uint8)


def prepare_picture(picture: Picture, quad: Points, *, size: int) -> tuple[Pillow.Image, Points]:
    """Shrinks, cuts and pads a picture so that the quad can be sampled from it.

    Args:
        picture: RGB, uint8, (H, W, 3).
        quad: From `ffhq_quad`, (4, 2).
        size: Of the aligned picture, pixels.

    Returns:
        The picture to sample from and the quad in its pixels.

    Raises:
        FaceError: The quad is too small, or lies wholly beyond the picture.
    """
    side = float(np.hypot(*(quad[3] - quad[0])))
    if not side >= _MIN_SIDE_PX:
        raise FaceError(f"quad: got a side of {side:.1f} px, expected at least {_MIN_SIDE_PX:g}")
    source = Pillow.fromarray(np.ascontiguousarray(picture))
    source, quad, side = _shrunk(source, quad, side, size)
    border = max(round(side * _BORDER), _MIN_BORDER_PX)
    source, quad = _cut(source, quad, border)
    return _padded(source, quad, side, border)


def _shrunk(
    source: Pillow.Image, quad: Points, side: float, size: int
) -> tuple[Pillow.Image, Points, float]:
    factor = int(side / size * 0.5)
    if factor <= 1:
        return source, quad, side
    smaller = (round(source.width / factor), round(source.height / factor))
    return source.resize(smaller, Pillow.Resampling.LANCZOS), quad / factor, side / factor


def _cut(source: Pillow.Image, quad: Points, border: int) -> tuple[Pillow.Image, Points]:
    low = np.maximum(np.floor(quad.min(axis=0)).astype(int) - border, 0)
    high = np.minimum(np.ceil(quad.max(axis=0)).astype(int) + border, source.size)
    if (low >= high).any():
        raise FaceError(
            f"quad: got corners {np.round(quad).astype(int).tolist()}, expected some of it inside "
            f"the picture ({source.width} x {source.height})"
        )
    if tuple(high - low) == source.size:
        return source, quad
    return source.crop((int(low[0]), int(low[1]), int(high[0]), int(high[1]))), quad - low


def _padded(
    source: Pillow.Image, quad: Points, side: float, border: int
) -> tuple[Pillow.Image, Points]:
    before = np.maximum(border - np.floor(quad.min(axis=0)).astype(int), 0)
    after = np.maximum(np.ceil(quad.max(axis=0)).astype(int) + border - source.size, 0)
    if max(before.max(), after.max()) <= border - 4:
        return source, quad
    least = round(side * _PADDING)
    (left, top), (right, bottom) = np.maximum(before, least), np.maximum(after, least)
    pixels = np.pad(
        np.asarray(source, np.float32), ((top, bottom), (left, right), (0, 0)), mode="reflect"
    )
    outside = np.maximum(_ramp(pixels.shape[0], top, bottom)[:, None], _ramp(
        pixels.shape[1], left, right
    ))[..., None]  # fmt: skip
    blur = side * _BLUR
    soft = gaussian_filter(pixels, [blur, blur, 0])
    pixels += (soft - pixels) * np.clip(outside * 3 + 1, 0, 1)
    pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(outside, 0, 1)
    rounded = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Pillow.fromarray(rounded), quad + np.array([left, top])


def _ramp(length: int, before: int, after: int) -> NDArray[np.float32]:
    """1 at both ends, 0 where the padding ends, negative inside."""
    index: NDArray[np.float32] = np.arange(length).astype(np.float32)
    inside: NDArray[np.float32] = np.minimum(index / np.float32(before), index[::-1] / after)
    return np.float32(1) - inside


def _checked(landmarks: NDArray[np.float64] | NDArray[np.int64], count: int) -> Points:
    if landmarks.shape != (count, 2):
        raise FaceError(f"landmarks: got shape {landmarks.shape}, expected ({count}, 2)")
    return np.asarray(landmarks, np.float64)
