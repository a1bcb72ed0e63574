"""From a folder of age-labelled photographs to aligned crops: where training a prior starts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.face_set import FaceSet, labels_of
from reage.faces import FaceFinder
from reage.labelled_faces import LabelledPhoto, TightCropReader, align_crop
from reage.training_curve import Report
from tasks.labelled_reading import read_folder

Crop = NDArray[np.uint8]

# Landmarks that ageing and speech move little: eye corners and lids, bridge and base of the nose,
# corners and middle of the mouth.
INDICES = (33, 133, 159, 145, 362, 263, 386, 374, 168, 6, 197, 4, 2, 98, 327, 61, 291, 0, 17)

# Where they lie in the compact prior's crop, as shares of its size: their mean over 2,000 training
# faces, made symmetric, framed so that the chin and the temples are inside.
TEMPLATE = (
    (0.2188, 0.2904), (0.3911, 0.3079), (0.2900, 0.2624), (0.3027, 0.3204),
    (0.6089, 0.3079), (0.7812, 0.2904), (0.7100, 0.2624), (0.6973, 0.3204),
    (0.5000, 0.2779), (0.5000, 0.3331), (0.5000, 0.3808), (0.5000, 0.5266), (0.5000, 0.5972),
    (0.3872, 0.5760), (0.6128, 0.5760), (0.3319, 0.7058), (0.6681, 0.7058), (0.5000, 0.6757),
    (0.5000, 0.8091),
)  # fmt: skip


def template_pixels(size: int) -> NDArray[np.float64]:
    """Returns the template (K, 2) for crops of a size; whole numbers are pixel centres."""
    return np.array(TEMPLATE) * size - 0.5


def prepare_faces(
    folder: Path,
    path: Path,
    *,
    size: int,
    min_faces: int,
    report: Report,
    workers: int | None = None,
) -> FaceSet:
    """Finds, aligns and keeps every labelled adult face of a folder; done once.

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
        return FaceSet.load(path)
    found = read_folder(
        folder, align_chunk, size=size, min_faces=min_faces, report=report, workers=workers
    )
    faces = FaceSet(
        crops=np.stack([crop for _, crop in found]),
        **labels_of([photo for photo, _ in found]),
        template=template_pixels(size),
        indices=np.array(INDICES),
    )
    faces.save(path)
    return faces


def align_chunk(photos: Sequence[LabelledPhoto], size: int) -> list[Crop | None]:
    """Aligns the largest face of each photograph, uint8, (size, size, 3); None without a face."""
    template, indices = template_pixels(size), np.array(INDICES)
    crops: list[Crop | None] = []
    with FaceFinder(num_readings=1) as finder:
        reader = TightCropReader(finder)
        for photo in photos:
            picture = photo.read()
            landmarks = reader.landmarks(picture)
            if landmarks is None:
                crops.append(None)
                continue
            crop, _ = align_crop(picture, landmarks, template=template, indices=indices, size=size)
            crops.append(np.rint(np.clip(crop, 0, 1) * 255).astype(np.uint8))
    return crops
