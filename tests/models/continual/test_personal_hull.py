import numpy as np
import pytest
import torch

from models.continual.hull import nearest_in_hull
from models.continual.personal_hull import InversionRecipe, PersonalHull

ANCHORS = torch.randn(6, 3, 8, generator=torch.Generator().manual_seed(0))


def _distances(latents):
    return nearest_in_hull(latents.flatten(1).numpy(), ANCHORS.flatten(1).numpy()).distances


def test_mixes_of_one_anchor_are_that_anchor_by_picture_or_by_layer():
    hull = PersonalHull(ANCHORS)
    one = torch.eye(6)[2:3]
    assert torch.equal(hull.mix(one), ANCHORS[2:3])
    by_layer = torch.eye(6)[[0, 4, 4]][None]
    assert torch.equal(
        hull.mix(by_layer)[0], torch.stack([ANCHORS[0, 0], ANCHORS[4, 1], ANCHORS[4, 2]])
    )


def test_drawn_mixes_lie_in_the_hull_of_three_anchors():
    hull = PersonalHull(ANCHORS)
    drawn = hull.draw(20, generator=torch.Generator().manual_seed(0))
    nearest = nearest_in_hull(drawn.flatten(1).numpy(), ANCHORS.flatten(1).numpy())
    assert nearest.distances.max() < 1e-5
    assert ((nearest.weights > 1e-5).sum(axis=1) == 3).all()
    again = hull.draw(20, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)
    assert PersonalHull(ANCHORS[:2]).draw(4, generator=torch.Generator()).isfinite().all()


def test_projection_takes_a_latent_to_the_nearest_of_the_hull():
    hull, latents = PersonalHull(ANCHORS), ANCHORS.mean(dim=0) + torch.randn(5, 3, 8)
    nearest = hull.project(latents)
    assert _distances(nearest).max() < 1e-5
    apart = (nearest - latents).flatten(1).norm(dim=1).numpy()
    assert apart == pytest.approx(_distances(latents), abs=1e-5)
    assert torch.allclose(hull.project(nearest), nearest, atol=1e-5)


def test_inversion_finds_the_mix_that_made_a_picture():
    hull = PersonalHull(ANCHORS)
    turn = torch.linalg.qr(torch.randn(24, 24, generator=torch.Generator().manual_seed(1))).Q

    def decode(latents):  # pictures of 8 x 3 numbers that say all there is to say
        return (latents.flatten(1) @ turn).view(-1, 1, 3, 8)

    wanted = hull.draw(3, generator=torch.Generator().manual_seed(2))
    recipe = InversionRecipe(steps=400, learning_rate=2e-2)
    found = hull.invert(
        decode(wanted), decode, lambda a, b: (a - b).abs().mean(dim=(1, 2, 3)), recipe
    )
    start = (ANCHORS.mean(dim=0) - wanted).flatten(1).norm(dim=1)
    assert ((found - wanted).flatten(1).norm(dim=1) < 0.2 * start).all()


def test_a_hull_of_nothing_is_refused():
    with pytest.raises(ValueError, match="PersonalHull: got 0 anchors"):
        PersonalHull(ANCHORS[:0])
    assert np.isfinite(_distances(ANCHORS)).all()
