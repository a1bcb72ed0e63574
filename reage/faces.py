"""The door to the face library: finding faces in a picture and following them to the next.

Two stages. A detector looks at the whole frame and, for small faces, at overlapping tiles of it;
then a mesh network reads 478 landmarks from a square, upright crop around each face. The library's
own chain from detector to mesh is not used: it misses small faces and its region of interest is
unsteady on wide frames, so the mesh network is run on crops of our own choosing. Nothing is
remembered from one picture to the next, so the same picture always gives the same landmarks. Knows
nothing of tracks.

Landmarks are (x, y) in pixels of the picture, pixel centres at whole numbers. K is 478: 468 of the
mesh, then 5 of each iris.

Source: Google's MediaPipe (face detection full range, attention mesh), Grishchenko et al. 2020,
"Attention Mesh: High-fidelity Face Mesh Prediction in Real-time".
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.detection import (
    MESH_SIZE,
    Detection,
    agrees,
    extent,
    iou,
    is_upright,
    padded_square,
    region_around,
    region_at,
    tiles,
    varied,
)
from reage.geometry import Similarity

os.environ.setdefault("GLOG_minloglevel", "2")

from google.protobuf import text_format
from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
from mediapipe.framework.formats.rect_pb2 import NormalizedRect
from mediapipe.python._framework_bindings.validated_graph_config import (
    ValidatedGraphConfig,
)
from mediapipe.python.solution_base import PacketDataType, SolutionBase
from mediapipe.python.solutions.face_detection import FaceDetection

_DETECTOR_REGION = 1.5  # mesh region's side, in sides of the detector's box

_MIN_DETECTOR_SCORE = 0.4
_MIN_PRESENCE = 0.5  # to go on following a face
_MIN_PRESENCE_NEW = 0.95  # to believe a new one: faces score 0.99 even when blurred, dark or tiny
_MIN_PRESENCE_ROUGH = 0.1  # in a region not yet centred
_MAX_DISAGREEMENT = 0.04  # of the face's extent, between readings from slightly different crops
_SAME_FACE_IOU = 0.35

# Shift (of the region's side), turn (degrees) and scale of the crops a reading is averaged over.
_VARIATIONS = (
    (0.000, 0.000, 0.0, 1.00),
    (0.021, -0.013, 3.0, 0.96),
    (-0.017, 0.023, -3.0, 1.04),
    (-0.023, -0.019, 2.0, 1.02),
    (0.019, 0.017, -2.0, 0.98),
    (0.007, 0.029, 4.0, 1.00),
    (-0.029, 0.005, -4.0, 1.00),
    (0.011, -0.027, -1.0, 1.05),
)

_MESH_GRAPH = """
input_stream: "image"
input_stream: "roi"
input_side_packet: "with_attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""
_CROP_LANDMARKS = "facelandmarkcpu__landmarks"
_CROP_PRESENCE = "facelandmarkcpu__face_presence_score"
_THRESHOLD = "facelandmarkcpu__ThresholdingCalculator.threshold"
_WHOLE_CROP = NormalizedRect(x_center=0.5, y_center=0.5, width=1.0, height=1.0)

# What the library says on stderr whatever its log level, each time a network is loaded.
_CHATTER = re.compile(
    rb"^(INFO: Created TensorFlow Lite|WARNING: All log messages before absl|"
    rb"[WI]\d{4} .*(inference_feedback_manager|landmark_projection_calculator)\.cc)"
)


