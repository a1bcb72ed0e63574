"""What the discriminators are shown: whole faces from afar, and windows that know their place."""

import torch

from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment
from tasks.prior_discriminators import Discriminators, RealFaces, new_reader, windows

ALIGNMENT = TemplateAlignment(landmark_indices=(1, 2), template=((8.0, 8.0), (24.0, 8.0)), size=32)


def test_a_fine_mark_in_its_place_is_seen_by_the_fine_discriminator_alone() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    prior = CompactPrior(tiny_config(), ALIGNMENT)
    players = Discriminators(prior, new_reader(prior))
    trunks, heads = players.parameter_groups()
    optimiser = torch.optim.Adam([*trunks, *heads], lr=1e-2)
    ages = torch.full((8,), 50.0)
    stripes = torch.ones(32, 32)
    stripes[:, ::2] = -1  # gone at half the size
    stripes[16:] = 0
    for _ in range(40):
        plain = 0.1 * torch.randn(8, 3, 32, 32, generator=generator)
        real = RealFaces(plain + 0.8 * stripes, ages, ages + 20)
        loss, told = players.loss(
            real, plain + 0.8 * stripes.flip(0), ages, seen_size=16, generator=generator
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert told["fine real"] > told["fine fake"] + 0.5
    assert abs(told["whole real"] - told["whole fake"]) < 0.2


def test_windows_come_from_where_they_say() -> None:
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    crops = torch.stack([rows, columns, rows]).expand(5, 3, 32, 32)
    cut, middles = windows(crops, torch.Generator().manual_seed(0))
    assert cut.shape == (10, 3, 16, 16)
    assert torch.allclose(cut[:, 1].mean((1, 2)) + 0.5, middles[:, 0] * 32)
    assert torch.allclose(cut[:, 0].mean((1, 2)) + 0.5, middles[:, 1] * 32)
    assert middles[:5, 1].max() <= middles[5:, 1].min()  # the upper ones first
    assert len(middles.unique(dim=0)) > 5
