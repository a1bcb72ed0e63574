import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize

from models.continual.hull import hull_weights, nearest_in_hull, squared_distances

TRIANGLE = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])


def _by_slsqp(point, vertices):
    """A general solver, on the same programme, from several starts."""
    count = len(vertices)
    starts = [np.full(count, 1 / count), *np.eye(count)]
    found = [
        minimize(
            lambda a: np.square(a @ vertices - point).sum(),
            start,
            jac=lambda a: 2 * vertices @ (a @ vertices - point),
            bounds=[(0, 1)] * count,
            constraints={"type": "eq", "fun": lambda a: a.sum() - 1, "jac": np.ones_like},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        ).fun
        for start in starts
    ]
    return np.sqrt(max(min(found), 0.0))


@pytest.mark.parametrize(
    ("point", "distance", "weights"),
    [
        ([1.0, 1.0], 0.0, [5 / 12, 1 / 4, 1 / 3]),  # inside
        ([2.0, -1.0], 1.0, [0.5, 0.5, 0.0]),  # beyond an edge
        ([-3.0, -4.0], 5.0, [1.0, 0.0, 0.0]),  # beyond a corner
        ([4.0, 3.0], 2.4, [0.0, 0.64, 0.36]),  # beyond the slope
        ([0.0, 3.0], 0.0, [0.0, 0.0, 1.0]),  # on a corner
    ],
)
def test_nearest_in_hull_of_a_triangle_is_what_a_ruler_says(point, distance, weights):
    nearest = nearest_in_hull(np.array([point]), TRIANGLE)
    assert nearest.distances[0] == pytest.approx(distance, abs=1e-9)
    assert nearest.weights[0] == pytest.approx(weights, abs=1e-9)


@pytest.mark.parametrize(("count", "size"), [(2, 3), (3, 2), (5, 40), (8, 4), (10, 512)])
def test_nearest_in_hull_agrees_with_a_general_solver(count, size):
    rng = np.random.default_rng([count, size])
    vertices = rng.normal(size=(count, size))
    points = rng.normal(size=(6, size)) * rng.uniform(0.1, 2, (6, 1))
    wanted = [_by_slsqp(point, vertices) for point in points]
    assert nearest_in_hull(points, vertices).distances == pytest.approx(wanted, rel=1e-6, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(float, (4, 3), elements=st.integers(-3, 3)),
    hnp.arrays(float, (6, 3), elements=st.integers(-3, 3)),
)
def test_nearest_in_hull_meets_the_condition_of_optimality(points, vertices):
    """No vertex lies farther along the way from the nearest point to the point than it does."""
    nearest = nearest_in_hull(points, vertices)
    places = nearest.weights @ vertices
    ahead = np.einsum("nd,nkd->nk", points - places, vertices[None] - places[:, None])
    assert ahead.max() < 1e-6
    assert nearest.weights.min() >= 0
    assert nearest.weights.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-9)


def test_vertices_that_coincide_or_lie_inside_change_no_distance():
    rng = np.random.default_rng(0)
    vertices, points = rng.normal(size=(6, 8)), rng.normal(size=(50, 8))
    more = np.concatenate([vertices, vertices, rng.dirichlet(np.ones(6), 10) @ vertices])
    wanted = nearest_in_hull(points, vertices).distances
    assert nearest_in_hull(points, more).distances == pytest.approx(wanted, abs=1e-9)


def test_distances_neither_move_nor_turn_and_grow_with_scale():
    rng = np.random.default_rng(1)
    vertices, points = rng.normal(size=(5, 6)), rng.normal(size=(20, 6))
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    wanted = nearest_in_hull(points, vertices).distances
    there = nearest_in_hull(1e3 * points @ turn + 1e5, 1e3 * vertices @ turn + 1e5)
    assert there.distances == pytest.approx(1e3 * wanted, rel=1e-6, abs=1e-6)


def test_many_hulls_at_once_are_solved_as_one_by_one():
    rng = np.random.default_rng(2)
    hulls, points = rng.normal(size=(7, 4, 9)), rng.normal(size=(11, 9))
    gram = hulls @ hulls.transpose(0, 2, 1)
    products = np.einsum("nd,ckd->cnk", points, hulls)
    weights = hull_weights(gram, products)
    found = squared_distances(gram, products, np.square(points).sum(axis=1), weights)
    wanted = [nearest_in_hull(points, vertices).distances for vertices in hulls]
    assert np.sqrt(found) == pytest.approx(np.array(wanted), abs=1e-7)


def test_nearest_in_hull_refuses_shapes_that_do_not_belong_together():
    with pytest.raises(ValueError, match=r"points, vertices: got shapes \(3, 2\) and \(2, 3\)"):
        nearest_in_hull(np.zeros((3, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="vertices: got 0, expected at least 1"):
        nearest_in_hull(np.zeros((3, 2)), np.zeros((0, 2)))
