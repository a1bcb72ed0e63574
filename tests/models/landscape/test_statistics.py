import pytest
import torch
from torch import nn

from models.landscape.interpolation import Line, LineError
from models.landscape.schedule import weights_only
from models.landscape.statistics import recompute_statistics


def _network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 6),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(6, 5),
        nn.BatchNorm1d(5),
    )


def _copied(network):
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _batches(count=3):
    generator = torch.Generator().manual_seed(5)
    return [(torch.randn(16, 4, generator=generator),) for _ in range(count)]


def _schooled(seed):
    network = _network(seed)
    for batch in _batches(seed):
        network(*batch)
    return _copied(network)


def _line(**settings):
    network = _network(0).eval()
    ends = {"start": _schooled(1), "end": _schooled(2)}
    return Line(network, **ends, **settings), ends


def test_recomputed_statistics_are_the_mean_over_batches():
    network, batches = _network(0), _batches()
    recompute_statistics(network, batches)
    with torch.no_grad():
        hidden = [network[0](x) for (x,) in batches]
    torch.testing.assert_close(
        network[1].running_mean, torch.stack([h.mean(0) for h in hidden]).mean(0)
    )
    torch.testing.assert_close(
        network[1].running_var, torch.stack([h.var(0) for h in hidden]).mean(0)
    )
    assert network[1].num_batches_tracked == 3


def test_recomputing_leaves_modes_momenta_and_weights_alone():
    network = _network(0)
    network[1].momentum = 0.3
    network[5].eval()
    modes = [module.training for module in network.modules()]
    weight = network[0].weight.clone()
    recompute_statistics(network, _batches())
    assert [module.training for module in network.modules()] == modes
    assert (network[1].momentum, network[5].momentum) == (0.3, 0.1)
    assert torch.equal(network[0].weight, weight)


def test_recomputing_draws_nothing_at_random():
    network = _network(0)
    recompute_statistics(network, _batches())
    first, state = _copied(network), torch.get_rng_state()
    recompute_statistics(network, _batches())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, first[name]) for name, tensor in network.state_dict().items())


def test_line_takes_statistics_from_its_ends_and_measures_them_between():
    line, ends = _line(batches=_batches())
    for strength, state in ((0.0, ends["start"]), (1.0, ends["end"])):
        own = line.at(strength).state_dict()
        assert all(torch.equal(own[name], state[name]) for name in own)
    between = line.at(0.5)
    with torch.no_grad():
        hidden = torch.stack([between[0](x).mean(0) for (x,) in _batches()]).mean(0)
    torch.testing.assert_close(between[1].running_mean, hidden)
    mixed = 0.5 * (ends["start"]["1.running_var"] + ends["end"]["1.running_var"])
    assert not torch.allclose(between[1].running_var, mixed)


def test_line_measures_statistics_at_an_end_where_only_the_weights_are():
    line, ends = _line(batches=_batches(), schedule=weights_only(biases="end"))
    own = line.at(0.0).state_dict()
    assert not torch.equal(own["1.running_mean"], ends["start"]["1.running_mean"])
    assert own["1.num_batches_tracked"] == 3


def test_line_returns_to_the_same_measured_statistics():
    line, _ = _line(batches=_batches())
    before = _copied(line.at(0.5))
    with line.held_at(0.9):
        pass
    assert all(torch.equal(t, before[name]) for name, t in line.network.state_dict().items())


def test_line_of_a_network_with_statistics_asks_for_batches():
    with pytest.raises(LineError, match="Sequential: batches: got none, expected at least one"):
        _line()
