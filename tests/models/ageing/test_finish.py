"""The finish: no change stays none, whatever the crop; fresh weights leave changes as they are."""

import pytest
import torch

from models.ageing.finish import Finish


@pytest.fixture
def finish() -> Finish:
    torch.manual_seed(0)
    network = Finish((4, 8, 8))
    torch.nn.init.normal_(network.to_change.weight, std=0.1)
    return network.eval().requires_grad_(False)


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_no_change_stays_exactly_none(finish: Finish, crops: torch.Tensor) -> None:
    assert not finish(crops, crops.flip(0), torch.zeros_like(crops)).any()


def test_a_smaller_change_is_finished_less(finish: Finish, crops: torch.Tensor) -> None:
    change = 0.04 * crops.flip(3)
    added = [(finish(crops, crops, s * change) - s * change).abs().mean() for s in (0.05, 0.3, 1)]
    assert 0 < added[0] < added[1] < added[2]


def test_what_is_added_depends_on_the_crop(finish: Finish, crops: torch.Tensor) -> None:
    change = 0.1 * torch.ones_like(crops)
    assert not torch.allclose(finish(crops, crops, change), finish(crops.flip(3), crops, change))


def test_a_fresh_finish_leaves_changes_as_they_are(crops: torch.Tensor) -> None:
    change = 0.1 * crops.flip(2)
    assert torch.equal(Finish((4, 8))(crops, crops, change), change)
