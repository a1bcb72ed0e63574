import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial import ConvexHull

from reage.rehearsal.buffer_pictures import draw_buffer, draw_forgetting, draw_hull, outline
from tests.reage.rehearsal.conftest import buffer_of, faces_of
from tests.reage.rehearsal.test_gate import EARLIER


@given(st.integers(3, 30), st.integers(0, 2**32 - 1))
def test_outline_has_the_corners_that_qhull_finds(count, seed):
    places = np.random.default_rng(seed).normal(size=(count, 2))
    corners = {tuple(place) for place in places[ConvexHull(places).vertices]}
    assert {tuple(place) for place in outline(places)} == corners


@pytest.mark.parametrize("places", [[], [(1, 2)], [(0, 0), (1, 1), (2, 2), (0, 0)]])
def test_outline_of_points_on_a_line_is_no_shape(places):
    assert len(outline(np.array(places, np.float64).reshape(-1, 2))) < 3


def test_pictures_of_any_buffer_are_drawn(buffer, tmp_path):
    alone = buffer_of(faces_of(1), faces_of(0))
    for number, found in enumerate((buffer, alone)):
        sheet, hull = tmp_path / f"s{number}.png", tmp_path / f"h{number}.png"
        draw_buffer(found, title="ada v002", subtitle="", path=sheet)
        draw_hull(found, title="ada v002", path=hull)
        for path in (sheet, hull):
            with Image.open(path) as picture:
                assert np.asarray(picture).std() > 3


def test_sheet_shows_every_face_kept_and_held_out(buffer, tmp_path):
    counts = []
    for shown in (buffer, buffer_of(buffer.kept, faces_of(0))):
        draw_buffer(shown, title="", subtitle="", path=tmp_path / "s.png")
        sheet = np.asarray(Image.open(tmp_path / "s.png").convert("RGB"))
        cells = sheet[132:260, 28 : 28 + 10 * 136], sheet[344:472, 28 : 28 + 10 * 136]
        counts.append([int((cell.std(axis=(0, 2)) > 20).sum() // 128) for cell in cells])
    assert counts == [[3, 2], [3, 0]]


def test_forgetting_is_drawn_for_increments_with_figures_only(tmp_path):
    draw_forgetting([EARLIER], title="", path=tmp_path / "f.png")
    draw_forgetting([], title="", path=tmp_path / "none.png")
    assert (tmp_path / "f.png").stat().st_size > (tmp_path / "none.png").stat().st_size
