"""Directions in latent space that a label moves along, told by labelled latents.

Source: Shen et al. 2020, "Interpreting the Latent Space of GANs for Semantic Face Editing", sec.
2.2 (conditional manipulation), here as the least-squares line of latents over labels, so that what
else differs between faces with a label and without is told apart by labels of its own.

Shapes: N labelled latents, L style layers, D latent size, K other labels.
"""

import torch
from torch import Tensor

from models.shapes import check_shape

TENTHS = (0.1, 0.9)  # of all faces; what lies between them is a label's unit


def label_direction(w_plus: Tensor, label: Tensor, others: Tensor) -> Tensor:
    """Returns how latents change along a label, (L, D), other labels being equal.

    Once along it leads from the label that the lowest tenth of the faces stays below to that which
    the highest tenth exceeds.

    Args:
        w_plus: (N, L, D).
        label: (N,), in any unit.
        others: (N, K), in any units; K may be 0.

    Raises:
        ShapeError: They do not belong together.
        ValueError: All faces have about the same label.
    """
    check_shape("w_plus", w_plus, "N L D")
    count = len(w_plus)
    check_shape("label", label, "N", N=count)
    check_shape("others", others, "N K", N=count)
    low, high = torch.quantile(label.double(), label.new_tensor(TENTHS).double())
    if not high > low:
        raise ValueError(
            f"label_direction: label: got {float(low):g} of most of {count} faces, expected labels "
            "that differ"
        )
    known, codes = (
        x.double() - x.double().mean(dim=0)
        for x in (torch.column_stack([label, others]), w_plus.flatten(1))
    )
    spread = known.std(dim=0).clamp_min(1e-12)
    lines = torch.linalg.lstsq(known / spread, codes, driver="gelsd").solution
    along = lines[0] / spread[0] * (high - low)
    return along.reshape(w_plus.shape[1:]).to(w_plus)
