"""From a folder of age-labelled photographs to aligned crops: where training a prior starts.

Photographs are read in chunks, each begun afresh, so that what is found in them depends neither on
how many processes share the work nor on which does what.
"""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.errors import FaceError
from reage.faces import FaceFinder
from reage.labelled_faces import FaceSet, LabelledPhoto, TightCropReader, align_crop, find_photos
from reage.training_curve import Report

_log = logging.getLogger(__name__)

CHUNK = 500  # photographs
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
    photos, num_minors = find_photos(folder)
    if num_minors:
        _log.warning("left out minors folder=%s count=%d", folder, num_minors)
    _check_enough(folder, len(photos), min_faces)
    cores = len(os.sched_getaffinity(0))
    crops = align_all(photos, size, report=report, workers=workers or cores)
    found = [(photo, crop) for photo, crop in zip(photos, crops, strict=True) if crop is not None]
    _check_enough(folder, len(found), min_faces)
    _log.info(
        "prepared faces folder=%s faces=%d unseen=%d", folder, len(found), len(photos) - len(found)
    )
    kept = [photo for photo, _ in found]
    faces = FaceSet(
        crops=np.stack([crop for _, crop in found]),
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


def align_all(
    photos: Sequence[LabelledPhoto],
    size: int,
    *,
    report: Report,
    workers: int = 1,
    chunk: int = CHUNK,
) -> list[Crop | None]:
    """Aligns the largest face of every photograph.

    Args:
        photos: To be read.
        size: Of the crops, R, pixels.
        report: Told after each chunk.
        workers: Processes; the result is the same for any number. With one there is none but this.
        chunk: Photographs that are read in one go; the result depends on it, by a landmark's last
            digits.

    Returns:
        A crop, uint8, (R, R, 3), for each photograph; None where no face was found.

    Raises:
        FaceError: A file is no picture.
    """
    chunks = [photos[first : first + chunk] for first in range(0, len(photos), chunk)]
    workers = min(workers, len(chunks))
    if workers <= 1:
        crops: list[Crop | None] = []
        for part in chunks:
            crops += align_chunk(part, size)
            report("faces", len(crops), len(photos), {})
        return crops
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        futures = [pool.submit(align_chunk, part, size) for part in chunks]
        try:
            _follow(futures, len(photos), report)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [crop for future in futures for crop in future.result()]


def align_chunk(photos: Sequence[LabelledPhoto], size: int) -> list[Crop | None]:
    """Aligns the photographs of one chunk; as `align_all`."""
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


def _follow(futures: Sequence[Future[list[Crop | None]]], total: int, report: Report) -> None:
    """Reports chunks as they are done; raises what one of them raised."""
    done = 0
    for future in as_completed(futures):
        done += len(future.result())
        report("faces", done, total, {})


def _check_enough(folder: Path, count: int, min_faces: int) -> None:
    if count < min_faces:
        raise FaceError(
            f"{folder}: got {count} adult faces with an age, expected at least {min_faces}; add "
            "photographs or lower min_faces in the recipe"
        )
