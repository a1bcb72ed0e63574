import pytest
import torch
from torch import nn

from models.eg3d.config import TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.lora.adapter import LowRankAdapter, adaptable_layers
from models.lora.inject import inject
from models.lora.layer import LoRAConfig
from models.stylegan2.config import GeneratorConfig, MappingConfig, SynthesisConfig
from models.stylegan2.synthesis import Generator
from tests.tri_planes import TINY, drawn, some_cameras, tiny_generator

PLANAR = SynthesisConfig(channels=(8, 8, 4), latent_size=8)


class _TriPlane:
    """The tri-plane generator, as tests of both generators see it."""

    network = staticmethod(tiny_generator)

    @staticmethod
    def picture(generator):
        identity = generator.identity(drawn(2, TINY.num_layers, 8))
        return generator.view(identity, some_cameras(), sampling="even")


class _Planar:
    """StyleGAN2's generator of flat pictures."""

    @staticmethod
    def network():
        torch.manual_seed(0)
        mapping = MappingConfig(latent_size=8, depth=2)
        generator = Generator(GeneratorConfig(synthesis=PLANAR, mapping=mapping))
        return generator.eval().requires_grad_(False)

    @staticmethod
    def picture(generator):
        return generator(drawn(2, PLANAR.num_layers, 8))


def _person(generator, *, seed=0, is_new=False):
    adapter = LowRankAdapter(generator, LoRAConfig(rank=2), rng=torch.Generator().manual_seed(seed))
    if not is_new:
        rng = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for part in adapter.weights_by_layer().values():
                part.up.normal_(std=0.3, generator=rng)
            for own in adapter.own.values():
                own.add_(0.1 * torch.randn(own.shape, generator=rng))
    return adapter


def _addresses(generator):
    return {name: p.data_ptr() for name, p in generator.named_parameters()}


def _copies(generator):
    return {name: value.clone() for name, value in generator.state_dict().items()}


def _same(state, other):
    return set(state) == set(other) and all(torch.equal(state[k], other[k]) for k in state)


both_generators = pytest.mark.parametrize("kind", [_TriPlane, _Planar])


@pytest.mark.parametrize(
    ("rank", "num_low_rank"), [(1, 219_174), (2, 438_348), (4, 876_696), (8, 1_753_392)]
)
def test_adapter_of_the_published_generator_has_the_published_count(rank, num_low_rank):
    with torch.device("meta"):
        generator = TriPlaneGenerator(TriPlaneConfig()).requires_grad_(False)
        adapter = LowRankAdapter(generator, LoRAConfig(rank=rank))
    everything = sum(p.numel() for p in generator.parameters())
    assert len(adapter.low_rank) == 52
    assert (adapter.num_low_rank, adapter.num_own) == (num_low_rank, 24_791)
    inject(generator, adapter)
    trainable = sum(p.numel() for p in generator.parameters() if p.requires_grad)
    assert trainable == num_low_rank + 24_791
    if rank == 1:
        assert trainable == 243_965
        assert round(everything / trainable, 1) == 125.7


def test_adapter_leaves_mapping_and_decoder_alone():
    adapter = _person(tiny_generator())
    names = [*adapter.weights_by_layer(), *adapter.own_by_name()]
    assert {name.split(".")[0] for name in names} == {"backbone", "superresolution"}
    assert not [name for name in names if "mapping" in name]
    flat = _person(_Planar.network())
    assert not [n for n in [*flat.weights_by_layer(), *flat.own_by_name()] if "style" in n]


@both_generators
def test_new_adapter_leaves_pictures_unchanged(kind):
    generator = kind.network()
    before = kind.picture(generator)
    with torch.no_grad(), inject(generator, _person(generator, is_new=True)):
        assert torch.equal(kind.picture(generator), before)


@both_generators
def test_merged_adapter_draws_what_the_injected_one_draws(kind):
    generator = kind.network()
    before = kind.picture(generator)
    with torch.no_grad(), inject(generator, _person(generator)) as injection:
        injected = kind.picture(generator)
        injection.merge()
        injection.merge()
        assert torch.equal(kind.picture(generator), injected)
        assert all(not layer.weight_offset for layer in adaptable_layers(generator).values())
    assert (injected - before).abs().max() > 1e-2


@both_generators
@pytest.mark.parametrize("is_merged", [False, True])
def test_merge_then_detach_restores_base_weights_exactly(kind, is_merged):
    generator = kind.network()
    state, addresses, picture = _copies(generator), _addresses(generator), kind.picture(generator)
    injection = inject(generator, _person(generator))
    if is_merged:
        injection.merge()
    assert not torch.allclose(kind.picture(generator), picture)
    injection.detach()
    injection.detach()
    assert _same(generator.state_dict(), state)
    assert _addresses(generator) == addresses
    assert torch.equal(kind.picture(generator), picture)


