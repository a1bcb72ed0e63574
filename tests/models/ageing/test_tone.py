"""A change keeps the mean colour of a face as it is seen, and all structure."""

import pytest
import torch
from torch import Tensor

from models.ageing.crop_regions import border_ramp, face_weight
from models.ageing.tone import tone_kept
from models.ops.cielab import cielab

SKINS = torch.tensor([[0.85, 0.68, 0.6], [0.45, 0.3, 0.22], [0.2, 0.14, 0.12]])


def crops() -> Tensor:
    """Three skins with some structure, (3, 3, 64, 64), [-1, 1]."""
    grain = 0.05 * torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return SKINS[:, :, None, None] * 2 - 1 + grain


def lines() -> Tensor:
    """Dark lines and light ones, the dark ones deeper, (3, 3, 64, 64), display units."""
    drawn = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return 0.05 * torch.where(drawn < 0, drawn, drawn / 2)


def shift(change: Tensor, faces: Tensor) -> Tensor:
    """By how much the mean colour of faces moves, CIELAB units, (3,)."""
    shown = (crops() + 1) / 2
    before, after = (cielab(part.clamp(0, 1)) for part in (shown, shown + change))
    skin = faces**1.75
    return (((after - before) * skin).sum(dim=(2, 3)) / skin.sum(dim=(-2, -1))).norm(dim=1)


def test_a_face_keeps_its_mean_colour_as_it_is_seen() -> None:
    face = face_weight(64)
    change = lines() + torch.tensor([0.03, -0.01, 0.02])[:, None, None]
    mean = (change * face).sum(dim=(2, 3), keepdim=True)
    levelled = change - mean / (face**2 * border_ramp(64)).sum() * face * border_ramp(64)
    assert shift(change, face).min() > 1
    assert shift(levelled, face).min() > 0.05, "the mean of display units is not what is seen"
    assert shift(tone_kept(change, crops()), face).max() < 0.01


def test_structure_stays_and_nothing_is_taken_at_the_border() -> None:
    change = lines() + 0.05
    taken = change - tone_kept(change, crops())
    middle = (..., slice(20, 36), slice(24, 40))
    assert taken[middle].std(dim=(2, 3)).max() < 1e-3, "one colour, no structure"
    assert taken[..., 0, :].abs().max() < 0.1 * taken[middle].abs().max()
    assert not tone_kept(torch.zeros(3, 3, 64, 64), crops()).any()


def test_tone_is_kept_where_the_faces_lie() -> None:
    faces = torch.zeros(3, 1, 64, 64)
    faces[0, :, 10:50, 20:44] = 1
    faces[1, :, 20:60, 8:40] = 0.5
    change = lines() + 0.02
    kept = tone_kept(change, crops(), faces)
    assert shift(kept, faces.clamp_min(1e-9))[:2].max() < 0.01
    assert shift(tone_kept(change, crops()), faces.clamp_min(1e-9))[:2].min() > 0.02
    assert torch.equal(kept[2], change[2]), "no face, nothing taken"
    assert torch.equal(kept[0, :, :8], change[0, :, :8]), "beside the face nothing is taken"


@pytest.mark.parametrize("level", [-1.0, 1.0])
def test_a_face_that_is_all_black_or_white_takes_a_change_of_any_size(level: float) -> None:
    flat = torch.full((1, 3, 64, 64), level)
    kept = tone_kept(0.2 * lines()[:1] + 0.1, flat)
    assert kept.isfinite().all()
    assert kept.abs().max() < 0.5


def test_what_is_taken_lets_gradients_through() -> None:
    change = lines().requires_grad_(True)
    tone_kept(change, crops()).square().sum().backward()
    assert change.grad is not None
    mean = (change.grad * face_weight(64)).sum(dim=(2, 3)).abs()
    assert change.grad.abs().sum() > 0
    assert mean.max() < change.grad.abs().sum(dim=(2, 3)).min()
