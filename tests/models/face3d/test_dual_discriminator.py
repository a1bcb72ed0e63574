"""Dual discrimination: whether pictures belong to their renderings and to their cameras."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from models.eg3d.camera import orbit
from models.face3d.dual_discriminator import (
    DualDiscriminator,
    DualDiscriminatorConfig,
    DualPicture,
)
from models.face3d.prior import Face3DPrior
from models.face3d.prior_recipe import DualPhase, load_prior_recipe
from models.shapes import ShapeError

CONFIGS = Path(__file__).parents[3] / "configs" / "face3d"
SIZE, SMALL = 16, 8


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return DualDiscriminator(DualDiscriminatorConfig(channels=(16, 16, 8), condition_size=16))


def pictures(count, chance):
    """Smooth pictures, each its own."""
    coarse = torch.rand(count, 3, 3, 3, generator=chance) * 2 - 1
    return F.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear", align_corners=True)


def taught(discriminator, pairs, *, steps=60):
    """Teaches it right and wrong pairs; returns the share of unseen ones that it tells apart."""
    chance = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(discriminator.parameters(), lr=3e-3, betas=(0.0, 0.99))
    for _ in range(steps):
        (right, right_camera), (wrong, wrong_camera) = pairs(chance)
        loss = F.softplus(-discriminator(right, right_camera)).mean()
        loss = loss + F.softplus(discriminator(wrong, wrong_camera)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        right, wrong = (discriminator(*pair) for pair in pairs(chance))
    return (right > wrong).float().mean().item()


def test_it_learns_whether_a_picture_belongs_to_its_rendering(discriminator):
    camera = orbit(1).expand(32, -1)

    def pairs(chance):
        shown = DualPicture.of_photographs(pictures(32, chance), size=SMALL)
        return (shown, camera), (DualPicture(shown.picture, shown.rendering.roll(1, 0)), camera)

    assert taught(discriminator, pairs) > 0.9


def test_it_learns_whether_a_picture_belongs_to_its_camera(discriminator):
    cameras = orbit(16, yaw=0.6)
    sides = cameras[:, 3]  # where the camera stands, to the left or to the right
    cameras = torch.stack([cameras[sides.argmin()], cameras[sides.argmax()]])

    def pairs(chance):
        chosen = torch.randint(2, (32,), generator=chance)
        lightened = pictures(32, chance) * 0.3 + 0.7 * (2 * chosen[:, None, None, None] - 1)
        shown = DualPicture.of_photographs(lightened, size=SMALL)
        return (shown, cameras[chosen]), (shown, cameras[1 - chosen])

    assert taught(discriminator, pairs) > 0.9


def test_penalty_is_the_squared_gradient_by_picture_and_rendering():
    torch.manual_seed(0)
    small = DualDiscriminatorConfig(channels=(8, 4), condition_size=8)
    discriminator, camera = DualDiscriminator(small).double(), orbit(1).double()
    picture = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    shown = DualPicture.of_photographs(picture, size=4)
    penalty = discriminator.gradient_penalty(shown, camera)
    penalty.backward()
    assert all(p.grad is not None for p in discriminator.judge.convs.parameters())

    @torch.no_grad()
    def slopes(of, step=1e-6):
        for place in range(of.numel()):
            ends = []
            for side in (step, -2 * step, step):
                of.view(-1)[place] += side
                ends.append(discriminator(shown, camera).item())
            yield (ends[0] - ends[1]) / (2 * step)

    measured = sum(slope**2 for of in (shown.picture, shown.rendering) for slope in slopes(of))
    assert penalty.item() == pytest.approx(measured, rel=1e-4)


def test_what_a_photograph_does_not_show_is_hidden_in_both(discriminator):
    chance = torch.Generator().manual_seed(3)
    window = torch.ones(2, 1, SIZE, SIZE)
    window[..., : SIZE // 2] = 0
    one, other = pictures(2, chance), pictures(2, chance)
    other[..., SIZE // 2 :] = one[..., SIZE // 2 :]
    shown = [DualPicture.of_photographs(p, size=SIZE).seen_through(window) for p in (one, other)]
    scores = [discriminator(both, orbit(2)) for both in shown]
    assert torch.equal(*scores)


def test_other_sizes_and_phases_that_judge_no_picture_are_refused(discriminator):
    large = DualPicture(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ShapeError, match="pictures"):
        discriminator(large, orbit(1))
    with pytest.raises(ShapeError, match="camera label"):
        discriminator(DualPicture(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 8, 8)), orbit(2))
    with pytest.raises(ValueError, match=r"DualPhase\.refine: got false"):
        DualPhase(steps=1, batch_size=1, learning_rate=1e-3, refine=False)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.json")), ids=lambda path: path.stem)
def test_every_recipe_that_comes_along_can_be_built(path):
    recipe = load_prior_recipe(path)
    with torch.device("meta"):
        prior = Face3DPrior(recipe.prior)
        discriminator = DualDiscriminator(recipe.discriminator)
        size = prior.config.crop_size
        crops, camera = torch.zeros(1, 3, size, size), torch.zeros(1, 25)
        if recipe.dual:
            shown = DualPicture.of_photographs(crops, size=recipe.dual[0].render_size)
            assert discriminator(shown, camera).shape == (1, 1)
        assert prior.encode(crops).shape == (
            1,
            prior.config.generator.num_layers,
            prior.config.generator.latent_size,
        )


def test_a_recipe_whose_discriminator_has_another_size_is_refused(tmp_path):
    plain = (CONFIGS / "large.json").read_text()
    path = tmp_path / "recipe.json"
    path.write_text(plain.replace("[512, 512, 512, 256, 128, 64, 32]", "[64, 32]"))
    with pytest.raises(ValueError, match=r"got 2 of them, for 8 px, expected as many as 256 px"):
        load_prior_recipe(path)
