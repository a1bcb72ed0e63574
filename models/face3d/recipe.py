"""How a person's face in three dimensions is trained; My3DGen's settings by default."""

from dataclasses import asdict, dataclass, field
from typing import Any

from models.continual.rehearsal import UpdateRecipe
from models.face3d.projection import ProjectionRecipe
from models.lora.layer import LoRAConfig

BETAS = (0.0, 0.99**0.8)  # of Adam: 0 and 0.99, corrected for regularising every fourth step
PUBLISHED_RATE = 0.0025 * 4 / 5


@dataclass(frozen=True, kw_only=True)
class Face3DRecipe:
    """How.

    Attributes:
        low_rank: Size of the low-rank weights.
        projection: How anchors are found.
        steps: Of the optimiser; published: 125,000 of 4 pictures on each of 4 GPUs.
        batch_size: Photographs a step.
        learning_rate: Of Adam.
        seed: Of everything that is drawn.
    """

    low_rank: LoRAConfig = field(default_factory=LoRAConfig)
    projection: ProjectionRecipe = field(default_factory=ProjectionRecipe)
    steps: int = 1000
    batch_size: int = 4
    learning_rate: float = PUBLISHED_RATE
    seed: int = 0

    def update(self) -> UpdateRecipe:
        """Returns the training as an increment, the first where nothing is rehearsed."""
        return UpdateRecipe(
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            betas=BETAS,
            seed=self.seed,
        )

    def plain(self) -> dict[str, Any]:
        """Returns it in plain values, for keys and records."""
        return asdict(self)
