"""Where a crop's border lies, and what is beside its face."""

from collections.abc import Callable

import pytest
import torch

from models.ageing.crop_regions import (
    border_ramp,
    eye_weight,
    face_weight,
    surroundings_weight,
    tone_kept,
)


def test_border_ramp_is_one_inside_and_falls_to_the_border() -> None:
    ramp = border_ramp(50)
    assert ramp[25, 25] == 1
    assert 0 < ramp[25, 0] < 0.2
    assert torch.equal(ramp, ramp.t())


def test_surroundings_are_what_lies_beside_the_face() -> None:
    weight = surroundings_weight(64)
    assert weight.mean().item() == pytest.approx(1.0, abs=1e-5)
    assert weight[18:46, 18:46].max() < 0.05  # brows to mouth
    assert weight[-4:, :8].min() > 1.5  # beside the jaw


def test_tone_is_kept_and_structure_stays() -> None:
    generator = torch.Generator().manual_seed(0)
    lines = torch.randn(2, 3, 64, 64, generator=generator)
    shifted = lines + torch.tensor([0.3, -0.1, 0.2])[:, None, None]
    kept = tone_kept(shifted)
    assert (kept * face_weight(64)).mean(dim=(2, 3)).abs().max() < 1e-6
    middle = (..., slice(20, 36), slice(24, 40))
    moved = (shifted - kept)[middle]
    assert moved.std(dim=(2, 3)).max() < 1e-3, "one colour, no structure"
    at_border = (shifted - kept)[..., 0, :].abs().max()
    assert at_border < 0.1 * (shifted - kept)[middle].abs().max()
    assert not tone_kept(torch.zeros(1, 3, 64, 64)).any()


def test_tone_is_kept_where_the_faces_lie() -> None:
    generator = torch.Generator().manual_seed(0)
    faces = torch.zeros(3, 1, 64, 64)
    faces[0, :, 10:50, 20:44] = 1
    faces[1, :, 20:60, 8:40] = 0.5
    change = torch.randn(3, 3, 64, 64, generator=generator) + 0.2
    kept = tone_kept(change, faces)
    assert (kept * faces).mean(dim=(2, 3)).abs().max() < 1e-6
    assert (tone_kept(change) * faces).mean(dim=(2, 3))[:2].abs().max() > 1e-3
    assert torch.equal(kept[2], change[2]), "no face, nothing taken"
    assert torch.equal(kept[0, :, :8], change[0, :, :8]), "beside the face nothing is taken"


@pytest.mark.parametrize("weight", [border_ramp, eye_weight, face_weight, surroundings_weight])
def test_weights_first_asked_for_in_inference_can_be_trained_with(
    weight: Callable[[int], torch.Tensor],
) -> None:
    with torch.inference_mode():
        weight(24)
    change = torch.ones(1, 3, 24, 24, requires_grad=True)
    (change * weight(24)).sum().backward()
    assert change.grad is not None
