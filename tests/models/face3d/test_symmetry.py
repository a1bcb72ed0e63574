import math

import pytest
import torch

from models.ageing.personal_pass import PhotoBatch
from models.eg3d.camera import mirror, posed_label
from models.face3d.recipe import Face3DRecipe
from models.face3d.symmetry import SEEN_DEG, with_unseen_sides


def photos_at(*yaws_deg):
    count = len(yaws_deg)
    yaw = torch.tensor([math.radians(y) for y in yaws_deg], dtype=torch.float64)
    return PhotoBatch(
        crops=torch.arange(count * 3 * 16.0).reshape(count, 3, 4, 4),
        ages=torch.arange(30.0, 30.0 + count),
        codes=torch.arange(count * 6.0).reshape(count, 2, 3),
        cameras=posed_label(yaw, torch.full_like(yaw, 0.1)).float(),
    )


def test_mirror_image_stands_in_for_the_side_that_is_not_shown():
    photos = photos_at(25.0)
    found = with_unseen_sides(photos)
    assert len(found.ages) == 2
    assert torch.equal(found.crops[1], photos.crops[0].flip(2))
    assert torch.equal(found.cameras[1], mirror(photos.cameras)[0])
    assert torch.equal(found.codes[1], photos.codes[0])
    assert torch.equal(found.crops[:1], photos.crops)


def test_mirrored_camera_is_the_one_on_the_other_side():
    found = with_unseen_sides(photos_at(25.0))
    assert torch.allclose(found.cameras[1], photos_at(-25.0).cameras[0], atol=1e-5)


@pytest.mark.parametrize("yaws", [(0.0,), (0.4 * SEEN_DEG,), (25.0, -25.0), (25.0, -18.0, 15.0)])
def test_nothing_is_made_up_where_photographs_show_both_sides(yaws):
    photos = photos_at(*yaws)
    assert with_unseen_sides(photos) is photos


def test_only_photographs_of_the_shown_side_are_mirrored():
    found = with_unseen_sides(photos_at(0.0, 30.0, 50.0, -33.0))
    assert found.ages.tolist() == [30.0, 31.0, 32.0, 33.0, 32.0]


def test_recipe_says_whether():
    photos = photos_at(25.0)
    assert len(Face3DRecipe().shown(photos).ages) == 2
    assert Face3DRecipe(unseen_sides=False).shown(photos) is photos


def test_photographs_without_cameras_are_refused():
    bare = PhotoBatch(crops=torch.zeros(1, 3, 4, 4), ages=torch.zeros(1))
    with pytest.raises(ValueError, match="cameras: got none"):
        with_unseen_sides(bare)
