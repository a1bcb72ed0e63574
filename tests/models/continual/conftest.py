"""A tiny prior of random weights, some crops, and a perceptual distance."""

import pytest
import torch

from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.critics import critics_of
from models.ageing.personal_pass import PhotoBatch
from models.ageing.prior import TemplateAlignment

ALIGNMENT = TemplateAlignment(
    landmark_indices=(33, 263, 1), template=((8.0, 12.0), (24.0, 12.0), (16.0, 20.0)), size=32
)


@pytest.fixture
def prior():
    torch.manual_seed(0)
    return CompactPrior(tiny_config(), ALIGNMENT).eval().requires_grad_(False)


@pytest.fixture
def critics(prior):
    return critics_of(prior)


@pytest.fixture
def photos(prior):
    crops = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return PhotoBatch(
        crops=crops, ages=torch.tensor([30.0, 40.0, 50.0, 60.0]), codes=prior.encode(crops)
    )
