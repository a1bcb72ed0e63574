"""From a folder of age-labelled photographs to posed crops: where training a 3D prior starts.

Photographs are read in chunks, each begun afresh, so that what is found in them does not depend on
how many processes share the work.
"""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.detection import Detection
from reage.errors import FaceError
from reage.faces import FaceFinder
from reage.head.camera import PosedFace, pose_face
from reage.head.crop import cut_crop
from reage.labelled_faces import LabelledPhoto, TightCropReader, find_photos
from reage.posed_faces import PosedFaceSet
from reage.training_curve import Report

_log = logging.getLogger(__name__)

CHUNK = 500  # photographs
LARGEST_YAW, LARGEST_PITCH = 45.0, 35.0  # degrees: beyond, half of the face is not to be seen
LEAST_AGREEMENT = 0.02  # readings of a mesh that differ by more are no face to learn from
_Found = tuple[NDArray[np.uint8], PosedFace, tuple[int, int]]


def prepare_posed_faces(
    folder: Path,
    path: Path,
    *,
    size: int,
    min_faces: int,
    report: Report,
    workers: int | None = None,
) -> PosedFaceSet:
    """Finds, poses, cuts out and keeps every labelled adult face of a folder; done once.

    Args:
        folder: Photographs, or zip archives of them; see reage.labelled_faces.
        path: Of the npz file to keep them in; read back when it exists.
        size: Of the crops, pixels.
        min_faces: Fewer than these are refused.
        report: Told of progress.
        workers: Processes that share the work; as many as there are cores by default.

    Raises:
        FaceError: There are too few adult faces to train on, or a file is no picture.
    """
    if path.is_file():
        return PosedFaceSet.load(path)
    photos, num_minors = find_photos(folder)
    if num_minors:
        _log.warning("left out minors folder=%s count=%d", folder, num_minors)
    found = _pose_all(photos, size, report, workers or len(os.sched_getaffinity(0)))
    kept = [(p, f) for p, f in zip(photos, found, strict=True) if f is not None]
    if len(kept) < min_faces:
        raise FaceError(
            f"{folder}: got {len(kept)} faces of adults that look about ahead, expected at least "
            f"{min_faces}; add photographs or lower min_faces in the recipe"
        )
    _log.info("posed faces folder=%s faces=%d left_out=%d", folder, len(kept), len(photos))
    faces = _as_set(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    faces.save(path)
    return faces


def _as_set(kept: Sequence[tuple[LabelledPhoto, _Found]]) -> PosedFaceSet:
    photos = [photo for photo, _ in kept]
    posed = [face for _, (_, face, _) in kept]
    return PosedFaceSet(
        crops=np.stack([crop for _, (crop, _, _) in kept]),
        skins=np.stack([face.skin for face in posed]).astype(np.float32),
        angles=np.array([face.camera.angles for face in posed]),
        crop_from_picture=np.stack([face.crop_from_picture.matrix for face in posed]),
        picture_sizes=np.array([size for _, (_, _, size) in kept]),
        ages=np.array([p.age for p in photos]),
        genders=np.array([p.gender for p in photos]),
        groups=np.array([p.group for p in photos]),
        folds=np.array([p.fold for p in photos]),
        names=np.array([p.name for p in photos]),
    )


def _pose_all(
    photos: Sequence[LabelledPhoto], size: int, report: Report, workers: int
) -> list[_Found | None]:
    starts = range(0, len(photos), CHUNK)
    found: dict[int, list[_Found | None]] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {
            pool.submit(pose_chunk, photos[start : start + CHUNK], size): start for start in starts
        }
        for done in as_completed(waiting):
            found[waiting[done]] = done.result()
            report("faces", sum(map(len, found.values())), len(photos), {})
    return [face for start in starts for face in found[start]]


def pose_chunk(photos: Sequence[LabelledPhoto], size: int) -> list[_Found | None]:
    """Poses the largest face of photographs; None where there is none that can be learnt from."""
    cv2.setNumThreads(1)  # the processes share the cores
    found = []
    with FaceFinder() as finder:
        reader = TightCropReader(finder)
        for photo in photos:
            found.append(_posed(reader, photo.read(), size))
    return found


def _posed(reader: TightCropReader, picture: NDArray[np.uint8], size: int) -> _Found | None:
    read = reader.read(picture)
    if read is None or read.disagreement > LEAST_AGREEMENT:
        return None
    face = pose_face(read.landmarks, read.depths)
    yaw, pitch = face.camera.angles
    if abs(yaw) > LARGEST_YAW or abs(pitch) > LARGEST_PITCH:
        return None
    return _cut(picture, read, size), face, (picture.shape[1], picture.shape[0])


def _cut(picture: NDArray[np.uint8], read: Detection, size: int) -> NDArray[np.uint8]:
    """Cuts a crop that is mirrored beyond the photograph's edge, where such crops often reach."""
    margin = max(picture.shape[:2]) // 2
    widened = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    face = pose_face(read.landmarks + margin, read.depths)
    pixels = cut_crop(widened.astype(np.float32), face, size)
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)
