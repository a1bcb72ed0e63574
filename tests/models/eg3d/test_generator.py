import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.eg3d.config import RenderingConfig, SuperresolutionConfig, TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.shapes import ShapeError
from models.stylegan2.config import MappingConfig, SynthesisConfig
from tests.tri_planes import TINY, drawn, some_cameras, tiny_generator

KEYS = Path(__file__).parents[2] / "assets" / "golden" / "eg3d_keys.json"


def _other(generator, **settings):
    """The same weights in a generator of other settings."""
    other = TriPlaneGenerator(replace(generator.config, **settings))
    other.load_state_dict(generator.state_dict())
    return other.eval().requires_grad_(False)


def _seeded(seed=5):
    return torch.Generator().manual_seed(seed)


def test_generator_at_published_size_has_the_published_keys_shapes_and_counts():
    published = json.loads(KEYS.read_text())
    with torch.device("meta"):
        generator = TriPlaneGenerator(TriPlaneConfig())
    parameters = dict(generator.named_parameters())
    state = generator.state_dict()
    assert len(state) == published["num_keys"] == 176
    assert {key: list(value.shape) for key, value in state.items()} == {
        key: entry["shape"] for key, entry in published["keys"].items()
    }
    assert set(parameters) == {k for k, v in published["keys"].items() if v["kind"] == "param"}
    assert sum(p.numel() for p in parameters.values()) == 30_662_136
    assert generator.config.num_layers == published["num_ws"] == 14
    assert generator.config.superresolution.resolution == 512


@pytest.mark.parametrize("psi", [1.0, 0.7])
@pytest.mark.parametrize("seed", [0, 1])
def test_fast_view_equals_reference(seed, psi):
    fast = tiny_generator(seed=seed)
    reference = _other(fast, implementation="reference")
    z, cameras = drawn(2, 8, seed=seed), some_cameras()
    found = []
    for generator in (fast, reference):
        identity = generator.identity(generator.latents(z, cameras, psi=psi))
        rendering = generator.render(identity, cameras, sampling=_seeded(seed))
        picture = generator.picture(identity, rendering)
        found.append((picture, rendering.features, rendering.depth, rendering.coverage))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert found[0][3].min() > 0.1


def test_gradients_of_fast_view_are_those_of_reference():
    gradients = []
    for implementation in ("fast", "reference"):
        generator = _other(tiny_generator(), implementation=implementation).requires_grad_(True)
        w_plus = drawn(2, TINY.num_layers, 8).requires_grad_(True)
        identity = generator.identity(w_plus)
        generator.view(identity, some_cameras(), sampling=_seeded()).square().sum().backward()
        named = {n: p.grad for n, p in generator.named_parameters() if p.grad is not None}
        gradients.append(named | {"w_plus": w_plus.grad})
    assert set(gradients[0]) == set(gradients[1])
    assert "decoder.net.0.weight" in gradients[0]
    for name, expected in gradients[1].items():
        # Sums of many float32 products in another order.
        assert (gradients[0][name] - expected).norm() <= 1e-3 * expected.norm() + 1e-5, name


@pytest.mark.parametrize("chunk_rays", [1, 7, 64, 1000])
def test_rendering_in_chunks_equals_the_whole(chunk_rays):
    whole = tiny_generator()
    rendering = replace(TINY.rendering, chunk_rays=chunk_rays)
    chunked = _other(whole, rendering=rendering)
    w_plus, cameras = drawn(2, TINY.num_layers, 8), some_cameras()
    sides = [
        generator.render(generator.identity(w_plus), cameras, sampling=_seeded())
        for generator in (whole, chunked)
    ]
    for name in ("features", "depth", "coverage"):
        torch.testing.assert_close(getattr(sides[0], name), getattr(sides[1], name))


def test_view_repeats_itself_with_the_same_seed_and_only_then():
    generator, cameras = tiny_generator(), some_cameras()
    identity = generator.identity(drawn(2, TINY.num_layers, 8))
    first = generator.view(identity, cameras, sampling=_seeded(1))
    assert torch.equal(first, generator.view(identity, cameras, sampling=_seeded(1)))
    assert not torch.allclose(first, generator.view(identity, cameras, sampling=_seeded(2)))
    even = generator.view(identity, cameras, sampling="even")
    assert torch.equal(even, generator.view(identity, cameras, sampling="even"))


def test_identity_is_drawn_once_and_seen_from_many_sides():
    generator, cameras = tiny_generator(), some_cameras(3)
    w_plus = drawn(1, TINY.num_layers, 8)
    identity = generator.identity(w_plus)
    calls = []
    generator.backbone.synthesis.register_forward_hook(lambda *_: calls.append(1))
    views = [generator.view(identity, camera[None], sampling="even") for camera in cameras]
    assert calls == []
    again = generator.identity(w_plus)
    assert torch.equal(generator.view(again, cameras[2:], sampling="even"), views[2])
    assert not torch.allclose(views[0], views[1])
    assert views[0].shape == (1, 3, 32, 32)


def test_inference_builds_no_graph():
    generator = tiny_generator()
    identity = generator.identity(drawn(1, TINY.num_layers, 8))
    picture = generator.view(identity, some_cameras(1), sampling="even")
    assert not picture.requires_grad


