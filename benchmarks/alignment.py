"""How well the mesh serves FFHQ alignment, which is defined on another scheme of 68 points.

    make bench-alignment DATA=<utkface folder>

No detector of the 68 points is at hand, so agreement on one and the same face is not measured.
Measured are: how the square follows a photograph that is moved, turned and scaled; and, given
labelled face chips that dlib once cut by its 68 points, where the mesh's points lie in them on
average, against the mean face that dlib brought its own points to. All in percent of the square's
side.
"""

import argparse
from dataclasses import astuple
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.record import record
from reage.faces import FaceFinder
from reage.ffhq_alignment import FacePoints, ffhq_quad
from reage.geometry import Similarity
from reage.labelled_faces import TightCropReader, find_photos

Points = NDArray[np.float64]

# Points 36-47, 48 and 54 of dlib's mean face (image_transforms/interpolation.h, BSL-1.0), unit.
_MEAN_LEFT_EYE = (
    (0.121737, 0.216423), (0.187122, 0.178758), (0.265825, 0.179852),
    (0.334606, 0.231733), (0.260918, 0.245099), (0.182743, 0.244077),
)  # fmt: skip
_MEAN_RIGHT_EYE = (
    (0.645647, 0.231733), (0.714428, 0.179852), (0.793132, 0.178758),
    (0.858516, 0.216423), (0.797510, 0.244077), (0.719335, 0.245099),
)  # fmt: skip
_MEAN_MOUTH = ((0.254149, 0.780233), (0.726104, 0.780233))
_CHIP_PADDING = 0.2  # dlib's own; 0.25 fits the chips worse by a factor of two
_FACE_CENTRE = (222.0, 122.0)  # of scikit-image's astronaut


def main() -> None:
    """Measures, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of labelled dlib face chips (UTKFace)")
    parser.add_argument("--count", type=int, default=800, help="how many chips")
    arguments = parser.parse_args()
    with FaceFinder() as finder:
        figures: dict[str, Any] = {"photograph": following(finder)}
        if arguments.data:
            figures["chips"] = against_mean_face(finder, arguments.data, arguments.count)
    Console().print(figures)
    record("alignment", figures)


def following(finder: FaceFinder, *, count: int = 40, seed: int = 0) -> dict[str, float]:
    """Errors of the square under known turns (30 deg), scales (0.6-1.8) and shifts (2 px)."""
    photograph, rng = np.ascontiguousarray(skimage.data.astronaut()), np.random.default_rng(seed)
    rest = _points(finder.detect(photograph)[0].landmarks)
    side = _side(_quad(rest))
    corners, eyes, mouths, jitter = [], [], [], []
    for _ in range(count):
        scale = rng.uniform(0.6, 1.8)
        matrix = cv2.getRotationMatrix2D(_FACE_CENTRE, rng.uniform(-30, 30), scale)
        shift = np.array([34.0, 78.0]) + rng.uniform(-2, 2, 2)  # towards the middle
        move = _shifted(shift) @ Similarity(np.asarray(matrix, np.float64))
        filtering = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        moved = cv2.warpAffine(photograph, move.matrix, (512, 512), flags=filtering)
        found = _points(finder.detect(np.asarray(moved, np.uint8))[0].landmarks)
        apart = np.linalg.norm(found - move.apply(rest), axis=1) / (side * scale)
        eyes.append(apart[:2])
        mouths.append(apart[2:])
        squares = _quad(found) - move.apply(_quad(rest))
        corners.append(np.linalg.norm(squares, axis=1).max() / (side * scale))
    for _ in range(count):
        move = _shifted(rng.uniform(-2, 2, 2))
        moved = cv2.warpAffine(
            photograph, move.matrix, (512, 512),
            flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        found = _points(finder.detect(np.asarray(moved, np.uint8))[0].landmarks)
        jitter.append(move.inverse().apply(_quad(found)))
    return {
        "eye_centre_rms": _percent(_rms(eyes)),
        "mouth_corner_rms": _percent(_rms(mouths)),
        "quad_corner_median": _percent(np.median(corners)),
        "quad_corner_max": _percent(np.max(corners)),
        "quad_corner_rms_under_2_px_shifts": _percent(
            np.sqrt(2) * _rms(jitter - np.mean(jitter, axis=0)) / side
        ),
    }


def against_mean_face(finder: FaceFinder, folder: Path, count: int) -> dict[str, Any]:
    """Where the mesh's points lie in dlib's chips, against dlib's mean face."""
    photos = [photo for photo in find_photos(folder)[0] if photo.fold > 1]
    chosen = np.random.default_rng(0).choice(len(photos), count, replace=False)
    reader = TightCropReader(finder)
    read = [reader.landmarks(photos[i].read()) for i in chosen]
    found = np.stack([_points(landmarks) for landmarks in read if landmarks is not None])
    mean = np.array(
        [np.mean(_MEAN_LEFT_EYE, axis=0), np.mean(_MEAN_RIGHT_EYE, axis=0), *_MEAN_MOUTH]
    )
    expected = (_CHIP_PADDING + mean) / (2 * _CHIP_PADDING + 1) * 200
    wanted, got = _quad(expected), _quad(found.mean(axis=0))
    side = _side(wanted)
    bias = np.linalg.norm(found.mean(axis=0) - expected, axis=1) / side
    return {
        "faces": len(found),
        "eye_centre_bias": _percent(bias[:2].max()),
        "mouth_corner_bias": _percent(bias[2:].max()),
        "quad_corner_bias": _percent(np.linalg.norm(got - wanted, axis=1).max() / side),
        "quad_size_bias": _percent(_side(got) / side - 1),
    }


def _points(landmarks: Points) -> Points:
    return np.stack(astuple(FacePoints.from_mesh(landmarks)))


def _shifted(shift: Points) -> Similarity:
    return Similarity(np.column_stack([np.eye(2), shift]))


def _quad(points: Points) -> Points:
    return ffhq_quad(FacePoints(*points))


def _side(quad: Points) -> float:
    return float(np.linalg.norm(quad[3] - quad[0]))


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _percent(share: Any) -> float:
    return round(100 * float(share), 3)


if __name__ == "__main__":
    main()
