"""Where a person's own photographs say that a face of theirs goes with age.

Between the ages of the photographs a face moves as the mean of the person's anchors does, and keeps
what sets it apart from that mean: pose, expression, light. Beyond them it goes on from there as the
general prior ages it.

Shapes: B batch, L style layers, D latent size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.ageing.anchors import Anchors
from models.ageing.personal_pass import PhotoBatch, general_latents
from models.ageing.prior import Prior
from models.ageing.targets import AgeRange


@dataclass(frozen=True, eq=False)
class PersonalPath:
    """A person's path of ageing in a prior's latent space.

    Attributes:
        prior: The general prior.
        anchors: Of the person's photographs.
        training_range: The ages that these cover.
        window_years: Deviation of the Gaussian that photographs weigh by.
    """

    prior: Prior
    anchors: Anchors
    training_range: AgeRange
    window_years: float

    @torch.no_grad()
    def __call__(self, photos: PhotoBatch, target_age: Tensor, general: Tensor) -> Tensor:
        """Returns the latents (B, L, D) of photographs on the path.

        At a photograph's own age that is the photograph's anchor.

        Args:
            photos: With anchors.
            target_age: Years, (B,).
            general: The general prior's latents there, (B, L, D).

        Raises:
            ValueError: The photographs come without anchors.
        """
        if photos.anchors is None:
            raise ValueError("photos.anchors: got None, expected the photographs' anchors")
        known = self.training_range
        inside = target_age.clamp(known.low, known.high)
        moved = photos.anchors + (self._centre(inside) - self._centre(photos.ages))
        beyond = (inside != target_age).nonzero()[:, 0]
        if not len(beyond):
            return moved
        from_there = general_latents(self.prior, photos.rows(beyond), inside[beyond])
        return moved.index_add(0, beyond, general[beyond] - from_there)

    def _centre(self, ages: Tensor) -> Tensor:
        return self.anchors.centre(ages, window_years=self.window_years)
