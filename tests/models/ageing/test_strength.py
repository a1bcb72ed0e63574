import pytest
import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment
from models.ageing.strength import changes_along, latents_at
from models.landscape.interpolation import Line
from models.landscape.schedule import last_layers

AGES = (torch.tensor([40.0]), torch.tensor([70.0]))


@pytest.fixture(scope="module")
def prior():
    torch.manual_seed(4)
    template = ((8.0, 12.0), (24.0, 12.0), (16.0, 26.0))
    alignment = TemplateAlignment(landmark_indices=(33, 263, 13), template=template, size=32)
    found = CompactPrior(tiny_config(), alignment)
    torch.nn.init.normal_(found.personal.to_offset.weight, std=0.3)
    return found.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def adapter(prior):
    torch.manual_seed(5)
    sizes = {"num_layers": prior.config.num_layers, "latent_size": prior.config.latent_size}
    return Adapter(AdapterConfig(**sizes, is_zero_at_start=False)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def crop(prior):
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def drawn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_latents_are_exactly_the_ends_at_the_ends():
    general, personal = drawn(3, 4, 5, seed=1), drawn(3, 4, 5, seed=2)
    mixed = latents_at(general, personal, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.equal(mixed[0], general[0])
    assert torch.equal(mixed[2], personal[2])
    torch.testing.assert_close(mixed[1], 0.75 * general[1] + 0.25 * personal[1])


@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_scaled_offset_is_the_line_on_which_the_last_layers_move_alone(adapter, place):
    w_plus = drawn(1, adapter.config.num_layers, adapter.config.latent_size, seed=3)
    end = {name: tensor.clone() for name, tensor in adapter.state_dict().items()}
    start = {n: torch.zeros_like(t) if n in adapter.last_layers else t for n, t in end.items()}
    expected = latents_at(w_plus, adapter(w_plus, AGES[1]), torch.tensor([place]))
    moving = Adapter(adapter.config).eval().requires_grad_(False)
    line = Line(moving, start=start, end=end, schedule=last_layers(adapter.last_layers))
    found = line.at(place)(w_plus, AGES[1])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_21_strengths_of_a_frame_are_encoded_adapted_and_decoded_once(
    prior, adapter, crop, monkeypatch
):
    calls = []
    for name in ("encoder", "synthesis"):
        network = getattr(prior, name)
        monkeypatch.setattr(
            network, "forward", lambda x, f=network.forward, n=name: calls.append(n) or f(x)
        )
    monkeypatch.setattr(
        adapter, "forward", lambda *x, f=adapter.forward: calls.append("adapter") or f(*x)
    )
    changes = changes_along(prior, adapter, crop, *AGES, places=[n / 20 for n in range(21)])
    assert changes.shape == (21, 3, 32, 32)
    assert calls == ["encoder", "adapter", "synthesis"]


def test_many_strengths_at_once_are_those_that_come_one_by_one(prior, adapter, crop):
    places = [0.0, 0.2, 0.7, 1.0]
    whole = changes_along(prior, adapter, crop, *AGES, places=places)
    parts = changes_along(prior, adapter, crop, *AGES, places=places, at_once=2)
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-4)


def test_ends_are_the_prior_and_the_adapter_to_the_bit(prior, adapter, crop):
    ends = changes_along(prior, adapter, crop, *AGES, places=[0.0, 1.0], at_once=2)
    w_plus = prior.encode(crop)
    rest = w_plus + prior.source_offset(crop, w_plus, AGES[0])
    aged = w_plus + prior.ageing_offset(crop, w_plus, *AGES)
    both = torch.cat([rest, aged])
    for change, latents in zip(ends, (both, adapter(both, torch.cat(AGES))), strict=True):
        decoded = prior.decode(latents)
        assert torch.equal(change, prior.difference(decoded[:1], decoded[1:], crop)[0])
