"""Following faces from frame to frame within one take.

A face is read again near where it was; the detector is asked only for faces that are new or lost.
The same pictures give the same readings. Knows nothing of the face library, which comes in as a
`Finder`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reage.detection import Detection, extent, iou

_SAME_FACE_IOU = 0.3
_SAME_FACE_DISTANCE = 0.25  # between mean landmarks, of the face's extent
_RESUME_DISTANCE = 1.0  # of the face's extent, for a face found again after being lost
_RESUME_GROWTH = 1.6
_MAX_PREDICTED_STEP = 0.25  # of the face's extent


class Finder(Protocol):
    """What tracking needs of the face library."""

    def detect(self, display: NDArray[np.uint8]) -> list[Detection]:
        """Finds every face of a picture."""

    def follow(
        self, display: NDArray[np.uint8], previous_landmarks: NDArray[np.float64]
    ) -> Detection | None:
        """Reads a face again near where it was."""


@dataclass(eq=False)
class Following:
    """A face being followed: what was read in each frame since `first`."""

    track_id: int
    first: int
    readings: list[Detection | None] = field(default_factory=list)
    missing: int = 0

    @property
    def last_seen(self) -> Detection:
        """What was read when the face was last seen."""
        return next(reading for reading in reversed(self.readings) if reading is not None)

    def predicted(self) -> NDArray[np.float64]:
        """Last landmarks, moved on by the step between the last two frames if both were seen."""
        recent = self.readings[-2:]
        if len(recent) < 2 or recent[0] is None or recent[1] is None:
            return self.last_seen.landmarks
        step = recent[1].landmarks.mean(axis=0) - recent[0].landmarks.mean(axis=0)
        limit = _MAX_PREDICTED_STEP * extent(recent[1].landmarks)
        length = float(np.linalg.norm(step))
        return recent[1].landmarks + step * min(1.0, limit / max(length, 1e-9))

    def add(self, reading: Detection | None) -> None:
        """Keeps what was read in the next frame; None when the face is missing."""
        self.readings.append(reading)
        self.missing = 0 if reading is not None else self.missing + 1


class Take:
    """Faces between two cuts; hands out track numbers from `next_id`."""

    def __init__(self, first: int, next_id: int) -> None:
        self.first = first
        self.next_id = next_id
        self.following: list[Following] = []
        self.ended: list[Following] = []

    def follow(self, display: NDArray[np.uint8], finder: Finder) -> None:
        """Reads every face again; of two that end on the same face the elder keeps it."""
        taken: list[Detection] = []
        for face in self.following:
            reading = finder.follow(display, face.predicted())
            if reading is not None and any(_same_face(reading, other) for other in taken):
                reading = None
            face.add(reading)
            if reading is not None:
                taken.append(reading)

    def admit(self, found: Iterable[Detection], frame: int) -> None:
        """Gives faces found by the detector to lost tracks near them, else starts tracks."""
        for detection in found:
            seen = [face.readings[-1] for face in self.following]
            if any(reading is not None and _same_face(detection, reading) for reading in seen):
                continue
            lost = [face for face in self.following if face.readings[-1] is None]
            near = [face for face in lost if _may_resume(face.last_seen, detection)]
            if near:
                nearest = min(near, key=lambda face: _distance(face.last_seen, detection))
                nearest.readings[-1] = detection
                nearest.missing = 0
            else:
                self.following.append(Following(self.next_id, frame, [detection]))
                self.next_id += 1

    def drop(self, longest_loss: int) -> None:
        """Ends tracks whose face has been missing for longer than that."""
        self.ended += [face for face in self.following if face.missing > longest_loss]
        self.following = [face for face in self.following if face.missing <= longest_loss]


def _distance(a: Detection, b: Detection) -> float:
    """Between mean landmarks, in extents of the larger face."""
    apart = np.linalg.norm(a.landmarks.mean(axis=0) - b.landmarks.mean(axis=0))
    return float(apart) / max(extent(a.landmarks), extent(b.landmarks), 1e-9)


def _same_face(a: Detection, b: Detection) -> bool:
    return _distance(a, b) < _SAME_FACE_DISTANCE or iou(a.box, b.box) > _SAME_FACE_IOU


def _may_resume(last_seen: Detection, found: Detection) -> bool:
    growth = extent(found.landmarks) / max(extent(last_seen.landmarks), 1e-9)
    near = _distance(last_seen, found) < _RESUME_DISTANCE
    return near and 1 / _RESUME_GROWTH < growth < _RESUME_GROWTH
