"""An actor who does not exist, whose ageing is known: a face of a prior, and a personal offset.

The face lies on the prior's own path, plus what the prior cannot know: a drift in w+ that grows
with age along directions of this actor's own. An adapter trained on the actor's pictures is right
as far as it finds that drift. Directions in which the prior ages faces, and those that tint or
lighten whole faces, are taken out of it.

Shapes: A ages, K directions, L style layers, D latent size, R crop size, S synthesis size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.ageing.path import colour_directions
from models.ageing.prior import Prior
from models.shapes import check_shape

_MIDDLE, _HALF_SPAN = 50.0, 20.0  # years; the drift is 0 in the middle
_PATH_AGES = (20.0, 30.0, 40.0, 60.0, 70.0, 80.0)


@dataclass(frozen=True, eq=False)
class SyntheticActor:
    """A face and how it ages.

    Attributes:
        prior: The general prior.
        crop: What the identity was encoded from, (1, 3, R, R), [-1, 1].
        code: Its w_plus, (1, L, D).
        age: Years; at this age the code is taken to show the actor.
        directions: Of the personal drift, (K, L, D): the first grows evenly with age from one side
            to the other, the others with the square, on both sides of the middle.
    """

    prior: Prior
    crop: Tensor
    code: Tensor
    age: float
    directions: Tensor

    @classmethod
    @torch.no_grad()
    def between(
        cls, prior: Prior, crop: Tensor, others: Sequence[Tensor], *, age: float, amount: float
    ) -> "SyntheticActor":
        """Makes an actor who drifts towards other people's features.

        Args:
            prior: The general prior.
            crop: The identity, (1, 3, R, R), [-1, 1].
            others: Crops of other people, each like `crop`; one direction each.
            age: Of the identity, years.
            amount: Size of the drift 20 years from the middle, in shares of the distance to the
                other person.
        """
        code = prior.encode(crop)
        apart = torch.cat([prior.encode(other) - code for other in others])
        ageing = ageing_directions(prior, crop, code, age)
        colour = colour_directions(code, prior.decode)
        return cls(prior, crop, code, age, amount * without(apart, torch.cat([ageing, colour])))

    @torch.no_grad()
    def latents(self, ages: Tensor) -> Tensor:
        """Returns the true latents (A, L, D) at ages (A,), years."""
        check_shape("ages", ages, "A")
        count = len(ages)
        crops, codes = self.crop.expand(count, -1, -1, -1), self.code.expand(count, -1, -1)
        source = torch.full_like(ages, self.age)
        offset = self.prior.ageing_offset(crops, codes, source, ages)
        return codes + offset + self.drift(ages)

    def drift(self, ages: Tensor) -> Tensor:
        """Returns the personal offset (A, L, D) at ages (A,), years; 0 at 50."""
        across = ((ages - _MIDDLE) / _HALF_SPAN)[:, None, None, None]
        odd, even = across.tanh() / torch.ones(()).tanh(), across.square().clamp(max=2.0)
        growth = torch.cat([odd, even.expand(-1, len(self.directions) - 1, -1, -1)], dim=1)
        return (growth * self.directions).sum(dim=1)

    @torch.no_grad()
    def faces(self, ages: Tensor) -> Tensor:
        """Returns the actor at ages (A,), years: (A, 3, S, S), about [-1, 1]."""
        return torch.cat([self.prior.decode(w) for w in self.latents(ages).split(8)])

    @torch.no_grad()
    def changes(self, ages: Tensor) -> Tensor:
        """Returns what turns the identity's picture into the actor at ages (A,), years.

        (A, 3, S, S), display units, as `Prior.change`.
        """
        source = self.prior.source_offset(
            self.crop, self.code, torch.full((1,), self.age, device=self.code.device)
        )
        before = self.prior.decode(self.code + source)
        return torch.cat(
            [self.prior.difference(before, self.prior.decode(w[None])) for w in self.latents(ages)]
        )


def ageing_directions(prior: Prior, crop: Tensor, code: Tensor, age: float) -> Tensor:
    """Returns how the prior moves a face to other ages, (P, L, D)."""
    ages = torch.tensor(_PATH_AGES, device=code.device)
    count = len(ages)
    crops, codes = crop.expand(count, -1, -1, -1), code.expand(count, -1, -1)
    return prior.ageing_offset(crops, codes, torch.full_like(ages, age), ages)


def without(directions: Tensor, taken_out: Tensor) -> Tensor:
    """Projects directions (K, L, D) onto what is orthogonal to all of `taken_out` (P, L, D)."""
    basis, _ = torch.linalg.qr(taken_out.flatten(1).double().t())
    flat = directions.flatten(1).double()
    return (flat - (flat @ basis) @ basis.t()).view_as(directions).to(directions.dtype)
