"""Reading labelled photographs by many processes: where training any prior starts.

Photographs are read in chunks, each begun afresh, so that what is found in them depends neither on
how many processes share the work nor on which does what.
"""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2

from reage.errors import FaceError
from reage.labelled_faces import LabelledPhoto, find_photos
from reage.training_curve import Report

_log = logging.getLogger(__name__)

CHUNK = 500  # photographs
Found = TypeVar("Found")
ReadChunk = Callable[[Sequence[LabelledPhoto], int], list[Found | None]]


def read_folder(
    folder: Path,
    read_chunk: ReadChunk[Found],
    *,
    size: int,
    min_faces: int,
    report: Report,
    workers: int | None = None,
) -> list[tuple[LabelledPhoto, Found]]:
    """Reads every labelled adult face of a folder.

    Args:
        folder: Photographs, or zip archives of them; see reage.labelled_faces.
        read_chunk: As of `read_photos`.
        size: Of the crops, pixels.
        min_faces: Fewer than these are refused.
        report: Told of progress.
        workers: Processes that share the work; as many as there are cores by default.

    Returns:
        The photographs in which something was found, and that.

    Raises:
        FaceError: There are too few adult faces to train on, or a file is no picture.
    """
    photos, num_minors = find_photos(folder)
    if num_minors:
        _log.warning("left out minors folder=%s count=%d", folder, num_minors)
    _check_enough(folder, len(photos), min_faces)
    workers = workers or len(os.sched_getaffinity(0))
    read = read_photos(photos, read_chunk, size, report=report, workers=workers)
    found = [(p, face) for p, face in zip(photos, read, strict=True) if face is not None]
    _check_enough(folder, len(found), min_faces)
    left_out = len(photos) - len(found)
    _log.info("read faces folder=%s faces=%d left_out=%d", folder, len(found), left_out)
    return found


def read_photos(
    photos: Sequence[LabelledPhoto],
    read_chunk: ReadChunk[Found],
    size: int,
    *,
    report: Report,
    workers: int = 1,
    chunk: int = CHUNK,
) -> list[Found | None]:
    """Reads photographs.

    Args:
        photos: To be read.
        read_chunk: A module's function: finds something in each photograph of a chunk, or None, for
            crops of a size in pixels.
        size: Of the crops.
        report: Told after each chunk.
        workers: Processes; the result is the same for any number. With one there is none but this.
        chunk: Photographs that are read in one go; the result depends on it, by a landmark's last
            digits.

    Raises:
        FaceError: A file is no picture.
    """
    chunks = [photos[first : first + chunk] for first in range(0, len(photos), chunk)]
    workers = min(workers, len(chunks))
    if workers <= 1:
        read: list[Found | None] = []
        for part in chunks:
            read += read_chunk(part, size)
            report("faces", len(read), len(photos), {})
        return read
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        futures = [pool.submit(read_chunk, part, size) for part in chunks]
        try:
            _follow(futures, len(photos), report)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [face for future in futures for face in future.result()]


def _follow(futures: Sequence[Future[list[Found | None]]], total: int, report: Report) -> None:
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
