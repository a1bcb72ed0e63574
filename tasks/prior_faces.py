"""From a folder of age-labelled photographs to aligned crops: where training a prior starts."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.errors import FaceError
from reage.faces import FaceFinder
from reage.labelled_faces import FaceSet, LabelledPhoto, TightCropReader, align_crop, find_photos

_log = logging.getLogger(__name__)

# Landmarks that ageing and speech move little: eye corners and lids, bridge and base of the nose,
# corners and middle of the mouth; and the pairs that a mirror exchanges.
INDICES = (33, 133, 159, 145, 362, 263, 386, 374, 168, 6, 197, 4, 2, 98, 327, 61, 291, 0, 17)
PAIRS = {33: 263, 133: 362, 159: 386, 145: 374, 98: 327, 61: 291}

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
    report: Callable[[str, int, int], None],
) -> FaceSet:
    """Finds, aligns and keeps every labelled adult face of a folder; done once.

    Args:
        folder: Photographs, or zip archives of them; see reage.labelled_faces.
        path: Of the npz file to keep them in; read back when it exists.
        size: Of the crops, pixels.
        min_faces: Fewer than these are refused.
        report: Told of progress.

    Raises:
        FaceError: There are too few adult faces to train on.
    """
    if path.is_file():
        return FaceSet.load(path)
    photos, num_minors = find_photos(folder)
    if num_minors:
        _log.warning("left out minors folder=%s count=%d", folder, num_minors)
    _check_enough(folder, len(photos), min_faces)
    kept, crops = _aligned(photos, size, report)
    _check_enough(folder, len(kept), min_faces)
    _log.info(
        "prepared faces folder=%s faces=%d unseen=%d", folder, len(kept), len(photos) - len(kept)
    )
    faces = FaceSet(
        crops=np.stack(crops),
        ages=np.array([p.age for p in kept]),
        genders=np.array([p.gender for p in kept]),
        groups=np.array([p.group for p in kept]),
        folds=np.array([p.fold for p in kept]),
        names=np.array([p.name for p in kept]),
        template=template_pixels(size),
        indices=np.array(INDICES),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    faces.save(path)
    return faces


def _aligned(
    photos: list[LabelledPhoto], size: int, report: Callable[[str, int, int], None]
) -> tuple[list[LabelledPhoto], list[NDArray[np.uint8]]]:
    template, indices = template_pixels(size), np.array(INDICES)
    kept, crops = [], []
    with FaceFinder(num_readings=1) as finder:
        reader = TightCropReader(finder)
        for number, photo in enumerate(photos, start=1):
            picture = photo.read()
            landmarks = reader.landmarks(picture)
            if landmarks is not None:
                crop, _ = align_crop(
                    picture, landmarks, template=template, indices=indices, size=size
                )
                crops.append(np.rint(np.clip(crop, 0, 1) * 255).astype(np.uint8))
                kept.append(photo)
            if number % 50 == 0 or number == len(photos):
                report("faces", number, len(photos))
    return kept, crops


def _check_enough(folder: Path, count: int, min_faces: int) -> None:
    if count < min_faces:
        raise FaceError(
            f"{folder}: got {count} adult faces with an age, expected at least {min_faces}; add "
            "photographs or lower min_faces in the recipe"
        )
