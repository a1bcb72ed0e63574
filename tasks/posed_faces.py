"""From a folder of age-labelled photographs to posed crops: where training a 3D prior starts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.detection import Detection
from reage.face_set import labels_of
from reage.faces import FaceFinder
from reage.head.camera import PosedFace, pose_face
from reage.head.crop import cut_crop
from reage.labelled_faces import LabelledPhoto, TightCropReader
from reage.posed_faces import PosedFaceSet
from reage.training_curve import Report
from tasks.labelled_reading import read_folder

LARGEST_DISAGREEMENT = 0.02  # readings of a mesh that differ by more are no face to learn from
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
    found = read_folder(
        folder, pose_chunk, size=size, min_faces=min_faces, report=report, workers=workers
    )
    posed = [face for _, (_, face, _) in found]
    faces = PosedFaceSet(
        crops=np.stack([crop for _, (crop, _, _) in found]),
        **labels_of([photo for photo, _ in found]),
        skins=np.stack([face.skin for face in posed]).astype(np.float32),
        angles=np.array([face.camera.angles for face in posed]),
        crop_from_picture=np.stack([face.crop_from_picture.matrix for face in posed]),
        picture_sizes=np.array([picture_size for _, (_, _, picture_size) in found]),
    )
    faces.save(path)
    return faces


def pose_chunk(photos: Sequence[LabelledPhoto], size: int) -> list[_Found | None]:
    """Poses the largest face of photographs; None where there is none that can be learnt from."""
    found = []
    with FaceFinder() as finder:
        reader = TightCropReader(finder)
        for photo in photos:
            found.append(_posed(reader, photo.read(), size))
    return found


def _posed(reader: TightCropReader, picture: NDArray[np.uint8], size: int) -> _Found | None:
    read = reader.read(picture)
    if read is None or read.disagreement > LARGEST_DISAGREEMENT:
        return None
    face = pose_face(read.landmarks, read.depths)
    if not face.is_near_front:
        return None
    return _cut(picture, read, size), face, (picture.shape[1], picture.shape[0])


def _cut(picture: NDArray[np.uint8], read: Detection, size: int) -> NDArray[np.uint8]:
    """Cuts a crop that is mirrored beyond the photograph's edge, where such crops often reach."""
    margin = max(picture.shape[:2]) // 2
    widened = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    face = pose_face(read.landmarks + margin, read.depths)
    pixels = cut_crop(widened.astype(np.float32), face, size)
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)
