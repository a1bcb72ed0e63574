"""MyTimeMachine's adapter as what an increment updates.

Source: Qu et al. 2025, "MyTimeMachine"; see models/ageing/personal_pass.py.

Shapes: B batch, R crop size, L style layers, D latent size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.ageing.adapter import Adapter
from models.ageing.objectives import AgeingObjective
from models.ageing.personal_pass import (
    AdaptedLatents,
    PhotoBatch,
    Wanted,
    ageing_pass,
    cycle_pass,
)
from models.ageing.prior import Prior
from models.ageing.targets import AgeRange, draw_targets


@dataclass(frozen=True, eq=False)
class PersonalAdapter:
    """Schools an adapter on photographs, new or rehearsed; a `Learner`.

    Attributes:
        prior: The general prior, frozen.
        adapter: What learns.
        objective: With references and training range of all photographs at hand.
        limits: Ages that may be asked for.
        cycle: Weight of the second pass, which brings the aged face back to its photograph.
        wanted: The person's own path, where it is followed.
    """

    prior: Prior
    adapter: Adapter
    objective: AgeingObjective
    limits: AgeRange
    cycle: float = 1.0
    wanted: Wanted | None = None

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The adapter."""
        return {"adapter": self.adapter}

    @torch.no_grad()
    def codes(self, crops: Tensor) -> Tensor:
        """Returns the general prior's codes (B, L, D) of crops (B, 3, R, R)."""
        return self.prior.encode(crops)

    def loss(self, photos: PhotoBatch, *, generator: torch.Generator) -> Tensor:
        """Returns the mean of MyTimeMachine's loss at target ages that are drawn."""
        target_age, mode = draw_targets(
            photos.ages,
            training=self.objective.training_range,
            limits=self.limits,
            generator=generator,
        )
        personal = AdaptedLatents(self.prior, self.adapter)
        aged = ageing_pass(self.prior, personal, photos, target_age, mode, wanted=self.wanted)
        total = self.objective(aged).total
        if not self.cycle:
            return total
        back = cycle_pass(self.prior, personal, photos, aged, keeps_mode=False)
        return total + self.cycle * self.objective(back).total