def test_noise_of_the_planes_is_stored_drawn_or_none():
    generator, w_plus = tiny_generator(), drawn(1, TINY.num_layers, 8)
    stored = generator.identity(w_plus).triplane.planes
    assert torch.equal(stored, generator.identity(w_plus).triplane.planes)
    none = generator.identity(w_plus, "none").triplane.planes
    assert not torch.allclose(stored, none)
    first, again = (generator.identity(w_plus, _seeded(3)).triplane.planes for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, stored)


def test_truncation_moves_the_layers_before_the_cutoff_towards_the_mean():
    generator, z, cameras = tiny_generator(), drawn(2, 8), some_cameras()
    mean = generator.backbone.mapping.w_avg
    plain = generator.latents(z, cameras)
    torch.testing.assert_close(generator.latents(z, cameras, psi=0.3), mean + 0.3 * (plain - mean))
    cut = generator.latents(z, cameras, psi=0.0, cutoff=2)
    torch.testing.assert_close(cut[:, :2], mean.expand(2, 2, -1))
    assert torch.equal(cut[:, 2:], plain[:, 2:])


def test_superresolution_takes_renderings_of_other_sizes():
    generator = tiny_generator()
    identity = generator.identity(drawn(1, TINY.num_layers, 8))
    rendering = generator.render(identity, some_cameras(1), sampling="even", size=5)
    assert rendering.raw_picture.shape == (1, 3, 5, 5)
    assert generator.picture(identity, rendering).shape == (1, 3, 32, 32)


def test_superresolution_looks_at_the_last_latent_only():
    generator, cameras = tiny_generator(), some_cameras(1)
    w_plus = drawn(1, TINY.num_layers, 8)
    rendering = generator.render(generator.identity(w_plus), cameras, sampling="even")
    moved = w_plus.clone()
    moved[:, :-1] += 1
    pictures = [generator.picture(generator.identity(w), rendering) for w in (w_plus, moved)]
    assert torch.equal(*pictures)


def test_superresolution_clamps_inside():
    generator = tiny_generator()
    identity = generator.identity(drawn(1, TINY.num_layers, 8))
    rendering = generator.render(identity, some_cameras(1), sampling="even")
    narrow = replace(TINY.superresolution, clamp=0.01)
    for implementation in ("fast", "reference"):
        clamped = _other(generator, superresolution=narrow, implementation=implementation)
        picture = clamped.picture(identity, rendering)
        none = torch.zeros_like(rendering.features)
        without = clamped.picture(identity, replace(rendering, features=none))
        skip = generator.superresolution.block1._doubled(
            generator.superresolution.block0._doubled(rendering.raw_picture)
        )
        # Two clamped colours on top of the doubled picture: the first is doubled with gain 1.
        assert (picture - skip).abs().max() <= 0.01 * 2.5
        assert without.abs().max() <= 0.01 * 2.5


def test_generator_refuses_what_does_not_fit():
    generator = tiny_generator()
    with pytest.raises(ShapeError, match=r"w_plus: got shape \(1, 3, 8\), expected \(B, 6, 8\)"):
        generator.identity(drawn(1, 3, 8))
    identity = generator.identity(drawn(1, TINY.num_layers, 8))
    with pytest.raises(ShapeError, match=r"camera label: got shape \(2, 25\), expected \(1, C\)"):
        generator.view(identity, some_cameras(2), sampling="even")
    with pytest.raises(ShapeError, match=r"camera label: got shape \(1, 16\)"):
        generator.view(identity, some_cameras(1)[:, :16], sampling="even")
    with pytest.raises(ValueError, match="sampling: got 'odd', expected 'even', a torch"):
        generator.view(identity, some_cameras(1), sampling="odd")
    with pytest.raises(ValueError, match="size: got 0, expected at least 1"):
        generator.render(identity, some_cameras(1), sampling="even", size=0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RenderingConfig(near=3.0, far=2.0), r"near, far: got 3\.0, 2\.0"),
        (lambda: RenderingConfig(box_size=0), "box_size: got 0, expected above 0"),
        (lambda: RenderingConfig(num_coarse=3), "num_coarse: got 3, expected at least 4"),
        (lambda: RenderingConfig(chunk_rays=0), "chunk_rays: got 0, expected at least 1"),
        (lambda: SuperresolutionConfig(channels=()), r"channels: got \(\), expected positive"),
        (lambda: SuperresolutionConfig(clamp=0), "clamp: got 0, expected above 0"),
        (lambda: replace(TINY, hidden_size=0), "hidden_size: got 0, expected at least 1"),
        (
            lambda: replace(TINY, planes=SynthesisConfig(channels=(8, 8), latent_size=8)),
            "image_channels: got 3, expected a multiple of 3, at least 9",
        ),
        (
            lambda: replace(TINY, mapping=MappingConfig(latent_size=4)),
            r"latent_size: got 4, expected that of the planes \(8\)",
        ),
    ],
)
def test_configs_refuse_impossible_sizes(build, message):
    with pytest.raises(ValueError, match=message):
        build()
