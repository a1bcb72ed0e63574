"""Where a crop's border lies, and what is beside its face."""

from collections.abc import Callable

import pytest
import torch

from models.ageing.crop_regions import (
    border_ramp,
    eye_weight,
    face_weight,
    surroundings_weight,
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


@pytest.mark.parametrize("weight", [border_ramp, eye_weight, face_weight, surroundings_weight])
def test_weights_first_asked_for_in_inference_can_be_trained_with(
    weight: Callable[[int], torch.Tensor],
) -> None:
    with torch.inference_mode():
        weight(24)
    change = torch.ones(1, 3, 24, 24, requires_grad=True)
    (change * weight(24)).sum().backward()
    assert change.grad is not None
