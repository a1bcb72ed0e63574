from itertools import pairwise

import pytest
import torch
from torch import nn

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.compact import DownBlock
from models.landscape.depth import bias_depths
from models.landscape.interpolation import Line
from models.landscape.schedule import homogeneous, linear
from models.stylegan2.config import MappingConfig, SynthesisConfig
from models.stylegan2.mapping import MappingNetwork
from models.stylegan2.synthesis import SynthesisNetwork


class Residual(nn.Module):
    """An identity path beside two layers, between a stem and a head."""

    def __init__(self, *, blocks=2, has_stem=True):
        super().__init__()
        self.stem = nn.Linear(4, 4) if has_stem else nn.Identity()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4)) for _ in range(blocks)
        )
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = torch.relu(x + block(x))
        return self.head(x)


def _mlp(depth=4):
    sizes = [5, *[7] * (depth - 1), 3]
    layers = [x for a, b in pairwise(sizes) for x in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def test_depths_of_a_sequential_network_count_its_layers():
    expected = {"0.bias": 1, "2.bias": 2, "4.bias": 3, "6.bias": 4}
    assert bias_depths(_mlp(), torch.randn(1, 5)) == expected
    assert bias_depths(_mlp(), torch.randn(2, 6, 5)) == expected  # more axes: another operation


def test_depths_of_the_adapter_count_joined_branches_by_the_shortest():
    adapter = Adapter(AdapterConfig(num_layers=2, latent_size=4))
    depths = bias_depths(adapter, torch.randn(1, 2, 4), torch.tensor([40.0]))
    assert depths == {
        **{f"bottleneck_{i}.{layer}.bias": d for i in (0, 1) for layer, d in ((0, 1), (2, 2))},
        "global_mlp.0.bias": 3,
        "global_mlp.2.bias": 4,
        "age_mlp.0.bias": 1,
        "age_mlp.2.bias": 2,
        # beside person (4) and age (2) the head sees the latent itself (0)
        **{f"fc_{i}.{layer}.bias": d for i in (0, 1) for layer, d in ((0, 1), (2, 2))},
    }


def test_depths_of_a_residual_network_pass_identity_paths_by():
    depths = bias_depths(Residual(), torch.randn(1, 4))
    assert depths == {
        "stem.bias": 1,
        **{f"blocks.{i}.{layer}.bias": d for i in (0, 1) for layer, d in ((0, 2), (2, 3))},
        "head.bias": 2,
    }


def test_depths_of_a_residual_network_on_the_bare_input_are_at_least_1():
    depths = bias_depths(Residual(blocks=1, has_stem=False), torch.randn(1, 4))
    assert depths == {"blocks.0.0.bias": 1, "blocks.0.2.bias": 2, "head.bias": 1}


def test_depths_through_convolutional_shortcuts_count_the_shortcut():
    block = nn.Sequential(DownBlock(3, 4), DownBlock(4, 5))
    depths = bias_depths(block, torch.randn(1, 3, 8, 8))
    assert depths == {"0.bias1": 1, "0.bias2": 2, "1.bias1": 2, "1.bias2": 3}


def test_depths_start_anew_after_a_normalisation():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1),
        nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(64, 2),
    )  # fmt: skip
    assert bias_depths(network, torch.randn(1, 3, 8, 8)) == {
        "0.bias": 1, "1.bias": 1, "3.bias": 2, "4.bias": 3, "5.bias": 1, "7.bias": 2,
    }  # fmt: skip


def test_depths_see_through_parameters_that_are_scaled_at_run_time():
    mapping = MappingNetwork(MappingConfig(latent_size=4, depth=3))
    assert bias_depths(mapping, torch.randn(1, 4)) == {"1.bias": 1, "2.bias": 2, "3.bias": 3}


