"""An actor who does not exist, whose ageing is known: a face of a prior, and a personal offset.

The face lies on the prior's own path, plus what the prior cannot know: a drift in w+ that grows
with age along directions of this actor's own. An adapter trained on the actor's pictures is right
as far as it finds that drift. Directions in which the prior ages faces, and those that tint or
lighten whole faces, are taken out of it, and the actor goes along the prior's path as fast as it
takes to look, to the prior's own eye, as old as they are.

Shapes: A ages, K directions, L style layers, D latent size, R crop size, S synthesis size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from models.ageing.path import colour_directions
from models.ageing.prior import Prior
from models.shapes import check_shape

_MIDDLE, _HALF_SPAN = 50.0, 20.0  # years; the drift is 0 in the middle
PACE_AGES = torch.linspace(18.0, 90.0, 13)  # years
_PACE_STEPS = 25
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
        path_ages: Where on the prior's path the actor is at `PACE_AGES`, years, (P,).
    """

    prior: Prior
    crop: Tensor
    code: Tensor
    age: float
    directions: Tensor
    path_ages: Tensor

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
        directions = amount * without(apart, torch.cat([ageing, colour]))
        even = cls(prior, crop, code, age, directions, PACE_AGES.to(code))
        return replace(even, path_ages=even._pace())

    def _pace(self) -> Tensor:
        """Returns where on the path the actor looks as old as each of `PACE_AGES`, rising."""
        config = self.prior.config
        places = torch.linspace(config.min_age, config.max_age, _PACE_STEPS).to(self.code)
        chosen = []
        for years in PACE_AGES.tolist():
            asked = torch.full_like(places, years)
            pictures = self._decoded(self._along(places) + self.drift(asked))
            error = (self.prior.estimate_age(pictures) - years).abs()
            chosen.append(places[error.argmin()])
        return torch.stack(chosen).cummax(dim=0).values

    @torch.no_grad()
    def latents(self, ages: Tensor) -> Tensor:
        """Returns the true latents (A, L, D) at ages (A,), years."""
        check_shape("ages", ages, "A")
        known = PACE_AGES.to(ages)
        above = torch.searchsorted(known, ages).clamp(1, len(known) - 1)
        low, high = known[above - 1], known[above]
        share = ((ages - low) / (high - low)).clamp(0, 1)
        places = torch.lerp(self.path_ages[above - 1], self.path_ages[above], share)
        return self._along(places) + self.drift(ages)

    def _along(self, places: Tensor) -> Tensor:
        """Returns the identity's latents (A, L, D) on the prior's path at places (A,), years."""
        count = len(places)
        crops, codes = self.crop.expand(count, -1, -1, -1), self.code.expand(count, -1, -1)
        source = torch.full_like(places, self.age)
        return codes + self.prior.ageing_offset(crops, codes, source, places)

    def _decoded(self, latents: Tensor) -> Tensor:
        pictures = torch.cat([self.prior.decode(w) for w in latents.split(8)])
        size = self.prior.config.crop_size
        return F.adaptive_avg_pool2d(pictures, size).clamp(-1, 1)

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
            [
                self.prior.difference(before, self.prior.decode(w[None]), self.crop)
                for w in self.latents(ages)
            ]
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
