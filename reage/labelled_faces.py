"""Folders of age-labelled photographs: reading, splitting, aligning, keeping.

A face set is what a prior is trained on. A photograph's age is the number its name begins with
(`34_1_0_x.jpg`: age, gender, group), or stands in a `labels.csv` beside it (columns `file`, `age`
and optionally `gender`, `group`). Minors are dropped and counted, never read.
"""

import csv
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.detection import Detection
from reage.errors import FaceError, StorageError
from reage.faces import FaceFinder
from reage.geometry import Similarity, warp_to_crop

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
ADULT_AGE = 18
UNKNOWN = -1
_MARGIN = 0.3  # of the picture, added on each side before looking for its face
LABELS_NAME = "labels.csv"
_NUMBERS = re.compile(r"^(\d{1,3})(?:_(\d)(?:_(\d)(?=_))?)?[_.]")


@dataclass(frozen=True)
class LabelledPhoto:
    """One photograph with what is said of it; gender and group are UNKNOWN when unsaid."""

    name: str
    container: Path  # a picture file, or the archive that holds the member `name`
    age: int
    gender: int
    group: int

    @property
    def fold(self) -> int:
        """0-19, from the name alone: 0 is held out for the test, 1 for validation."""
        return zlib.crc32(self.name.encode()) % 20

    def read(self) -> NDArray[np.uint8]:
        """Returns the picture, RGB, uint8, (H, W, 3).

        Raises:
            FaceError: The file is no picture.
        """
        if self.container.suffix.lower() == ".zip":
            data = _archive(self.container).read(self.name)
        else:
            data = self.container.read_bytes()
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise FaceError(f"{self.container}: {self.name}: got no readable picture")
        return np.ascontiguousarray(picture[..., ::-1])


@lru_cache(maxsize=8)
def _archive(path: Path) -> zipfile.ZipFile:
    # Kept open: reading the list of thousands of members anew for each would take most of the time.
    return zipfile.ZipFile(path)


def find_photos(folder: Path) -> tuple[list[LabelledPhoto], int]:
    """Lists the labelled adults under a folder, and counts the minors that were left out.

    Args:
        folder: Holds pictures, zip archives of pictures, or both; and perhaps a labels.csv.

    Raises:
        StorageError: There is no such folder.
        FaceError: No photograph has an age.
    """
    if not folder.is_dir():
        raise StorageError(f"{folder}: got no such folder, expected one of labelled photographs")
    table = _read_table(folder / LABELS_NAME)
    photos, num_minors = [], 0
    for name, container in _pictures(folder):
        labels = table.get(name) or _labels_of_name(name)
        if labels is None:
            continue
        if labels[0] < ADULT_AGE:
            num_minors += 1
            continue
        photos.append(LabelledPhoto(name, container, *labels))
    if not photos:
        raise FaceError(
            f"{folder}: got {num_minors} labelled photographs of minors and none of adults, "
            f"expected names such as 34_1_0_x.jpg or a {LABELS_NAME}"
        )
    return sorted(photos, key=lambda photo: photo.name), num_minors


def _pictures(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURES:
            yield path.name, path
        elif path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    if Path(member).suffix.lower() in PICTURES:
                        yield member, path


def _labels_of_name(name: str) -> tuple[int, int, int] | None:
    found = _NUMBERS.match(Path(name).name)
    if found is None:
        return None
    age, gender, group = (UNKNOWN if part is None else int(part) for part in found.groups())
    return age, gender, group


def _read_table(path: Path) -> dict[str, tuple[int, int, int]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = {}
    for number, row in enumerate(rows, start=2):
        try:
            age = round(float(row["age"]))
            rest = [int(row[k]) if row.get(k) else UNKNOWN for k in ("gender", "group")]
            table[row["file"]] = (age, rest[0], rest[1])
        except (KeyError, ValueError) as error:
            raise FaceError(
                f"{path}: line {number}: got {dict(row)}, expected file, age[, gender, group]"
            ) from error
    return table


class TightCropReader:
    """Landmarks of photographs that are cropped around one face already.

    Follows from the photograph before, which is several times faster than detecting anew and, as
    all are cropped alike, finds as much; what it does not find is detected.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._last: NDArray[np.float64] | None = None
        self._shape: tuple[int, ...] = ()

    def landmarks(self, picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Returns (478, 2) pixels of the largest face, or None where there is none."""
        face = self.read(picture)
        return None if face is None else face.landmarks

    def read(self, picture: NDArray[np.uint8]) -> Detection | None:
        """Returns the largest face, or None where there is none."""
        height, width = picture.shape[:2]
        # Detectors want to see something around a face.
        margin = int(_MARGIN * max(height, width))
        widened = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        face = None
        if self._last is not None and picture.shape == self._shape:
            face = self._finder.follow(widened, self._last)
        if face is None:
            found = self._finder.detect(widened)
            if not found:
                return None
            face = found[0]
            self._last, self._shape = face.landmarks, picture.shape
        return replace(face, landmarks=face.landmarks - margin, box=face.box - float(margin))


def align_crop(
    picture: NDArray[np.uint8],
    landmarks: NDArray[np.float64],
    *,
    template: NDArray[np.float64],
    indices: NDArray[np.int64],
    size: int,
) -> tuple[NDArray[np.float32], Similarity]:
    """Brings one face to a template.

    Args:
        picture: RGB, (H, W, 3).
        landmarks: (478, 2), its pixels.
        template: (K, 2), crop pixels.
        indices: (K,) landmarks that belong to the template's points.
        size: Of the crop, pixels.

    Returns:
        The crop, float32, (size, size, 3), 0-1; and crop_from_picture.
    """
    crop_from_picture = Similarity.fit(landmarks[indices], template)
    pixels = picture.astype(np.float32) / 255
    return warp_to_crop(pixels, crop_from_picture, (size, size)), crop_from_picture
