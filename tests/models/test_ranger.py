import copy
import math

import pytest
import torch

from models.ranger import Ranger


def _gradients(parameters, step):
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def _parameters():
    generator = torch.Generator().manual_seed(99)
    shapes = ((4, 3), (5,), (2, 3, 3, 3))
    return [torch.nn.Parameter(torch.randn(s, generator=generator)) for s in shapes]


def _run(optimiser, parameters, steps):
    for step in steps:
        _gradients(parameters, step)
        optimiser.step()
    return [p.detach().clone() for p in parameters]


def test_ranger_follows_its_definition_number_by_number():
    lr, beta1, beta2, eps = 0.01, 0.95, 0.999, 1e-5
    [weight] = [torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))]
    optimiser = Ranger([weight], lr=lr)
    w = slow = weight.detach().clone()
    m = v = torch.zeros(2, dtype=torch.float64)
    longest = 2 / (1 - beta2) - 1
    for t in range(1, 20):
        weight.grad = torch.tensor([math.sin(t), math.cos(3 * t)], dtype=torch.float64)
        m = beta1 * m + (1 - beta1) * weight.grad
        v = beta2 * v + (1 - beta2) * weight.grad**2
        n = longest - 2 * t * beta2**t / (1 - beta2**t)
        if n > 5:
            r = (n - 4) * (n - 2) * longest / ((longest - 4) * (longest - 2) * n)
            w = w - lr * math.sqrt((1 - beta2**t) * r) / (1 - beta1**t) * m / (v.sqrt() + eps)
        else:
            w = w - lr / (1 - beta1**t) * m
        if t % 6 == 0:
            slow = slow + 0.5 * (w - slow)
            w = slow
        optimiser.step()
        torch.testing.assert_close(weight.detach(), w, rtol=1e-12, atol=1e-12)


def test_ranger_ignores_what_all_inputs_of_an_output_have_in_common():
    matrix = torch.nn.Parameter(torch.zeros(2, 3))
    vector = torch.nn.Parameter(torch.zeros(3))
    optimiser = Ranger([matrix, vector], lr=0.1)
    matrix.grad = torch.tensor([[5.0, 5.0, 5.0], [-1.0, -1.0, -1.0]])
    vector.grad = torch.full((3,), 5.0)
    optimiser.step()
    assert torch.equal(matrix, torch.zeros(2, 3))
    assert (vector < 0).all()


def test_ranger_resumes_exactly_from_its_state():
    whole = _parameters()
    expected = _run(Ranger(whole, lr=0.01), whole, range(17))
    parted = _parameters()
    first = Ranger(parted, lr=0.01)
    _run(first, parted, range(9))
    state = copy.deepcopy(first.state_dict())
    second = Ranger(parted, lr=0.5)
    second.load_state_dict(state)
    found = _run(second, parted, range(9, 17))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_ranger_counts_the_steps_of_each_parameter_apart():
    late, alone = _parameters()[:1], _parameters()[:1]
    companion = torch.nn.Parameter(torch.zeros(2))
    optimiser = Ranger([companion, *late], lr=0.01)
    for _ in range(4):
        companion.grad = torch.ones(2)
        optimiser.step()
    expected = _run(Ranger(alone, lr=0.01), alone, range(8))
    assert torch.equal(_run(optimiser, late, range(8))[0], expected[0])


def test_ranger_reaches_the_bottom_of_a_bowl():
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimiser = Ranger([weight], lr=0.05)
    for _ in range(1200):
        weight.grad = 2 * weight.detach()
        optimiser.step()
    assert weight.abs().max() < 0.05


def test_ranger_refuses_settings_that_make_no_step():
    with pytest.raises(ValueError, match=r"Ranger\.betas: got \(0\.9, 1\.0\), expected"):
        Ranger([torch.nn.Parameter(torch.zeros(1))], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="lookahead: got 0 steps"):
        Ranger([torch.nn.Parameter(torch.zeros(1))], lookahead_steps=0)
    with pytest.raises(ValueError, match=r"lr, eps: got 0\.0, 1e-05, expected above 0"):
        Ranger([torch.nn.Parameter(torch.zeros(1))], lr=0.0)
