import torch
from torch.nn.functional import softplus

from models.eg3d.config import RenderingConfig
from models.eg3d.marching import (
    coarse_depths,
    fine_depths,
    interval_weights,
    sample_weights,
)
from tests.tri_planes import drawn

CONFIG = RenderingConfig(near=1.0, far=2.0, num_coarse=5, num_fine=7)


def test_coarse_depths_are_even_but_for_their_jitter():
    even = coarse_depths(torch.zeros(2, 5), CONFIG)
    torch.testing.assert_close(even, torch.tensor([1.0, 1.25, 1.5, 1.75, 2.0]).expand(2, 5))
    moved = coarse_depths(torch.full((2, 5), 0.4), CONFIG)
    torch.testing.assert_close(moved, even + 0.1)


def test_weights_of_constant_density_are_those_of_the_integral():
    depths = torch.linspace(1, 2, 50).expand(1, 50)
    weights = interval_weights(depths, torch.full((1, 50), 1.7))
    rate = softplus(torch.tensor(0.7))
    torch.testing.assert_close(weights.sum(), 1 - torch.exp(-rate))
    passed = torch.exp(-rate * (depths[0, :-1] - 1))
    torch.testing.assert_close(weights[0], passed * (1 - torch.exp(-rate / 49)), atol=1e-6, rtol=0)


def test_weights_see_through_nothing_and_not_through_a_wall():
    depths = torch.linspace(1, 2, 4).expand(1, 4)
    assert interval_weights(depths, torch.full((1, 4), -100.0)).abs().max() < 1e-6
    wall = interval_weights(depths, torch.full((1, 4), 1e4))
    torch.testing.assert_close(wall, torch.tensor([[1.0, 0.0, 0.0]]), atol=1e-6, rtol=0)


def test_fine_depths_follow_a_loop_written_out():
    depths = torch.sort(1 + torch.rand(3, 9, generator=torch.Generator()), dim=1).values
    weights = torch.rand(3, 8, generator=torch.Generator())
    shares = torch.rand(3, 20, generator=torch.Generator())
    shares[:, 0], shares[:, 1] = 0.0, 1.0
    found = fine_depths(depths, weights, shares)
    for ray in range(3):
        w = weights[ray].tolist()
        wide = [max(w[max(i - 1, 0)], w[min(i, 7)]) for i in range(9)]
        smooth = [(wide[i] + wide[i + 1]) / 2 + 0.01 for i in range(8)]
        share = [value + 1e-5 for value in smooth[1:-1]]
        share = [value / sum(share) for value in share]
        edges = [(depths[ray, i] + depths[ray, i + 1]).item() / 2 for i in range(8)]
        for number, u in enumerate(shares[ray].tolist()):
            below, index = 0.0, 0
            while index < 5 and below + share[index] <= u:
                below, index = below + share[index], index + 1
            expected = edges[index] + (u - below) / share[index] * (edges[index + 1] - edges[index])
            # At u = 1 the distribution has run out: its last edge.
            expected = edges[6] if u == 1 else expected
            assert abs(found[ray, number].item() - expected) < 1e-5


def test_fine_depths_crowd_where_the_weights_are():
    depths = torch.linspace(1, 2, 12).expand(1, 12)
    weights = torch.zeros(1, 11)
    weights[0, 5] = 1.0
    found = fine_depths(depths, weights, torch.linspace(0, 1, 100).expand(1, 100))
    near = (found - depths[0, 5:7].mean()).abs() < 2 / 11
    assert near.float().mean() > 0.8


def test_sample_weights_share_an_interval_between_its_ends():
    weights, values = torch.rand(2, 6), drawn(2, 7)
    middle = (values[:, 1:] + values[:, :-1]) / 2
    shared = sample_weights(weights)
    torch.testing.assert_close((shared * values).sum(1), (weights * middle).sum(1))