@pytest.mark.parametrize("implementation", ["reference", "fast"])
def test_depths_start_anew_after_demodulation(implementation):
    config = SynthesisConfig(channels=(4, 4, 4), latent_size=4, implementation=implementation)
    depths = bias_depths(SynthesisNetwork(config), torch.randn(1, config.num_layers, 4))
    assert {depth for name, depth in depths.items() if name.endswith("activate.bias")} == {1}
    # not demodulated: feature (1), style (1) and weight (1)
    assert depths["to_rgb1.bias"] == depths["to_rgbs.0.bias"] == 3


def test_depths_of_attention_follow_the_values():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    layer.train()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        depths = bias_depths(layer, torch.randn(1, 5, 8))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert depths["self_attn.in_proj_bias"] == 1
    assert depths["self_attn.out_proj.bias"] == 2
    assert (depths["linear1.bias"], depths["linear2.bias"]) == (2, 3)


def test_depths_of_a_layer_used_twice_are_those_of_the_first_time():
    layer = nn.Linear(4, 4)
    network = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(4, 2))
    assert bias_depths(network, torch.randn(1, 4)) == {"0.bias": 1, "2.bias": 1, "4.bias": 3}


def test_depths_leave_modes_and_statistics_alone():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    bias_depths(network, torch.randn(3, 4))
    assert [m.training for m in network] == [True, False, True]
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_depths_refuse_inputs_that_miss_a_bias():
    class Fork(nn.Module):
        def __init__(self):
            super().__init__()
            self.met, self.passed_by = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.met(x)

    with pytest.raises(ValueError, match=r"Fork: got inputs that do not pass passed_by.bias"):
        bias_depths(Fork(), torch.randn(1, 2))


def test_depths_refuse_operations_that_hide_layers():
    with pytest.raises(ValueError, match=r"got weights and biases in one operation"):
        bias_depths(nn.LSTM(3, 4), torch.randn(2, 1, 3))


def _zeros(network):
    return {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}


def _copied(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_homogeneous_line_from_zero_scales_a_relu_networks_logits_by_a_to_its_depth():
    torch.manual_seed(0)
    network, x = _mlp(depth=5).double(), torch.randn(8, 5, dtype=torch.float64)
    end, depths = _copied(network), bias_depths(network, x)
    assert max(depths.values()) == 5
    whole = network(x).detach()
    line = Line(network, start=_zeros(network), end=end, schedule=homogeneous(depths))
    for strength in (0.1, 0.5, 0.9):
        # to rounding of double precision
        torch.testing.assert_close(line.at(strength)(x), strength**5 * whole, rtol=1e-9, atol=0)


@pytest.mark.parametrize("make", [Residual, lambda: Residual(has_stem=False)])
def test_homogeneous_line_near_zero_keeps_a_residual_networks_answer(make):
    torch.manual_seed(1)
    network, x = make().double(), torch.randn(64, 4, dtype=torch.float64)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    end, depths = _copied(network), bias_depths(network, x)
    schedule = homogeneous(depths)
    line = Line(network, start=_zeros(network), end=end, schedule=schedule)
    degree = depths["head.bias"]
    nearer, near = (line.at(a)(x).detach() / a**degree for a in (1e-5, 1e-4))
    # what is left is of the next order, a
    torch.testing.assert_close(nearer, near, rtol=0, atol=0.05)
    assert len(near.argmax(dim=1).unique()) > 1


def test_linear_line_near_zero_lets_the_last_bias_decide_alone():
    torch.manual_seed(0)
    network, x = _mlp(depth=5).double(), 9 * torch.randn(64, 5, dtype=torch.float64)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    end, depths = _copied(network), bias_depths(network, x)
    answer = network(x).argmax(dim=1)
    assert len(answer.unique()) > 1
    ends = {"start": _zeros(network), "end": end}
    top = end["8.bias"].argmax()
    assert (Line(network, **ends, schedule=linear()).at(0.01)(x).argmax(dim=1) == top).all()
    steady = Line(network, **ends, schedule=homogeneous(depths)).at(0.01)(x).argmax(dim=1)
    assert torch.equal(steady, answer)
