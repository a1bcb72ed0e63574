"""Which triangle a pixel shows: the nearest, with shares of its corners, up to the edge."""

import numpy as np

from reage.head.rasterising import rasterise

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
HALVES = np.array([[0, 1, 2], [1, 3, 2]])


def test_a_square_of_two_triangles_covers_the_picture() -> None:
    raster = rasterise(SQUARE, np.ones(4), HALVES, size=9)
    assert (raster.triangle >= 0).all()
    assert raster.triangle[0, 0] == 0 and raster.triangle[-1, -1] == 1


def test_shares_give_back_the_places_of_pixel_centres() -> None:
    raster = rasterise(SQUARE, np.ones(4), HALVES, size=16)
    found = (raster.shares[..., None] * SQUARE[HALVES[raster.triangle]]).sum(axis=2)
    ticks = (np.arange(16) + 0.5) / 16
    assert np.allclose(found, np.stack(np.meshgrid(ticks, ticks), axis=-1))
    assert np.allclose(raster.shares.sum(axis=2), 1)


def test_the_nearest_triangle_is_shown_whatever_the_order() -> None:
    places = np.concatenate([SQUARE[:3], SQUARE[:3]])
    depths = np.array([2.0, 2.0, 2.0, 1.0, 1.0, 1.0])
    for order in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        raster = rasterise(places, depths, np.array(order), size=8)
        nearest = order.index([3, 4, 5])
        assert set(np.unique(raster.triangle)) == {-1, nearest}


def test_triangles_of_every_size_are_drawn_and_cut_at_the_edge() -> None:
    rng = np.random.default_rng(0)
    for extent in (0.02, 0.1, 0.5, 3.0):
        corners = rng.uniform(0.3, 0.7, 2) + extent * np.array([[0, 0], [1, 0.1], [0.1, 1]])
        raster = rasterise(corners, np.ones(3), np.array([[0, 1, 2]]), size=40)
        ticks = (np.arange(40) + 0.5) / 40
        at = np.stack(np.meshgrid(ticks, ticks), axis=-1)
        edges = np.roll(corners, -1, axis=0) - corners
        across = [np.cross(edges[i], at - corners[i]) for i in range(3)]
        assert np.array_equal(raster.triangle >= 0, (np.array(across) >= -1e-12).all(axis=0))


def test_a_triangle_without_area_is_not_drawn() -> None:
    flat = np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]])
    assert (rasterise(flat, np.ones(3), np.array([[0, 1, 2]]), size=8).triangle == -1).all()
