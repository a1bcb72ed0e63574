"""Labelled photographs that a benchmark judges on: choosing them, and finding the face in each.

Knows no prior and no judge.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from reage.faces import FaceFinder
from reage.labelled_faces import LabelledPhoto, TightCropReader

FIVE_POINTS = ((33, 133), (362, 263), (1, 1), (61, 61), (291, 291))  # mesh, ends averaged
GROUPS = ("white", "black", "asian", "indian", "other")
GENDERS = ("male", "female")
TEST_FOLD, VALIDATION_FOLD = 0, 1


@dataclass(frozen=True, eq=False)
class HeldOutFace:
    """One photograph to be judged on, with its landmarks in its own pixels."""

    photo: LabelledPhoto
    picture: NDArray[np.uint8]
    landmarks: NDArray[np.float64]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.picture.shape[1], self.picture.shape[0]

    @property
    def five_points(self) -> NDArray[np.float64]:
        """Eyes, nose and mouth corners, (5, 2), as the identity judge wants them."""
        return np.array([self.landmarks[list(pair)].mean(axis=0) for pair in FIVE_POINTS])


def in_fold(photos: Sequence[LabelledPhoto], fold: int, *, limit: int) -> list[LabelledPhoto]:
    """Returns the photographs of a fold, at most `limit`, evenly chosen."""
    chosen = [photo for photo in photos if photo.fold == fold]
    return chosen[:: max(1, -(-len(chosen) // limit))]


def first_in_fold(photos: Sequence[LabelledPhoto], fold: int, *, count: int) -> list[LabelledPhoto]:
    """Returns the first photographs of a fold in the order of their names' CRC-32."""
    chosen = [photo for photo in photos if photo.fold == fold]
    return sorted(chosen, key=lambda photo: crc(photo.name))[:count]


def read_held_out(photos: list[LabelledPhoto], *, fold: int, limit: int) -> list[HeldOutFace]:
    """Reads the photographs of a fold in which a face is found, at most `limit`, evenly chosen."""
    chosen = in_fold(photos, fold, limit=limit)
    with FaceFinder(num_readings=1) as finder:
        return find_faces(track(chosen, "held-out faces"), finder)  # type: ignore[arg-type]


def find_faces(photos: Sequence[LabelledPhoto], finder: FaceFinder) -> list[HeldOutFace]:
    """Reads photographs that are cropped around one face; leaves out where none is found."""
    reader, faces = TightCropReader(finder), []
    for photo in photos:
        picture = photo.read()
        landmarks = reader.landmarks(picture)
        if landmarks is not None:
            faces.append(HeldOutFace(photo, picture, landmarks))
    return faces


def crc(name: str) -> int:
    """Returns what orders names by nobody's taste: their CRC-32."""
    return zlib.crc32(name.encode())


@dataclass(frozen=True)
class RealAge:
    """Photographs that show what faces of an age are like.

    Attributes:
        window_years: Their ages lie within this of the age.
        photos: In the order of their names' CRC-32.
    """

    window_years: int
    photos: tuple[LabelledPhoto, ...]


def real_faces_of_age(
    photos: Sequence[LabelledPhoto],
    age: int,
    *,
    window_years: int = 3,
    at_least: int = 200,
    widest_years: int = 6,
    at_most: int = 400,
) -> RealAge:
    """Chooses real photographs of about an age, of all folds but the validation's.

    The window is widened a year at a time, up to `widest_years`, while it holds fewer than
    `at_least` photographs.
    """
    known = [photo for photo in photos if photo.fold != VALIDATION_FOLD]
    while True:
        near = [photo for photo in known if abs(photo.age - age) <= window_years]
        if len(near) >= at_least or window_years >= widest_years:
            break
        window_years += 1
    near.sort(key=lambda photo: crc(photo.name))
    return RealAge(window_years, tuple(near[:at_most]))