@both_generators
def test_one_base_serves_people_in_turn_without_a_copy(kind):
    generator = kind.network()
    addresses = _addresses(generator)
    people = [_person(generator, seed=seed) for seed in range(3)]
    pictures = []
    for person in [*people, *people]:
        with torch.no_grad(), inject(generator, person):
            weights = {n: a for n, a in _addresses(generator).items() if n in addresses}
            own = set(person.own_by_name())
            assert {n: a for n, a in weights.items() if n not in own} == {
                n: a for n, a in addresses.items() if n not in own
            }
            pictures.append(kind.picture(generator))
    assert all(torch.equal(a, b) for a, b in zip(pictures[:3], pictures[3:], strict=True))
    assert not torch.allclose(pictures[0], pictures[1])


@both_generators
def test_learning_reaches_the_adapter_and_nothing_else(kind):
    generator = kind.network()
    state, adapter = _copies(generator), _person(generator)
    optimiser = torch.optim.SGD(adapter.parameters(), lr=0.1)
    before = {name: p.clone() for name, p in adapter.named_parameters()}
    with inject(generator, adapter):
        kind.picture(generator).square().mean().backward()
        optimiser.step()
    moved = [name for name, p in adapter.named_parameters() if not torch.equal(p, before[name])]
    # Super-resolution adds no noise, so the strengths of its noise learn nothing.
    still = [n for n in before if n not in moved and "superresolution" not in n]
    assert still == []
    assert _same(generator.state_dict(), state)


def test_low_rank_weight_is_added_before_modulation():
    generator = tiny_generator()
    layer = generator.superresolution.block0.conv0
    adapter = _person(generator)
    part = adapter.weights_by_layer()["superresolution.block0.conv0"]
    x, w = drawn(1, 4, 8, 8), drawn(1, 8)
    with torch.no_grad(), inject(generator, adapter):
        injected = layer(x, w, None)
        layer.weight_offset = None
        without, layer.weight.data = layer.weight.data, layer.weight.data + part()
        expected = layer(x, w, None)
        layer.weight.data = without
    assert torch.equal(injected, expected)


def test_second_adapter_at_once_is_refused():
    generator = tiny_generator()
    adapter = _person(generator)
    injection = inject(generator, adapter)
    with pytest.raises(ValueError, match="got an injected adapter, expected none; detach it first"):
        inject(generator, adapter)
    injection.detach()
    inject(generator, adapter).detach()


def test_adapter_of_another_generator_is_refused_and_changes_nothing():
    generator, other = tiny_generator(), _Planar.network()
    state = _copies(other)
    with pytest.raises(ValueError, match=r"adapter: backbone\.synthesis\S+: got shape .* none"):
        inject(other, _person(generator))
    assert _same(other.state_dict(), state)


def test_network_that_has_nothing_personal_is_refused():
    with pytest.raises(ValueError, match="PERSONAL_PARTS: got none of Linear, expected names"):
        LowRankAdapter(nn.Linear(2, 2), LoRAConfig())


@both_generators
def test_strengths_0_and_1_are_the_generator_and_the_adapter_to_the_bit(kind):
    generator = kind.network()
    adapter, alone = _person(generator), kind.picture(generator)
    with inject(generator, adapter):
        whole = kind.picture(generator)
    with inject(generator, adapter, strength=0):
        assert torch.equal(kind.picture(generator), alone)
    with inject(generator, adapter, strength=1):
        assert torch.equal(kind.picture(generator), whole)
    assert not torch.equal(whole, alone)


def test_strength_is_the_straight_line_between_the_weights():
    generator = _Planar.network()
    adapter, before = _person(generator), _copies(generator)
    with inject(generator, adapter) as injection:
        injection.merge()
        whole = _copies(generator)
    with inject(generator, adapter, strength=0.25) as injection:
        shown = _Planar.picture(generator)
        injection.merge()
        torch.testing.assert_close(_Planar.picture(generator), shown)
        for name, tensor in _copies(generator).items():
            torch.testing.assert_close(tensor, torch.lerp(before[name], whole[name], 0.25))
    assert _same(_copies(generator), before)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_out_of_range_changes_nothing(strength):
    generator = _Planar.network()
    addresses = _addresses(generator)
    with pytest.raises(ValueError, match=f"strength: got {strength}, expected 0 to 1"):
        inject(generator, _person(generator), strength=strength)
    assert _addresses(generator) == addresses
    assert adaptable_layers(generator)  # carries none
