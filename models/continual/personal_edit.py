"""Moving inside a personal hull: from one look to another, and along a direction.

All is done with the weights of a mix of anchors, which sum to 1 throughout, so that what comes out
is the person. Knows no generator: the mixes may be decoded by one of pictures or of tri-planes.
Source: Nitzan et al. 2022, "MyStyle: A Personalized Generative Prior", sec. 4.3 (semantic editing)
and its code.

Shapes: N anchors, B batch, L style layers, D latent size, S steps.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from models.continual.personal_hull import PersonalHull
from models.shapes import check_shape

Policy = Literal["stop", "continue", "project"]


def looks_between(first: Tensor, second: Tensor, steps: int) -> Tensor:
    """Returns weights (S, N) on the straight line between two looks, both ends included.

    Args:
        first: Weights, (N,).
        second: Likewise.
        steps: S, at least 2.

    Raises:
        ShapeError: The weights are not of the same anchors.
        ValueError: There are fewer than two steps.
    """
    check_shape("first", first, "N")
    check_shape("second", second, "N", N=len(first))
    if steps < 2:
        raise ValueError(f"looks_between: steps: got {steps}, expected at least 2")
    shares = torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device)
    return torch.lerp(first, second, shares[:, None])


def direction_weights(hull: PersonalHull, direction: Tensor) -> Tensor:
    """Returns what of a direction the anchors can express, as a change of weights (N,).

    The least-squares solution gamma = (A A^T)^-1 A n with anchors taken from their mean: its sum is
    0, so that weights go on summing to 1. Where anchors depend on one another, the shortest.

    Args:
        hull: Of the person.
        direction: (D,), the same for all layers, or (L, D).

    Raises:
        ShapeError: `direction` has another shape.
    """
    layers, size = hull.anchors.shape[1:]
    if direction.ndim == 1:
        direction = direction.expand(layers, -1)
    check_shape("direction", direction, "L D", L=layers, D=size)
    corners = hull.anchors.detach().flatten(1).double()
    centred = corners - corners.mean(dim=0)
    along = centred @ direction.to(corners).flatten()
    gamma = torch.linalg.pinv(centred @ centred.T, hermitian=True) @ along
    return gamma.to(hull.anchors)


def edited(
    hull: PersonalHull, weights: Tensor, change: Tensor, amount: float, *, outside: Policy
) -> Tensor:
    """Returns weights (B, N) moved along a change of weights.

    Args:
        hull: Of the person; its dilation is how far below 0 a weight may lie.
        weights: Of the looks to edit, (B, N), each inside the dilated hull.
        change: See direction_weights, (N,).
        amount: How many times it is added; may be negative.
        outside: What happens at the edge of the dilated hull. "stop" goes no further, "continue"
            leaves it, "project" goes on along the edge: to the nearest mix that is inside.

    Raises:
        ShapeError: The weights are not of the hull's anchors.
        ValueError: `outside` is another word.
    """
    if outside not in get_args(Policy):
        raise ValueError(f"edited: outside: got {outside!r}, expected one of {get_args(Policy)}")
    count = len(hull.anchors)
    check_shape("weights", weights, "B N", N=count)
    check_shape("change", change, "N", N=count)
    step = amount * change
    if outside == "stop":
        room = (weights + hull.dilation).clamp_min(0)
        falls = step < 0
        reach = torch.where(falls, room / torch.where(falls, -step, 1.0), torch.inf)
        return weights + reach.amin(dim=1, keepdim=True).clamp_max(1) * step
    moved = weights + step
    if outside == "continue":
        return moved
    leaves = (moved < -hull.dilation).any(dim=1)
    if leaves.any():
        inside = hull.weights_near(hull.mix(moved[leaves]), dilation=hull.dilation)
        moved = moved.index_copy(0, leaves.nonzero()[:, 0], inside)
    return moved
