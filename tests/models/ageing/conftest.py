"""A tiny prior of random weights whose ageing moves something."""

import pytest
import torch

from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment

ALIGNMENT = TemplateAlignment(
    landmark_indices=(33, 263, 1), template=((8.0, 12.0), (24.0, 12.0), (16.0, 20.0)), size=32
)


@pytest.fixture
def moving_prior():
    torch.manual_seed(0)
    tiny = CompactPrior(tiny_config(), ALIGNMENT)
    tiny.path.table.normal_()
    tiny.path.basis.normal_()
    torch.nn.init.normal_(tiny.personal.to_offset.weight, std=0.3)
    torch.nn.init.normal_(tiny.finish.to_change.weight, std=0.1)
    return tiny.eval().requires_grad_(False)


@pytest.fixture
def four_crops():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
