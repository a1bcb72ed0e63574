import numpy as np
import pytest

from reage.age_strip import CELL_PX, StripRow, compose_age_strip


def faces(tone, count):
    return np.full((count, 32, 32, 3), tone, np.uint8)


def test_every_face_lies_under_its_age_in_its_row():
    rows = [
        StripRow(label=f"row {tone}", source=faces(tone + 5, 1)[0], faces=faces(tone, 3))
        for tone in (60, 200)
    ]
    sheet = compose_age_strip(rows, ages=[20, 50, 80])
    for tone in (60, 200):
        assert (sheet == tone).all(axis=2).sum() >= 3 * CELL_PX**2
        assert (sheet == tone + 5).all(axis=2).sum() >= CELL_PX**2
    assert sheet.dtype == np.uint8


def test_row_with_another_number_of_faces_is_refused():
    row = StripRow(label="short", source=faces(1, 1)[0], faces=faces(1, 2))
    with pytest.raises(ValueError, match="short: got 2 faces, expected one for each of 3 ages"):
        compose_age_strip([row], ages=[20, 50, 80])
