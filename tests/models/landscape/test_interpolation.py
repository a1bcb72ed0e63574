import pytest
import torch
from torch import nn

from models.ageing.adapter import Adapter, AdapterConfig
from models.landscape.depth import bias_depths
from models.landscape.interpolation import Line, LineError
from models.landscape.schedule import (
    biases_only,
    homogeneous,
    is_bias,
    linear,
    no_bias,
    weights_only,
)

TINY = AdapterConfig(num_layers=3, latent_size=4, bottleneck_size=4, global_size=4, age_size=4)


class Counting(nn.Module):
    """A weight, a floating buffer and one of whole numbers."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("order", torch.arange(2))

    def forward(self, x):
        return self.layer(x - self.mean)[:, self.order]


def _copied(network):
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _drawn(network, seed):
    """A state with other values everywhere, among them a negative zero."""
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randn(tensor.shape, generator=generator)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in _copied(network).items()
    }
    next(t for t in state.values() if t.dim()).view(-1)[0] = -0.0
    return state


def _line(schedule=None, network=None, **settings):
    network = network or Adapter(TINY)
    start, end = _drawn(network, 1), _drawn(network, 2)
    if schedule is homogeneous:
        schedule = homogeneous(bias_depths(network, torch.randn(1, 3, 4), torch.tensor([40.0])))
    return Line(network, start=start, end=end, schedule=schedule, **settings), start, end


def _bits(tensor):
    return tensor.contiguous().view(torch.int32)


def _is_at(network, state, names=None):
    own = network.state_dict()
    return all(torch.equal(_bits(own[n]), _bits(state[n])) for n in (names or own))


@pytest.mark.parametrize("schedule", [None, linear(), homogeneous])
def test_line_is_bit_identical_to_its_ends_whichever_way_it_came(schedule):
    line, start, end = _line(schedule)
    for strength in (0.7, 0.0, 0.3, 1.0, 0.0):
        line.at(strength)
        if strength in (0.0, 1.0):
            assert _is_at(line.network, start if strength == 0 else end)


def test_line_between_is_the_weighted_mean_of_its_ends():
    line, start, end = _line()
    own = line.at(0.3).state_dict()
    for name, tensor in own.items():
        torch.testing.assert_close(tensor, 0.7 * start[name] + 0.3 * end[name])


def test_line_at_a_point_does_not_depend_on_where_it_was():
    line, _, _ = _line(homogeneous)
    first = _copied(line.at(0.4))
    line.at(1.0)
    line.at(0.1)
    assert _is_at(line.at(0.4), first)


def test_line_keeps_a_held_part_at_its_end_and_moves_the_other():
    biases = [name for name in Adapter(TINY).state_dict() if is_bias(name)]
    weights = [name for name in Adapter(TINY).state_dict() if not is_bias(name)]
    line, start, end = _line(weights_only(biases="end"))
    assert _is_at(line.at(0.0), end, biases)
    assert _is_at(line.network, start, weights)
    line, start, end = _line(biases_only(weights="start"))
    assert _is_at(line.at(1.0), end, biases)
    assert _is_at(line.network, start, weights)


def test_line_without_biases_has_none_anywhere():
    line, _, end = _line(no_bias())
    for strength in (0.0, 0.5, 1.0):
        own = line.at(strength).state_dict()
        assert all(not own[name].any() for name in own if is_bias(name))
    assert _is_at(line.network, end, [name for name in end if not is_bias(name)])


def test_line_moves_a_networks_own_tensors_and_copies_none():
    line, start, end = _line()
    addresses = {name: t.data_ptr() for name, t in line.network.named_parameters()}
    kept = [_copied(line.network), dict(start), dict(end)]
    values = [{n: t.clone() for n, t in state.items()} for state in kept[1:]]
    for strength in (0.0, 0.4, 1.0):
        line.at(strength)
    assert {name: t.data_ptr() for name, t in line.network.named_parameters()} == addresses
    assert all(line._start[n] is start[n] and line._end[n] is end[n] for n in start)
    for state, before in zip((start, end), values, strict=True):
        assert all(torch.equal(state[n], before[n]) for n in state)


def test_line_leaves_gradients_as_they_were():
    line, _, _ = _line()
    network = line.network
    network(torch.randn(1, 3, 4), torch.tensor([40.0])).sum().backward()
    network.age_mlp[0].weight.requires_grad_(False)
    before = {name: p.grad.clone() for name, p in network.named_parameters()}
    line.at(0.5)
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter.grad, before[name])
        assert parameter.grad_fn is None
        assert parameter.requires_grad == (name != "age_mlp.0.weight")


def test_line_returns_to_where_it_was_when_a_block_ends_even_by_an_error():
    line, _, _ = _line(homogeneous)
    before = _copied(line.at(0.6))
    with pytest.raises(RuntimeError, match="halted"), line.held_at(0.2) as network:
        assert network is line.network
        assert not _is_at(network, before)
        raise RuntimeError("halted")
    assert _is_at(line.network, before)


@pytest.mark.parametrize("schedule", [linear(), no_bias(), weights_only(biases="start")])
def test_line_returns_to_the_end_that_the_network_was_loaded_with(schedule):
    line, _, end = _line(schedule)
    line.network.load_state_dict(end)
    with line.held_at(0.2):
        assert not _is_at(line.network, end)
    assert _is_at(line.network, end)


def test_line_does_not_leave_a_place_that_it_could_not_return_to():
    line, _, _ = _line()
    before = _copied(line.network)
    at_neither = pytest.raises(LineError, match="Adapter: got values that are neither end's")
    with at_neither, line.held_at(0.2):
        pass
    assert _is_at(line.network, before)


def test_line_at_full_strength_answers_as_the_trained_adapter_does():
    trained = Adapter(TINY)
    for parameter in trained.parameters():
        nn.init.normal_(parameter)
    inputs = torch.randn(2, 3, 4), torch.tensor([30.0, 60.0])
    start, end = _copied(Adapter(TINY)), _copied(trained)
    schedule = homogeneous(bias_depths(trained, *inputs))
    line = Line(Adapter(TINY), start=start, end=end, schedule=schedule)
    assert torch.equal(line.at(1.0)(*inputs), trained(*inputs))
    assert torch.equal(line.at(0.0)(*inputs), inputs[0])


def test_line_moves_floating_buffers_and_keeps_whole_numbers():
    network = Counting()
    start, end = _copied(network), _copied(network)
    end["mean"] = torch.tensor([2.0, 4.0])
    line = Line(network, start=start, end=end, schedule=biases_only(weights="start"))
    assert torch.equal(line.at(0.5).mean, torch.zeros(2))  # goes with the weights
    line = Line(network, start=start, end=end)
    assert torch.equal(line.at(0.5).mean, torch.tensor([1.0, 2.0]))
    assert torch.equal(network.order, torch.arange(2))


def test_line_refuses_whole_numbers_that_differ():
    network = Counting()
    start, end = _copied(network), _copied(network)
    end["order"] = torch.tensor([1, 0])
    with pytest.raises(LineError, match=r"Counting: order: got torch.int64 values that differ"):
        Line(network, start=start, end=end)


def test_line_keeps_tied_parameters_tied():
    layer = nn.Linear(3, 3)
    network = nn.Sequential(layer, nn.ReLU(), layer)
    start, end = _copied(network), {n: t + 1 for n, t in _copied(network).items()}
    schedule = homogeneous(bias_depths(network, torch.randn(1, 3)))
    line = Line(network, start=start, end=end, schedule=schedule)
    line.at(0.5)
    assert network[0].weight is network[2].weight
    torch.testing.assert_close(layer.bias, start["0.bias"] + 0.5)


def test_line_works_in_half_precision():
    network = nn.Linear(3, 3).bfloat16()
    start, end = _copied(network), {n: t * 2 for n, t in _copied(network).items()}
    line = Line(network, start=start, end=end)
    torch.testing.assert_close(line.at(0.5).weight.detach(), start["weight"] * 1.5)
    assert torch.equal(line.at(1.0).weight, end["weight"])


def _refused(match, *, start=None, end=None, schedule=None):
    network = Adapter(TINY)
    own = _copied(network)
    with pytest.raises(LineError, match=match):
        Line(network, start=start or own, end=end or own, schedule=schedule)


def test_line_refuses_states_of_other_networks():
    other = _copied(Adapter(AdapterConfig(num_layers=2, latent_size=4)))
    _refused(
        r"Adapter: end: got bottleneck_2\S+, .* and 5 more missing and nothing unknown, expected "
        r"the 32 keys of the network; take both states from networks of one configuration",
        end=other,
    )
    extra = _copied(Adapter(TINY)) | {"more": torch.zeros(1)}
    _refused(r"Adapter: start: got nothing missing and more unknown", start=extra)


def test_line_refuses_other_shapes_and_types():
    wide = _copied(Adapter(TINY)) | {"age_mlp.0.bias": torch.zeros(9)}
    _refused(
        r"start: age_mlp.0.bias: got torch.float32 \(9,\), expected .* \(4,\); take", start=wide
    )
    double = _copied(Adapter(TINY)) | {"age_mlp.0.bias": torch.zeros(4, dtype=torch.float64)}
    _refused(r"end: age_mlp.0.bias: got torch.float64 \(4,\), expected torch.float32", end=double)


def test_line_refuses_the_networks_own_memory_as_an_end():
    network = Adapter(TINY)
    with pytest.raises(LineError, match=r"end: \S+: got the network's own memory.*; clone"):
        Line(network, start=_copied(network), end=network.state_dict())


def test_line_refuses_powers_that_lack_a_bias():
    _refused(
        r"schedule homogeneous: got no power for age_mlp.2.bias, .* expected one for every bias",
        schedule=homogeneous({"age_mlp.0.bias": 1}),
    )


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan")])
def test_line_refuses_a_strength_beyond_its_ends(strength):
    line, _, _ = _line()
    before = _copied(line.network)
    with pytest.raises(LineError, match=r"strength: got \S+, expected 0 to 1"):
        line.at(strength)
    assert _is_at(line.network, before)
