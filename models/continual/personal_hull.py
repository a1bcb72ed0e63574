"""The personal hull: latents that are mixes of a person's anchors.

Weights of a mix sum to 1 and are no less than -dilation: 0 is the convex hull itself, a little more
lets latents out of it by a little.
Source: Nitzan et al. 2022, "MyStyle: A Personalized Generative Prior" (alpha space), and its code.

Shapes: N anchors, B batch, R picture size, L style layers, D latent size.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.continual.hull import nearest_in_hull
from models.continual.personal_generator import Decode, Perceptual
from models.shapes import check_shape

_SHARPNESS = 100.0  # of the softplus that keeps weights above -dilation


@dataclass(frozen=True, kw_only=True)
class InversionRecipe:
    """How a picture is inverted; the values are the published ones."""

    steps: int = 1000
    learning_rate: float = 5e-3
    sum_weight: float = 10.0  # of how far the weights' sum is from 1, squared
    shared_weight: float = 10.0  # of how far a layer's weights are from the first layer's, squared
    shared_layers: int = 12  # whose weights are held together so: of StyleGAN2's 18


class PersonalHull:
    """Mixes of anchors (N, L, D).

    Args of the constructor:
        dilation: How far below 0 a weight may lie.
    """

    def __init__(self, anchors: Tensor, *, dilation: float = 0.02) -> None:
        check_shape("anchors", anchors, "N L D")
        if not len(anchors) or not dilation >= 0:
            raise ValueError(
                f"PersonalHull: got {len(anchors)} anchors, dilation {dilation}, expected at least "
                "1 and 0"
            )
        self.anchors, self.dilation = anchors, dilation

    def mix(self, weights: Tensor) -> Tensor:
        """Returns latents (B, L, D) of weights (B, N), or (B, L, N) by layer."""
        if weights.ndim == 2:
            weights = weights[:, None].expand(-1, self.anchors.shape[1], -1)
        return torch.einsum("bln,nld->bld", weights, self.anchors)

    def draw(self, count: int, *, generator: torch.Generator, of: int = 3) -> Tensor:
        """Draws convex mixes of a few anchors each, (count, L, D): weights uniform, normalised.

        The generator lives on the CPU. Of fewer anchors than `of`, all are mixed.
        """
        total = len(self.anchors)
        chosen = torch.rand(count, total, generator=generator).argsort(dim=1)[:, :of]
        drawn = torch.rand(chosen.shape, generator=generator)
        weights = torch.zeros(count, total).scatter_(1, chosen, drawn / drawn.sum(1, keepdim=True))
        return self.mix(weights.to(self.anchors))

    def project(self, w_plus: Tensor) -> Tensor:
        """Returns the nearest latents (B, L, D) of the convex hull; no gradient flows."""
        return self.mix(self.weights_near(w_plus))

    def weights_near(self, w_plus: Tensor, *, dilation: float = 0.0) -> Tensor:
        """Returns the weights (B, N) of the mixes nearest to latents (B, L, D); no gradient flows.

        Weights of at least -dilation are a convex hull's, too: of anchors that are moved away from
        their mean, 1 + N dilation times as far.
        """
        points, corners = (x.detach().flatten(1).cpu().double() for x in (w_plus, self.anchors))
        growth = 1 + len(corners) * dilation
        moved = growth * corners - dilation * corners.sum(dim=0)
        found = torch.from_numpy(nearest_in_hull(points.numpy(), moved.numpy()).weights)
        return (growth * found - dilation).to(self.anchors)

    def invert(
        self,
        pictures: Tensor,
        decode: Decode,
        perceptual: Perceptual,
        recipe: InversionRecipe | None = None,
    ) -> Tensor:
        """Finds mixes that decode to pictures, by descent from the anchors' mean.

        Args:
            pictures: (B, 3, R, R), [-1, 1], of the size that `decode` makes.
            decode: Latents to pictures; differentiable.
            perceptual: Distances (B,) of two batches of pictures.
            recipe: The published one if not given.

        Returns:
            Latents, (B, L, D).
        """
        recipe = recipe or InversionRecipe()
        count, layers = len(self.anchors), self.anchors.shape[1]
        even = self.anchors.new_full((len(pictures), layers, count), 1 / count)
        free = _inverse_softplus(even + self.dilation).requires_grad_(True)
        optimiser = torch.optim.Adam([free], lr=recipe.learning_rate)
        for _ in range(recipe.steps):
            weights = self._weights(free)
            made = decode(self.mix(weights))
            apart = perceptual(made, pictures) + (made - pictures).square().mean(dim=(1, 2, 3))
            shared = weights[:, : recipe.shared_layers] - weights[:, :1]
            loss = (
                apart.sum()
                + recipe.sum_weight * (weights.sum(dim=2) - 1).square().mean(dim=1).sum()
                + recipe.shared_weight * shared.square().sum(dim=2).mean(dim=1).sum()
            )
            optimiser.zero_grad()
            (free.grad,) = torch.autograd.grad(loss, [free])
            optimiser.step()
        return self.mix(self._weights(free.detach()))

    def _weights(self, free: Tensor) -> Tensor:
        return F.softplus(free, beta=_SHARPNESS) - self.dilation


def _inverse_softplus(values: Tensor) -> Tensor:
    return values + torch.log(-torch.expm1(-_SHARPNESS * values)) / _SHARPNESS