class FaceFinder:
    """Finds faces and reads their landmarks; a context manager, as it holds two networks.

    Args:
        num_readings: Crops whose landmarks are averaged, 1-8: more are steadier and cost 4 ms each.
    """

    def __init__(self, *, num_readings: int = 4) -> None:
        if not 1 <= num_readings <= len(_VARIATIONS):
            raise ValueError(
                f"FaceFinder.num_readings: got {num_readings}, expected 1 to {len(_VARIATIONS)}"
            )
        self._variations = _VARIATIONS[:num_readings]
        with without_chatter():
            self._detector = FaceDetection(
                model_selection=1, min_detection_confidence=_MIN_DETECTOR_SCORE
            )
            self._mesh = _open_mesh()
            blank = np.zeros((MESH_SIZE, MESH_SIZE, 3), np.uint8)
            self._detector.process(blank)
            _run_mesh(self._mesh, blank)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._detector.close()
        self._mesh.close()

    def detect(self, display: NDArray[np.uint8]) -> list[Detection]:
        """Finds every face of a picture.

        Args:
            display: RGB, uint8, (H, W, 3), as shown on a screen.

        Returns:
            The faces, largest first. Faces narrower than about 1/40 of the picture may be missed,
            and so are faces cut in half by its edge.
        """
        picture = _checked(display)
        found: list[Detection] = []
        for region in self._candidates(picture):
            first = self._read(picture, region, self._variations[:1])
            if first.score < _MIN_PRESENCE_ROUGH:
                continue
            face = self._settle(picture, first.landmarks)
            if face is None or face.score < _MIN_PRESENCE_NEW:
                continue
            if all(iou(face.box, other.box) < _SAME_FACE_IOU for other in found):
                found.append(face)
        return sorted(found, key=lambda face: -extent(face.landmarks))

    def follow(
        self, display: NDArray[np.uint8], previous_landmarks: NDArray[np.float64]
    ) -> Detection | None:
        """Reads a face again near where it was, without the detector.

        Args:
            display: RGB, uint8, (H, W, 3).
            previous_landmarks: (K, 2), from the frame before or predicted from it.

        Returns:
            The face, or None when no face is there, or none that agrees with where it was.
        """
        return self._settle(_checked(display), previous_landmarks)

    def _settle(
        self, picture: NDArray[np.uint8], landmarks: NDArray[np.float64]
    ) -> Detection | None:
        """Centres the region on the face, reads it from varied crops, refuses what disagrees."""
        expected = region_around(landmarks)
        first = self._read(picture, expected, self._variations[:1])
        if first.score < _MIN_PRESENCE_ROUGH or not agrees(expected, first.landmarks):
            return None
        centred = region_around(first.landmarks)
        face = self._read(picture, centred, self._variations)
        if face.score < _MIN_PRESENCE or face.disagreement > _MAX_DISAGREEMENT:
            return None
        return face if agrees(centred, face.landmarks) and is_upright(centred, face) else None

    def _read(
        self,
        picture: NDArray[np.uint8],
        crop_from_picture: Similarity,
        variations: tuple[tuple[float, float, float, float], ...],
    ) -> Detection:
        """Averages the mesh over crops that differ slightly from the region given."""
        readings, depths, scores = [], [], []
        for variation in variations:
            to_crop = varied(variation) @ crop_from_picture
            points, score = _run_mesh(self._mesh, _crop(picture, to_crop))
            readings.append(to_crop.inverse().apply(points[:, :2]))
            depths.append(points[:, 2] / to_crop.scale)
            scores.append(score)
        landmarks = np.mean(readings, axis=0)
        apart = np.sqrt(((np.stack(readings) - landmarks) ** 2).sum(axis=2).mean())
        return Detection(
            box=np.concatenate([landmarks.min(axis=0), landmarks.max(axis=0)]),
            landmarks=landmarks,
            depths=np.mean(depths, axis=0),
            score=float(np.mean(scores)),
            disagreement=float(apart) / max(extent(landmarks), 1e-9),
        )

    def _candidates(self, picture: NDArray[np.uint8]) -> list[Similarity]:
        """Regions in which the detector sees a face, best first, each face once."""
        seen: list[tuple[float, NDArray[np.float64], Similarity]] = []
        for left, top, side in tiles(picture.shape[1], picture.shape[0]):
            square = padded_square(picture[top : top + side, left : left + side], side)
            for detection in self._detector.process(square).detections or []:
                seen.append(_candidate(detection, np.array([left, top], np.float64), side))
        kept: list[tuple[float, NDArray[np.float64], Similarity]] = []
        for candidate in sorted(seen, key=lambda c: -c[0]):
            if all(iou(candidate[1], other[1]) < _SAME_FACE_IOU for other in kept):
                kept.append(candidate)
        return [region for _, _, region in kept]


