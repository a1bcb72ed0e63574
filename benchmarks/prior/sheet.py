"""Contact sheets of re-aged photographs. What they show is for research: they are never committed.

Shapes: H W pixels of a sheet.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import GENDERS, GROUPS, HeldOutFace, crc, find_faces
from benchmarks.prior.changes import PriorChanges
from benchmarks.prior.measures import TARGETS
from models.ageing.prior import Prior
from reage.faces import FaceFinder
from reage.labelled_faces import LabelledPhoto

CELL, BAND = 160, 18  # pixels: of a picture's side and of the line of text above it
OLD = 40  # years; people from here on are the older half
Picture = NDArray[np.uint8]


def people_shown(photos: Sequence[LabelledPhoto]) -> list[LabelledPhoto]:
    """Chooses a person for each of four groups, two genders and two halves of life.

    Of those alike the one whose name has the smallest CRC-32: by nobody's taste. Cells without
    anybody are left out.
    """
    cells: dict[tuple[int, int, bool], LabelledPhoto] = {}
    for photo in sorted(photos, key=lambda p: crc(p.name)):
        if photo.gender in (0, 1) and 0 <= photo.group < len(GROUPS) - 1:
            cells.setdefault((photo.group, photo.gender, photo.age >= OLD), photo)
    return [cells[cell] for cell in sorted(cells)]


def draw_sheet(prior: Prior, photos: Sequence[LabelledPhoto], path: Path) -> None:
    """Draws a row a person: the photograph, then every target age, the change over the crop."""
    with FaceFinder(num_readings=1) as finder:
        faces = find_faces(photos, finder)
    if not faces:
        return
    changes = PriorChanges(prior, faces)
    columns = [changes.pictures(changes.at(float(t)), matte="crop") for t in TARGETS]
    rows = [
        _row(face, age, [column[number] for column in columns])
        for number, (face, age) in enumerate(zip(faces, changes.source_ages, strict=True))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1])


def _row(face: HeldOutFace, read_age: float, aged: list[Picture]) -> Picture:
    photo = face.photo
    words = [str(photo.age)]
    for names, code in ((GENDERS, photo.gender), (GROUPS, photo.group)):
        words.append(names[code] if 0 <= code < len(names) else "?")
    cells = [_cell(face.picture, f"{' '.join(words)}, read {read_age:.0f}")]
    cells += [_cell(picture, str(t)) for picture, t in zip(aged, TARGETS, strict=True)]
    return np.concatenate(cells, axis=1)


def _cell(picture: Picture, text: str) -> Picture:
    band = np.zeros((BAND, CELL, 3), np.uint8)
    cv2.putText(band, text, (2, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255,) * 3, 1, cv2.LINE_AA)
    small = cv2.resize(picture, (CELL, CELL), interpolation=cv2.INTER_AREA)
    return np.concatenate([band, small]).astype(np.uint8)
