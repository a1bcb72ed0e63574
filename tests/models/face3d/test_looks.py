"""A way between looks stays in the dilated hull of the anchors from end to end."""

import pytest
import torch

from models.continual.personal_hull import PersonalHull
from models.face3d.looks import look_path


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


ANCHORS = drawn(5, 3, 4)
SHARES = torch.linspace(0, 1, 5)


def test_way_between_two_photographs_is_the_straight_line_of_their_anchors():
    way = look_path(ANCHORS, first=1, last=3, edits={}, directions={}).at(SHARES)
    expected = torch.lerp(ANCHORS[1], ANCHORS[3], SHARES[:, None, None])
    torch.testing.assert_close(way, expected)


def test_way_begins_in_the_middle_where_no_photograph_is_named():
    path = look_path(ANCHORS, edits={}, directions={})
    torch.testing.assert_close(path.at(SHARES), ANCHORS.mean(dim=0).expand(5, -1, -1))


@pytest.mark.parametrize("amount", [0.5, 3.0, 50.0])
def test_edit_goes_along_the_direction_and_never_leaves_the_hull(amount):
    direction = ANCHORS[0] - ANCHORS[4]  # what the anchors can express
    path = look_path(ANCHORS, edits={"smile": amount}, directions={"smile": direction})
    hull = PersonalHull(ANCHORS)
    for weights in torch.lerp(path.first, path.last, SHARES[:, None]):
        assert weights.sum() == pytest.approx(1, abs=1e-4)
        assert weights.min() > -hull.dilation - 1e-4
    assert 0 < path.reached["smile"] <= amount + 1e-4
    if amount == 50:
        assert path.reached["smile"] < 5  # no further than the hull


def test_small_edit_is_reached_in_full_and_a_direction_that_anchors_lack_not_at_all():
    hull = torch.cat([ANCHORS, torch.zeros(5, 3, 1)], dim=2)
    direction = hull[0] - hull[4]
    lacking = torch.zeros(3, 5)
    lacking[:, 4] = 1
    path = look_path(
        hull, edits={"smile": 0.1, "other": 0.1}, directions={"smile": direction, "other": lacking}
    )
    assert path.reached["smile"] == pytest.approx(0.1, abs=1e-4)
    assert path.reached["other"] == pytest.approx(0, abs=1e-6)
