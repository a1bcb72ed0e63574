import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial import ConvexHull

from reage.rehearsal.buffer_pictures import increment_colour
from reage.rehearsal.hull_picture import draw_hull, outline
from tests.reage.rehearsal.conftest import buffer_of, faces_of


@given(st.integers(3, 30), st.integers(0, 2**32 - 1))
def test_outline_has_the_corners_that_qhull_finds(count, seed):
    places = np.random.default_rng(seed).normal(size=(count, 2))
    corners = {tuple(place) for place in places[ConvexHull(places).vertices]}
    assert {tuple(place) for place in outline(places)} == corners


@pytest.mark.parametrize("places", [[], [(1, 2)], [(0, 0), (1, 1), (2, 2), (0, 0)]])
def test_outline_of_points_on_a_line_is_no_shape(places):
    assert len(outline(np.array(places, np.float64).reshape(-1, 2))) < 3


def test_faces_of_a_large_buffer_are_thinned_and_do_not_cover_one_another(tmp_path):
    def framed(count):
        """Pixels of frames around faces: all are of increment 1."""
        draw_hull(buffer_of(faces_of(count), faces_of(0)), title="", path=tmp_path / "h.png")
        pixels = np.asarray(Image.open(tmp_path / "h.png").convert("RGB")).astype(int)
        return int((np.abs(pixels - increment_colour(1)).max(axis=2) < 6).sum())

    few, many, more = framed(4), framed(24), framed(60)
    assert many > 2.5 * few
    assert more == pytest.approx(many, rel=0.25)
