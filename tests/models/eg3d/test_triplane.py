import pytest
import torch

from models.eg3d.triplane import TriPlane
from models.shapes import ShapeError
from tests.tri_planes import drawn

SIDE = 6


def _triplane(implementation, box_size=1.0):
    return TriPlane(drawn(2, 3, 4, SIDE, SIDE), box_size, implementation)


@pytest.mark.parametrize("box_size", [1.0, 2.5])
def test_fast_lookup_equals_reference_inside_at_the_edge_and_outside(box_size):
    points = box_size * 1.6 * (torch.rand(2, 200, 3, generator=torch.Generator()) - 0.5)
    points[:, 0] = box_size / 2
    points[:, 1] = -box_size / 2
    points[:, 2] = 100.0
    fast, reference = (_triplane(name, box_size).features(points) for name in ("fast", "reference"))
    torch.testing.assert_close(fast, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("implementation", ["fast", "reference"])
def test_third_plane_is_read_along_z_and_x(implementation):
    planes = torch.zeros(1, 3, 1, SIDE, SIDE)
    planes[0, 2, 0, 4, 1] = 3.0  # row 4 along x, column 1 along z
    centre = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    points = torch.stack([centre[4], torch.tensor(0.3), centre[1]]).reshape(1, 1, 3)
    found = TriPlane(planes, 1.0, implementation).features(points)
    assert found.item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("implementation", ["fast", "reference"])
def test_first_planes_are_read_along_x_y_and_x_z(implementation):
    planes = torch.zeros(1, 3, 2, SIDE, SIDE)
    planes[0, 0, 0, 5, 1] = 3.0
    planes[0, 1, 1, 2, 1] = 6.0
    centre = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    points = torch.stack([centre[1], centre[5], centre[2]]).reshape(1, 1, 3)
    found = TriPlane(planes, 1.0, implementation).features(points)
    torch.testing.assert_close(found.flatten(), torch.tensor([1.0, 2.0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("implementation", ["fast", "reference"])
def test_features_outside_are_zero(implementation):
    points = torch.tensor([[0.0, 0.0, 9.0], [-7.0, 7.0, 0.7]])[None].expand(2, -1, -1)
    found = _triplane(implementation).features(points)
    assert torch.equal(found[:, 1], torch.zeros(2, 4))
    assert found[:, 0].abs().max() > 0  # of the first plane, which z does not move


def test_planes_and_points_of_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"planes: got shape \(1, 2, 4, 6, 6\)"):
        TriPlane(torch.zeros(1, 2, 4, 6, 6), 1.0)
    with pytest.raises(ShapeError, match=r"points: got shape \(1, 5, 3\), expected \(2, P, 3\)"):
        _triplane("fast").features(torch.zeros(1, 5, 3))


@pytest.mark.parametrize("implementation", ["fast", "reference"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_points_that_are_nowhere_are_refused(implementation, number):
    points = torch.zeros(2, 5, 3)
    points[1, 2, 0] = number
    with pytest.raises(ValueError, match="points: got a number that is none or infinite"):
        _triplane(implementation).features(points)
