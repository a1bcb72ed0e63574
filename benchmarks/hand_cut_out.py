"""A hand cut out of a clip, to be held before the faces of others, for benchmarks/occlusion.py.

What is pasted is its own truth, so the cut need not be perfect. The hand takes on the mean colour
of the face it is held before, so that it stands out by its shape and shading alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.occluders import Codes, Matte, Painted, Scene
from reage.faces import FaceFinder
from reage.hands import HandFinder
from reage.video import probe, read_frames

_AROUND = 3.2  # side of what is looked at, in heights of the face
_SIDE = 512  # of the same, px
_WIDTH = 0.75  # of the pasted hand, in heights of the face
_PASSES = 4


@dataclass(frozen=True, eq=False)
class HandCutOut:
    """A hand: RGB, display view, (h, w, 3), and its matte (h, w), 0-1."""

    colour: NDArray[np.float32]
    matte: Matte

    @classmethod
    def of_clip(cls, path: Path) -> Self:
        """Cuts out the largest hand that is found near a clip's face."""
        found: list[tuple[float, Codes, Matte]] = []
        with HandFinder() as hands:
            for view in _around_face(path):
                drawn = hands.find(view)
                found.append((float(drawn.sum()), view, drawn))
        area, view, drawn = max(found, key=lambda one: one[0])
        if not area:
            raise SystemExit(f"{path}: hands: got none near the face, expected one to cut out")
        matte = _cut(view, drawn)
        rows, columns = (np.flatnonzero((matte > 0.1).any(axis=axis)) for axis in (1, 0))
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return cls(view[part].astype(np.float32) / 255, matte[part])

    def held(self, scene: Scene, along: float) -> Painted:
        """Paints the hand over mouth and cheek; as the things of `OCCLUDERS`."""
        size = scene.frame.shape[1], scene.frame.shape[0]
        scale = _WIDTH * scene.height / self.matte.shape[1]
        shift = np.array([0.5 - 0.55 * np.sin(np.pi * along), 0.3]) * scene.height
        corner = scene.middle + shift - scale * np.array(self.matte.shape[::-1]) / 2
        place = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
        own = np.average(self.colour, axis=(0, 1), weights=np.repeat(self.matte[..., None], 3, 2))
        matched = (self.colour * (scene.skin() / own)).astype(np.float32)
        matte, colour = (cv2.warpAffine(part, place, size) for part in (self.matte, matched))
        return np.asarray(matte, np.float32), np.asarray(colour, np.float32)


def _around_face(path: Path) -> Iterator[Codes]:
    info = probe(path, first_frame=1)
    with FaceFinder() as faces:
        for _, image in read_frames(info, info.frames, colourspace="rec709"):
            codes = image.to_uint8()
            found = faces.detect(codes)
            if not found:
                continue
            points = found[0].landmarks
            side = _AROUND * float(np.ptp(points[:, 1]))
            corner = points.mean(axis=0) - side / 2
            scale = _SIDE / side
            place = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
            yield np.asarray(cv2.warpAffine(codes, place, (_SIDE, _SIDE), flags=cv2.INTER_CUBIC))


def _cut(view: Codes, drawn: Matte) -> Matte:
    labels = np.full(drawn.shape, cv2.GC_BGD, np.uint8)
    labels[cv2.dilate(drawn, np.ones((31, 31))) > 0.05] = cv2.GC_PR_BGD
    labels[drawn > 0.3] = cv2.GC_PR_FGD
    labels[cv2.erode(drawn, np.ones((5, 5))) > 0.9] = cv2.GC_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(view, labels, (0, 0, 1, 1), *models, _PASSES, cv2.GC_INIT_WITH_MASK)
    hand = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(hand, (0, 0), 1.0), np.float32)
