import dataclasses

import pytest
import torch

from models.face3d.noise_fit import normalise_maps, roughness_penalty
from models.face3d.projection import ProjectionRecipe, mean_latent, project
from models.shapes import ShapeError
from tests.tri_planes import some_cameras, tiny_generator

QUICK = ProjectionRecipe(
    steps=30, learning_rate=0.2, pixel_weight=1.0, map_weight=1e2, mean_samples=200
)


def nothing(a, b):
    return (a - b).abs().mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def generator():
    return tiny_generator()


@pytest.fixture(scope="module")
def photographs(generator):
    cameras = some_cameras(2)
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(5))
    w_plus = generator.latents(z, cameras)
    with torch.no_grad():
        pictures = generator.view(generator.identity(w_plus), cameras, sampling="even")
    return pictures, cameras


def test_projection_comes_nearer_to_the_pictures_than_the_mean_latent(generator, photographs):
    distances = []
    found = project(
        generator, *photographs, perceptual=nothing, recipe=QUICK,
        told=lambda _step, _steps, apart: distances.append(apart),
    )  # fmt: skip
    assert found.shape == (2, generator.config.num_layers, 8)
    assert torch.equal(found, found[:, :1].expand_as(found))  # one w for all layers
    assert len(distances) == QUICK.steps
    assert distances[-1] < 0.5 * distances[0]


def test_a_latent_for_each_layer_comes_nearer_still(generator, photographs):
    def last(recipe):
        distances = []
        found = project(
            generator, *photographs, perceptual=nothing, recipe=recipe,
            told=lambda _step, _steps, apart: distances.append(apart),
        )  # fmt: skip
        return found, distances[-1]

    plus, nearer = last(dataclasses.replace(QUICK, space="w_plus"))
    assert nearer < last(QUICK)[1]
    assert not torch.equal(plus[:, 0], plus[:, 1])


def test_projection_is_the_same_for_the_same_seed_and_leaves_the_generator(generator, photographs):
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    short = dataclasses.replace(QUICK, steps=3)
    runs = [project(generator, *photographs, perceptual=nothing, recipe=short) for _ in range(2)]
    assert torch.equal(*runs)
    other = dataclasses.replace(short, seed=1)
    assert not torch.equal(
        runs[0], project(generator, *photographs, perceptual=nothing, recipe=other)
    )
    assert all(torch.equal(before[k], v) for k, v in generator.state_dict().items())
    assert all(p.grad is None for p in generator.parameters())


def test_projection_begins_where_it_is_told_to(generator, photographs):
    start = torch.randn(2, generator.config.num_layers, 8)
    still = dataclasses.replace(QUICK, steps=1, space="w_plus")  # the rate rises from 0
    found = project(generator, *photographs, perceptual=nothing, recipe=still, start=start)
    assert torch.equal(found, start)


def test_rates_rise_and_fall_as_published():
    recipe = ProjectionRecipe()
    assert recipe.rate(0) == 0
    assert recipe.rate(25) == pytest.approx(0.005)
    assert recipe.rate(50) == recipe.rate(700) == pytest.approx(0.01)
    assert recipe.rate(875) == pytest.approx(0.005)
    assert recipe.latent_noise(0) == pytest.approx(0.05)
    assert recipe.latent_noise(375) == pytest.approx(0.05 / 4)
    assert recipe.latent_noise(750) == 0


def test_mean_latent_lies_in_the_middle_of_drawn_ones(generator):
    mean, deviation = mean_latent(generator, samples=500)
    again, _ = mean_latent(generator, samples=500, seed=1)
    assert 0 < float((mean - again).norm()) < 0.3 * deviation


def test_white_noise_costs_next_to_nothing_and_structure_much():
    white = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(white, 5, 1, 2)
    maps = [torch.cat([white, smooth])]
    normalise_maps(maps)
    assert maps[0].mean(dim=(1, 2, 3)).abs().max() < 1e-6
    assert torch.allclose(maps[0].square().mean(dim=(1, 2, 3)), torch.ones(2), atol=1e-5)
    quiet, loud = roughness_penalty(maps).tolist()
    assert loud > 20 * quiet


def test_pictures_of_another_size_are_refused(generator, photographs):
    with pytest.raises(ShapeError, match="pictures: got shape"):
        project(
            generator, photographs[0][..., ::2, ::2], photographs[1], perceptual=nothing,
            recipe=QUICK,
        )  # fmt: skip
