import dataclasses

import pytest
import torch

from models.stylegan2.config import DiscriminatorConfig
from models.stylegan2.discriminator import Discriminator, append_stddev

TINY = DiscriminatorConfig(channels=(8, 8, 4))


def _pictures(batch=4):
    return torch.randn(batch, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def _tiny(config=TINY):
    torch.manual_seed(1)
    return Discriminator(config)


def test_discriminator_has_the_names_of_the_published_one():
    with torch.device("meta"):
        state = Discriminator(DiscriminatorConfig.ffhq(1024)).state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert shapes["convs.0.0.weight"] == (32, 3, 1, 1)
    assert shapes["convs.0.1.bias"] == (32,)
    assert shapes["convs.1.conv1.0.weight"] == (32, 32, 3, 3)
    assert shapes["convs.1.conv2.0.kernel"] == (4, 4)
    assert shapes["convs.1.conv2.1.weight"] == (64, 32, 3, 3)
    assert shapes["convs.8.skip.1.weight"] == (512, 512, 1, 1)
    assert shapes["final_conv.0.weight"] == (512, 513, 3, 3)
    assert shapes["final_linear.0.weight"] == (512, 8192)
    assert shapes["final_linear.1.weight"] == (1, 512)
    assert len(shapes) == 2 + 8 * 7 + 2 + 4


def test_discriminator_fast_equals_reference():
    fast = _tiny()
    reference = Discriminator(dataclasses.replace(TINY, implementation="reference"))
    reference.load_state_dict(fast.state_dict())
    torch.testing.assert_close(fast(_pictures()), reference(_pictures()), rtol=1e-4, atol=1e-5)


def test_discriminator_can_be_penalised_by_r1():
    network, pictures = _tiny(), _pictures().requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(pictures).sum(), pictures, create_graph=True)
    penalty = gradient.square().sum([1, 2, 3]).mean()
    penalty.backward()
    assert penalty > 0
    assert network.convs[0][0].weight.grad.abs().sum() > 0


def test_discriminator_r1_agrees_with_finite_differences():
    network = _tiny().double()
    pictures = _pictures(2).double().requires_grad_(True)
    assert torch.autograd.gradcheck(network, (pictures,), fast_mode=True)


def test_discriminator_score_is_linear_in_its_features():
    network = _tiny()
    features = network.features(_pictures())
    assert features.shape == (4, network.num_features)
    torch.testing.assert_close(network.final_linear[1](features), network(_pictures()))


def test_discriminator_projection_adds_the_match_of_condition_and_features():
    network = _tiny(dataclasses.replace(TINY, condition_size=2))
    condition = torch.randn(4, 2, generator=torch.Generator().manual_seed(2))
    plain = network(_pictures(), torch.zeros(4, 2))
    change = network(_pictures(), condition) - plain
    expected = (network.projection(condition) * network.features(_pictures())).sum(1) / 8**0.5
    torch.testing.assert_close(change[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_discriminator_refuses_a_condition_it_has_no_head_for_and_a_missing_one():
    with pytest.raises(ValueError, match="got one, expected one of size 0; 0 means none"):
        _tiny()(_pictures(), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="got none, expected one of size 2"):
        _tiny(dataclasses.replace(TINY, condition_size=2))(_pictures())


def test_append_stddev_is_nought_for_equal_samples_and_grows_with_variety():
    same = torch.ones(4, 2, 3, 3)
    # The square root's guard is 1e-8, its root 1e-4.
    assert append_stddev(same, group=4)[:, 2].max() == pytest.approx(1e-4)
    varied = same * torch.tensor([0.0, 1.0, 2.0, 3.0])[:, None, None, None]
    assert append_stddev(varied, group=4)[:, 2].mean() == pytest.approx(1.25**0.5, rel=1e-4)


@pytest.mark.parametrize("batch", [1, 3, 6, 7])
def test_discriminator_takes_any_batch(batch):
    assert _tiny()(_pictures(batch)).shape == (batch, 1)