def _open_mesh() -> SolutionBase:
    """Opens the mesh network alone, to be run on a whole crop, its presence score in view.

    The library's subgraph withholds landmarks below a presence threshold and projects them from a
    region of a frame; here the threshold is 0, the score comes out, and the projection is ours.
    """
    expanded = ValidatedGraphConfig()
    expanded.initialize(graph_config=text_format.Parse(_MESH_GRAPH, CalculatorGraphConfig()))
    graph = CalculatorGraphConfig()
    graph.ParseFromString(expanded.binary_config)
    kept = [node for node in graph.node if node.calculator != "LandmarkProjectionCalculator"]
    del graph.node[:], graph.output_stream[:]
    graph.node.extend(kept)
    graph.output_stream.extend([_CROP_LANDMARKS, _CROP_PRESENCE])
    return SolutionBase(
        graph_config=graph,
        calculator_params={_THRESHOLD: 0.0},
        side_inputs={"with_attention": True},
        stream_type_hints={"image": PacketDataType.IMAGE},
    )


def _run_mesh(mesh: SolutionBase, crop: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
    """Returns (K, 3) landmarks in crop pixels and the presence score."""
    result = mesh.process({"image": crop, "roi": _WHOLE_CROP})
    points = [(p.x, p.y, p.z) for p in getattr(result, _CROP_LANDMARKS).landmark]
    landmarks = np.array(points, np.float64) * MESH_SIZE
    landmarks[:, :2] -= 0.5  # from pixel edges to pixel centres
    return landmarks, float(getattr(result, _CROP_PRESENCE))


def _crop(picture: NDArray[np.uint8], crop_from_picture: Similarity) -> NDArray[np.uint8]:
    """Samples the mesh network's input: supersampled, as the network is sensitive to aliasing."""
    samples = max(2, int(np.ceil(1.0 / crop_from_picture.scale)))
    offset = (samples - 1) / 2
    finer = Similarity(np.array([[samples, 0.0, offset], [0.0, samples, offset]]))
    fine = cv2.warpAffine(
        picture,
        (finer @ crop_from_picture).matrix,
        (MESH_SIZE * samples, MESH_SIZE * samples),
        flags=cv2.INTER_CUBIC if crop_from_picture.scale > 1.0 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    crop = cv2.resize(fine, (MESH_SIZE, MESH_SIZE), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(crop, np.uint8)


def _candidate(
    detection: Any, origin: NDArray[np.float64], side: int
) -> tuple[float, NDArray[np.float64], Similarity]:
    """Score, box and mesh region of a detection in a tile, in pixels of the picture."""
    relative = detection.location_data.relative_bounding_box
    low = origin + side * np.array([relative.xmin, relative.ymin])
    box = side * np.array([relative.width, relative.height])
    points = detection.location_data.relative_keypoints
    eyes = np.array([points[1].x - points[0].x, points[1].y - points[0].y])
    angle_deg = float(np.degrees(np.arctan2(eyes[1], eyes[0])))
    region = region_at(low + box / 2, _DETECTOR_REGION * float(box.max()), angle_deg)
    return float(detection.score[0]), np.concatenate([low, low + box]), region


def _checked(display: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if display.dtype != np.uint8 or display.ndim != 3 or display.shape[2] != 3 or not display.size:
        raise ValueError(
            f"display: got {display.dtype} {display.shape}, expected uint8 (H, W, 3) with pixels"
        )
    return np.ascontiguousarray(display)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Keeps the library's start-up remarks off stderr; anything else written there is passed on.

    They are written by C++ to the file descriptor, so that is what is set aside for the moment.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            captured.seek(0)
            for line in captured.read().splitlines(keepends=True):
                if not _CHATTER.match(line):
                    os.write(2, line)
