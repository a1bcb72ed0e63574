import numpy as np
import pytest
import torch

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.critics import critics_of
from tasks.gpu import loaded_prior
from tasks.photo_set import PhotoSet
from tasks.strength import NUM_PLACES, measured_evenness, seen_along


@pytest.fixture(scope="module")
def network(tiny_prior):
    return loaded_prior(tiny_prior)


@pytest.fixture(scope="module")
def photos(network):
    rng, size = np.random.default_rng(5), network.config.crop_size
    crops = rng.integers(0, 255, (5, size, size, 3), np.uint8)
    return PhotoSet.of(network, critics_of(network), crops, np.linspace(30, 70, 5))


def adapter_of(network, *, is_zero=False):
    torch.manual_seed(2)
    config = network.config
    sizes = {"num_layers": config.num_layers, "latent_size": config.latent_size}
    made = AdapterConfig(**sizes, is_zero_at_start=is_zero)
    return Adapter(made).eval().requires_grad_(False)


def bent(a, b):
    """Distances whose root grows as the square of how far pictures are apart."""
    return (a - b).flatten(1).norm(dim=1) ** 4


def test_measured_course_evens_out_what_is_bent_for_other_faces_too(network, photos):
    even = measured_evenness(network, adapter_of(network), photos, perceptual=bent)
    assert even.plain_departure > 0.15
    assert even.departure < 0.05
    assert len(even.course) == NUM_PLACES
    assert (even.course[0], even.course[-1]) == (0.0, 1.0)


def test_course_of_an_adapter_that_adds_nothing_is_the_lines_own(network, photos):
    critics = critics_of(network)
    adapter = adapter_of(network, is_zero=True)
    even = measured_evenness(network, adapter, photos, perceptual=critics.perceptual)
    assert even.course == pytest.approx(np.linspace(0, 1, NUM_PLACES))


def test_course_is_the_same_when_it_is_measured_again(network, photos):
    adapter, critics = adapter_of(network), critics_of(network)
    first, again = (
        measured_evenness(network, adapter, photos, perceptual=critics.perceptual) for _ in "ab"
    )
    assert first == again


def test_one_photograph_is_enough(network, photos):
    alone = PhotoSet(
        *(getattr(photos, n)[[0, 5]] for n in ("crops", "ages", "codes", "embeddings"))
    )
    even = measured_evenness(network, adapter_of(network), alone, perceptual=bent)
    assert even.departure < 0.05


def test_what_is_seen_at_an_age_that_agrees_is_the_photograph_at_every_place(network, photos):
    crop, age = photos.crops[:1], photos.ages[:1]
    shown = seen_along(network, adapter_of(network), crop, age, age, places=[0, 0.4, 1])
    torch.testing.assert_close(shown, crop.expand(3, -1, -1, -1), atol=1e-5, rtol=0)
