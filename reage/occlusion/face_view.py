"""A face upright in a square crop of its own, and on its chart, in which frames are compared.

Works from the track alone: knows nothing of priors, nor of how a cover is found.

T frames, K landmarks, N side of the chart, S side of the crop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.colour import to_display
from reage.framerange import FrameRange
from reage.geometry import Roi, Similarity
from reage.image import Image
from reage.matte import FACE_OVAL, LEFT_EYE, RIGHT_EYE, face_matte
from reage.occlusion.appearance import SIDE, Pixels
from reage.occlusion.covering import Flags, Skin
from reage.regions import LIPS
from reage.surface.carrying import render, unwrap
from reage.surface.chart import NUM_SKIN, Chart, Points, visibility
from reage.tracks import Track

CROP = 256  # S, pixels
_AROUND = 1.7  # side of the crop in heights of the face
_TOP, _CHIN = 10, 152
_CHANGING = ((LEFT_EYE, 1.6), (RIGHT_EYE, 1.6), (LIPS, 1.25))  # and times their outline
_INNER = 0.94  # times the mesh's outline
_FOLD = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))  # where closed lips hide some skin
_BLUR_REACH = 5.0  # sigmas: where the outline lies is less sure in a soft picture, too
_MARGIN = 8.0  # pixels of the plate around a crop


@dataclass(frozen=True, eq=False)
class FaceView:
    """The face in some frames of a track.

    Attributes:
        frames: In order.
        crop_from_plate: Of each frame.
        landmarks: (T, K, 2) pixels of the crops.
        depths: (T, K) likewise.
        seen: (T,) how well each frame shows the face, 0-1.
    """

    frames: FrameRange
    crop_from_plate: tuple[Similarity, ...]
    landmarks: Points
    depths: Points
    seen: Points

    @classmethod
    def of_frames(cls, track: Track, frames: FrameRange) -> Self:
        """Opens the face of a track over some of its frames."""
        rows = slice(track.frames.index_of(frames.first), track.frames.index_of(frames.last) + 1)
        ways = tuple(_upright(points) for points in track.landmarks[rows])
        pairs = list(zip(ways, track.landmarks[rows], track.depths[rows], strict=True))
        return cls(
            frames=frames,
            crop_from_plate=ways,
            landmarks=np.stack([way.apply(points) for way, points, _ in pairs]),
            depths=np.stack([way.scale * depths for way, _, depths in pairs]),
            seen=track.fade[rows],
        )

    @cached_property
    def chart(self) -> Chart:
        """On which frames are compared."""
        return Chart.of_shot(self.landmarks, self.depths, self.seen, side=SIDE)

    @cached_property
    def skin(self) -> Skin:
        """The parts of the chart."""
        inner = self._within(FACE_OVAL, _INNER)
        changing = np.any([self._within(part, reach) for part, reach in _CHANGING], axis=0)
        return Skin(inner=inner, changing=changing)

    def clear_of_edge(self, blur: float) -> Flags:
        """Returns which texels a blur leaves without anything from beyond the face, (N, N).

        Args:
            blur: Gaussian sigma, pixels of the crop.
        """
        height = float(np.ptp(self.chart.positions[list(FACE_OVAL)][:, 1]))
        inside = self._within(FACE_OVAL, 1.0).astype(np.uint8)
        away = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
        return np.asarray(away > _BLUR_REACH * blur * height / self.face_height)

    @property
    def face_height(self) -> float:
        """Of the face in crops, pixels."""
        return CROP / _AROUND

    def crop(self, frame: int, image: Image) -> Pixels:
        """Returns the face's crop of a picture, display view, (S, S, 3)."""
        way = self.crop_from_plate[self.frames.index_of(frame)]
        corners = np.array([[0.0, 0.0], [CROP, 0.0], [CROP, CROP], [0.0, CROP]])
        size = (image.width, image.height)
        part = Roi.around(way.inverse().apply(corners), size, margin=_MARGIN)
        pixels = np.ascontiguousarray(image.pixels[part.slices])
        display = np.nan_to_num(to_display(image.with_pixels(pixels)))
        return _sampled(display, way, np.array([part.left, part.top]))

    def laid(self, frame: int, crop: Pixels) -> Pixels:
        """Lays a crop (S, S, C) out on the chart, (N, N, C)."""
        return unwrap(crop, self.landmarks[self.frames.index_of(frame)], self.chart)

    def confidence(self, frame: int) -> Pixels:
        """Returns how squarely a frame sees each texel, (N, N), 0-1."""
        row = self.frames.index_of(frame)
        squarely = visibility(self.landmarks[row], self.depths[row], self.chart.triangles)
        return self.chart.mixed(squarely[:, None])[..., 0]

    def drawn(self, frame: int, texture: Pixels) -> Pixels:
        """Draws a texture (N, N) as a frame shows the face, (S, S), 0-1."""
        row = self.frames.index_of(frame)
        made = render(texture[..., None], self.landmarks[row], self.depths[row], self.chart, CROP)
        whole = cv2.morphologyEx(made[..., 0].clip(0, 1), cv2.MORPH_CLOSE, _FOLD)
        return np.asarray(whole, np.float32)

    def matte(self, frame: int) -> Pixels:
        """Returns the face's matte in a crop, (S, S), 0-1."""
        points = self.landmarks[self.frames.index_of(frame)]
        return face_matte(points, (CROP, CROP)).full((CROP, CROP))

    def _within(self, outline: Sequence[int], reach: float) -> Flags:
        points = self.chart.positions[list(outline)]
        middle = points.mean(axis=0)
        grown = np.rint(middle + reach * (points - middle)).astype(np.int32)
        drawn = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(drawn, [cv2.convexHull(grown)], (1,))
        return drawn > 0


def _sampled(display: Pixels, way: Similarity, corner: Points) -> Pixels:
    """Samples a crop from the part of a plate at `corner`; within grain, which is all it needs.

    A larger face is first shrunk by a whole number.
    """
    shrunk = max(1, int(1 / way.scale))
    sides = [max(1, side // shrunk) for side in display.shape[1::-1]]
    steps = np.array(display.shape[1::-1]) / sides
    if shrunk > 1:
        display = np.asarray(cv2.resize(display, sides, interpolation=cv2.INTER_AREA), np.float32)
    plate_from_part = np.column_stack([np.diag(steps), corner + (steps - 1) / 2])
    whole = way.matrix @ np.vstack([plate_from_part, [0.0, 0.0, 1.0]])
    made = cv2.warpAffine(
        display, whole, (CROP, CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(made, np.float32)


def _upright(landmarks: NDArray[np.float64]) -> Similarity:
    """What takes plate pixels to the crop in which the face stands upright, in its middle."""
    up = landmarks[_TOP] - landmarks[_CHIN]
    height = max(float(np.linalg.norm(up)), 1e-6)
    turned = Similarity.from_parts(
        scale=CROP / (_AROUND * height),
        angle_deg=-float(np.degrees(np.arctan2(up[0], -up[1]))),
        shift=np.zeros(2),
    )
    shift = (CROP - 1) / 2 - turned.apply(landmarks[:NUM_SKIN].mean(axis=0))
    return Similarity(np.column_stack([turned.matrix[:, :2], shift]))
