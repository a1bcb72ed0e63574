"""CIELAB against the pipeline's own, which is tested against published colours."""

import numpy as np
import torch

from models.ops.cielab import cielab
from reage.colour import lab_from_display


def test_colours_are_those_of_the_display_view() -> None:
    levels = np.linspace(0, 1, 9)
    display = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, 27, 27, 3)
    found = cielab(torch.from_numpy(display).permute(0, 3, 1, 2).to(torch.float32))
    expected = torch.from_numpy(lab_from_display(display)).permute(0, 3, 1, 2)
    assert (found - expected).abs().max() < 0.01


def test_black_and_white_have_gradients() -> None:
    display = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1).clone()
    display.requires_grad_(True)
    cielab(display)[:, 0].sum().backward()
    assert display.grad is not None
    assert display.grad.isfinite().all()
    assert (display.grad > 0).all()
