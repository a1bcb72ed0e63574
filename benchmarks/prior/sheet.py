"""Contact sheets of re-aged photographs, which are for research and are never committed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from benchmarks.held_out import GROUPS, crc, find_faces
from benchmarks.prior.changes import PriorChanges
from benchmarks.prior.measures import TARGETS
from models.ageing.prior import Prior
from reage.age_strip import StripRow, compose_strip
from reage.faces import FaceFinder
from reage.labelled_faces import LabelledPhoto

CELL_PX = 200  # as large as the photographs
OLD = 40  # years; people from here on are the older half


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
        StripRow(
            label=f"{face.photo.age}, read {age:.0f}",
            source=face.picture,
            faces=np.stack([column[number] for column in columns]),
        )
        for number, (face, age) in enumerate(zip(faces, changes.source_ages, strict=True))
    ]
    sheet = compose_strip(rows, headings=[str(target) for target in TARGETS], cell_px=CELL_PX)
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(sheet).save(path)
