import pytest
import torch

from models.continual.personal_edit import direction_weights, edited, looks_between
from models.continual.personal_hull import PersonalHull

# Three anchors at the corners of a triangle, one layer: weights are what can be read off.
CORNERS = torch.eye(3)[:, None, :]
MIDDLE = torch.full((1, 3), 1 / 3)


def hull(dilation=0.02):
    return PersonalHull(CORNERS, dilation=dilation)


def test_looks_between_lie_on_a_line_and_sum_to_one():
    first, second = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0.5, 0.5])
    line = looks_between(first, second, 5)
    assert torch.equal(line[0], first)
    assert torch.equal(line[-1], second)
    assert torch.allclose(line[2], torch.tensor([0.5, 0.25, 0.25]))
    assert torch.allclose(line.sum(dim=1), torch.ones(5))


def test_direction_from_one_anchor_to_another_is_their_weights_exchanged():
    towards = CORNERS[1] - CORNERS[0]
    assert torch.allclose(direction_weights(hull(), towards), torch.tensor([-1.0, 1, 0]), atol=1e-6)


def test_direction_is_the_published_solution_where_that_keeps_the_sum():
    anchors = torch.randn(4, 2, 6, generator=torch.Generator().manual_seed(0))
    wanted = torch.tensor([0.5, -1.0, 0.25, 0.25])
    direction = torch.einsum("n,nld->ld", wanted, anchors)
    a = anchors.flatten(1)
    published = torch.linalg.solve(a @ a.T, a @ direction.flatten())
    found = direction_weights(PersonalHull(anchors), direction)
    assert torch.allclose(found, wanted, atol=1e-4)
    assert torch.allclose(found, published, atol=1e-4)


def test_direction_that_anchors_know_nothing_of_changes_nothing():
    flat = PersonalHull(torch.cat([CORNERS, torch.zeros(3, 1, 1)], dim=2))
    nothing = direction_weights(flat, torch.tensor([0.0, 0, 0, 1]))
    assert torch.allclose(nothing, torch.zeros(3), atol=1e-6)


def test_direction_sums_to_nothing_even_where_anchors_depend_on_one_another():
    anchors = torch.randn(6, 1, 3, generator=torch.Generator().manual_seed(0))
    found = direction_weights(PersonalHull(anchors), torch.tensor([1.0, 0, 0]))
    assert float(found.sum()) == pytest.approx(0, abs=1e-5)
    moved = torch.einsum("n,nld->ld", found, anchors)[0]
    assert torch.allclose(moved, torch.tensor([1.0, 0, 0]), atol=1e-5)


CHANGE = torch.tensor([1.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("outside", "expected"),
    [
        # From a third each, 1 along (1, -1, 0): the second weight meets -0.02 after 1/3 + 0.02.
        ("stop", (2 / 3 + 0.02, -0.02, 1 / 3)),
        ("continue", (4 / 3, -2 / 3, 1 / 3)),
        # (4/3, -2/3, 1/3) with -0.02 in the middle, the two others lowered alike to sum to 1.02.
        ("project", (1.01, -0.02, 0.01)),
    ],
)
def test_edit_at_the_edge_of_the_dilated_hull(outside, expected):
    found = edited(hull(), MIDDLE, CHANGE, 1.0, outside=outside)
    assert torch.allclose(found[0], torch.tensor(expected), atol=1e-5)
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)


def test_edit_inside_is_the_same_by_every_policy():
    for outside in ("stop", "continue", "project"):
        found = edited(hull(), MIDDLE, CHANGE, -0.2, outside=outside)
        assert torch.equal(found, MIDDLE - 0.2 * CHANGE)


def test_edit_of_several_looks_treats_each_by_itself():
    looks = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [0.0, 1.0, 0.0]])
    for outside in ("stop", "project"):
        both = edited(hull(), looks, CHANGE, 0.5, outside=outside)
        alone = [edited(hull(), look[None], CHANGE, 0.5, outside=outside) for look in looks]
        assert torch.allclose(both, torch.cat(alone), atol=1e-6)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="outside: got 'bounce'"):
        edited(hull(), MIDDLE, CHANGE, 1.0, outside="bounce")


def test_nearest_weights_of_a_dilated_hull_are_no_less_than_its_dilation():
    far = torch.tensor([[[3.0, -2.0, 0.0]]])
    inside = hull().weights_near(far)
    assert torch.allclose(inside, torch.tensor([[1.0, 0, 0]]), atol=1e-6)
    dilated = hull().weights_near(far, dilation=0.1)
    assert torch.allclose(dilated, torch.tensor([[1.2, -0.1, -0.1]]), atol=1e-6)
