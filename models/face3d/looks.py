"""The way from one look of a person's 3D face to another, inside the dilated hull of the anchors.

Shapes: N anchors, L style layers, D latent size, S shares of the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.continual.personal_edit import direction_weights, edited
from models.continual.personal_hull import PersonalHull


@dataclass(frozen=True, eq=False)
class LookPath:
    """A straight way between two mixes of anchors; all of it is in the hull, which is convex.

    Attributes:
        hull: Of the person.
        first, last: Weights of the mixes, (N,).
        reached: How far along each edit's direction the last look came, by name, in times of it:
            less than was asked where the anchors do not show as much.
    """

    hull: PersonalHull
    first: Tensor
    last: Tensor
    reached: Mapping[str, float]

    def at(self, shares: Tensor) -> Tensor:
        """Returns the latents (S, L, D) at shares (S,) of the way, 0-1."""
        return self.hull.mix(torch.lerp(self.first, self.last, shares[:, None]))


def look_path(
    anchors: Tensor,
    *,
    first: int | None = None,
    last: int | None = None,
    edits: Mapping[str, float],
    directions: Mapping[str, Tensor],
) -> LookPath:
    """Lays the way from a look to another, or to itself edited.

    Args:
        anchors: (N, L, D).
        first: Whose look is first; the middle of the hull if not given.
        last: Whose look is gone to; the first if not given.
        edits: Times that each direction is added to the last look.
        directions: Of those edits, (L, D).
    """
    hull, count = PersonalHull(anchors), len(anchors)
    corners = torch.eye(count).to(anchors)
    begin = anchors.new_full((count,), 1 / count) if first is None else corners[first]
    before = begin if last is None else corners[last]
    if not edits:
        return LookPath(hull, begin, before, {})
    changes = [amount * direction_weights(hull, directions[n]) for n, amount in edits.items()]
    total = torch.stack(changes).sum(dim=0)
    after = edited(hull, before[None], total, 1.0, outside="project")[0]
    moved = hull.mix(torch.stack([before, after]))
    step = (moved[1] - moved[0]).flatten().double()
    units = {name: directions[name].flatten().double() for name in edits}
    reached = {name: float(step @ unit / (unit @ unit)) for name, unit in units.items()}
    return LookPath(hull, begin, after, reached)
