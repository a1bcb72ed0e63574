import dataclasses
import json
from pathlib import Path

import pytest
import torch

from models.shapes import ShapeError
from models.stylegan2.config import GeneratorConfig, MappingConfig, SynthesisConfig
from models.stylegan2.mapping import MappingNetwork, truncate
from models.stylegan2.synthesis import Generator, SynthesisNetwork

GOLDEN = Path(__file__).parents[2] / "assets" / "golden"
TINY = SynthesisConfig(channels=(8, 8, 4), latent_size=8)


def _tiny(config=TINY):
    torch.manual_seed(0)
    network = SynthesisNetwork(config)
    for module in network.modules():
        if type(module).__name__ == "_NoiseInjection":
            torch.nn.init.constant_(module.weight, 0.3)
    return network


def _latents(batch=3, config=TINY):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, config.num_layers, config.latent_size, generator=generator)


def test_generator_at_published_size_has_the_published_keys_and_shapes():
    published = json.loads((GOLDEN / "stylegan2_1024_keys.json").read_text())["keys"]
    with torch.device("meta"):
        state = Generator(GeneratorConfig.ffhq(1024)).state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == published


def test_generator_256_has_a_subset_of_the_published_keys():
    published = json.loads((GOLDEN / "stylegan2_1024_keys.json").read_text())["keys"]
    with torch.device("meta"):
        generator = Generator(GeneratorConfig.ffhq(256))
    assert generator.config.num_layers == 14
    for key, value in generator.state_dict().items():
        assert published[key] == list(value.shape)


@pytest.mark.parametrize(("base", "count", "resolution"), [(4, 3, 16), (6, 5, 96), (3, 6, 96)])
def test_synthesis_draws_the_resolution_of_its_config(base, count, resolution):
    config = SynthesisConfig(channels=(4,) * count, base_size=base, latent_size=8)
    assert config.resolution == resolution
    with torch.no_grad():
        image = _tiny(config)(_latents(1, config))
    assert image.shape == (1, 3, resolution, resolution)
    assert image.std() > 0


def test_synthesis_fast_equals_reference():
    fast = _tiny()
    reference = SynthesisNetwork(dataclasses.replace(TINY, implementation="reference"))
    reference.load_state_dict(fast.state_dict())
    ours, theirs = fast(_latents()), reference(_latents())
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()
    ours.square().sum().backward()
    theirs.square().sum().backward()
    theirs_by_name = dict(reference.named_parameters())
    for name, parameter in fast.named_parameters():
        expected = theirs_by_name[name].grad
        # Sums of many float32 products in another order.
        assert (parameter.grad - expected).norm() <= 1e-4 * expected.norm() + 1e-6, name


def test_synthesis_treats_samples_apart():
    network, latents, order = _tiny(), _latents(), torch.tensor([2, 0, 1])
    torch.testing.assert_close(network(latents[order]), network(latents)[order])


def test_synthesis_with_stored_noise_repeats_itself_and_differs_from_none():
    network, latents = _tiny(), _latents(1)
    assert torch.equal(network(latents), network(latents))
    assert not torch.allclose(network(latents), network(latents, "none"))


def test_synthesis_with_a_generator_draws_new_noise_that_its_seed_repeats():
    network, latents = _tiny(), _latents(1).expand(2, -1, -1)
    generator = torch.Generator().manual_seed(3)
    first = network(latents, generator)
    assert not torch.allclose(first[0], first[1])
    assert not torch.allclose(first, network(latents, generator))
    assert torch.equal(first, network(latents, torch.Generator().manual_seed(3)))


def test_synthesis_shares_the_latent_of_a_picture_with_the_next_block():
    network, latents = _tiny(), _latents(1).requires_grad_(True)
    network(latents, "none").square().sum().backward()
    used = latents.grad.norm(dim=2)[0] > 0
    assert used.all()
    # The last latent drives nothing but the last toRGB: the only one that is purely linear.
    zero_weight = _tiny()
    torch.nn.init.zeros_(zero_weight.to_rgbs[-1].conv.weight)
    last = _latents(1).requires_grad_(True)
    zero_weight(last, "none").sum().backward()
    assert last.grad[0, -1].abs().max() == 0
    assert last.grad[0, -2].abs().max() == 0
    assert last.grad[0, -3].abs().max() > 0


def test_synthesis_refuses_other_latents_and_noise():
    network = _tiny()
    with pytest.raises(ShapeError, match=r"w_plus: got shape \(3, 5, 8\), expected \(B, 6, 8\)"):
        network(_latents()[:, :5])
    with pytest.raises(ValueError, match="'loud', expected 'stored', 'none', a torch"):
        network(_latents(), "loud")


def test_generator_draws_what_mapping_and_synthesis_draw():
    config = GeneratorConfig(synthesis=TINY, mapping=MappingConfig(latent_size=8, depth=2))
    generator, z = Generator(config), torch.randn(2, 8)
    w_plus = generator.style(z)[:, None].repeat(1, TINY.num_layers, 1)
    assert torch.equal(generator.draw(z), generator(w_plus))


def test_mapping_forgets_the_length_of_z():
    mapping, z = MappingNetwork(MappingConfig(latent_size=8, depth=2)), torch.randn(2, 8)
    torch.testing.assert_close(mapping(5 * z), mapping(z))


def test_truncate_moves_along_the_line_from_the_mean():
    w, mean = torch.randn(2, 8), torch.randn(8)
    assert torch.equal(truncate(w, mean, psi=0.0), mean.expand(2, 8))
    torch.testing.assert_close(truncate(w, mean, psi=1.0), w)


def test_generator_config_refuses_two_latent_sizes():
    with pytest.raises(ValueError, match=r"got 16, expected that of synthesis \(8\)"):
        GeneratorConfig(synthesis=TINY, mapping=MappingConfig(latent_size=16))


@pytest.mark.parametrize("resolution", [4, 100, 2048])
def test_ffhq_sizes_exist_for_powers_of_two_only(resolution):
    with pytest.raises(ValueError, match=f"got {resolution}, expected a power of two"):
        SynthesisConfig.ffhq(resolution)


def test_noise_maps_that_are_given_are_drawn_with():
    network, latents = _tiny(), _latents()
    stored = network.noises()
    nothing = [torch.zeros_like(noise) for noise in stored]
    assert torch.allclose(network(latents, nothing), network(latents, "none"), atol=1e-6)
    assert torch.equal(network(latents, [n.clone() for n in stored]), network(latents, "stored"))
    with pytest.raises(ValueError, match="noise: got maps of"):
        network(latents, nothing[:-1])
