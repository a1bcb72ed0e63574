"""One increment: new photographs, each batch paired with rehearsed ones of equal weight.

Whatever is personal is updated through `Learner`: a generator's weights, low-rank weights, an
adapter. What step s sees depends on the seed and s alone.
Source: the working code of Wang et al. 2025, "Continual Learning of Personalized Generative Face
Models with Experience Replay": Adam, two new photographs a step and as many of an endless shuffled
round of the buffer.

Shapes: N photographs, B batch, R crop size, L style layers, D latent size.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from models.ageing.personal_pass import PhotoBatch
from models.training import Report, Terms, run_loop

_NEW, _KEPT, _CHANCE = range(3)  # set the draws apart from one another


class Learner(Protocol):
    """What of a person's model an increment updates."""

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """The networks that learn, by name in a checkpoint; what in them wants gradients learns."""

    def codes(self, crops: Tensor) -> Tensor:
        """Returns the codes (B, L, D) that buffers are chosen by, of crops (B, 3, R, R)."""

    def loss(self, photos: PhotoBatch, *, generator: torch.Generator) -> Tensor:
        """Returns the mean loss of photographs; all chance comes from `generator`, on the CPU."""


@dataclass(frozen=True, kw_only=True)
class UpdateRecipe:
    """How an increment is learnt; the rate and the batch are the published ones.

    Attributes:
        steps: Of the optimiser.
        batch_size: New photographs a step, and rehearsed ones beside them.
        learning_rate: Of Adam.
        betas: Of Adam.
        seed: Of everything that is drawn.
    """

    steps: int
    batch_size: int = 2
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.999)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"UpdateRecipe.{name}: got {getattr(self, name)}, expected above 0"
                )

    def plain(self) -> dict[str, Any]:
        """Returns the recipe as JSON values."""
        return asdict(self)


class Rounds:
    """An endless supply of rows: round after round of all of them, each shuffled anew.

    Args of the constructor:
        count: Rows, at least one.
        size: Rows a step.
        seed: Of the shuffling.
    """

    def __init__(self, count: int, size: int, seed: list[int]) -> None:
        self._count, self._size, self._seed = count, size, seed

    def at(self, step: int) -> Tensor:
        """Returns the rows of a step, int64, (size,)."""
        places = np.arange(step * self._size, (step + 1) * self._size)
        rounds, offsets = np.divmod(places, self._count)
        orders = {n: self._order(n) for n in np.unique(rounds).tolist()}
        rows = [orders[n][k] for n, k in zip(rounds.tolist(), offsets.tolist(), strict=True)]
        return torch.tensor(rows)

    def _order(self, number: int) -> list[int]:
        rng = np.random.default_rng([*self._seed, number])
        order: list[int] = rng.permutation(self._count).tolist()
        return order


class Rehearsal:
    """Which new and which rehearsed photographs a step sees.

    Args of the constructor:
        new: How many new photographs there are.
        kept: How many the buffer has.

    Attributes:
        new_rows: Of the step that was turned to, (B,).
        kept_rows: Likewise, of the buffer; None where it is empty.
        generator: For whatever else the step draws.
    """

    def __init__(self, new: int, kept: int, *, batch_size: int, seed: int) -> None:
        if not new:
            raise ValueError("increment: new photographs: got 0, expected at least 1")
        self._seed = seed
        self._new = Rounds(new, batch_size, [seed, _NEW])
        self._kept = Rounds(kept, batch_size, [seed, _KEPT]) if kept else None
        self.generator = torch.Generator()
        self.at(0)

    def at(self, step: int) -> None:
        """Turns to a step."""
        self.new_rows = self._new.at(step)
        self.kept_rows = None if self._kept is None else self._kept.at(step)
        chance = np.random.default_rng([self._seed, _CHANCE, step])
        self.generator.manual_seed(int(chance.integers(2**62)))


def learn_increment(
    learner: Learner,
    new: PhotoBatch,
    kept: PhotoBatch | None,
    recipe: UpdateRecipe,
    *,
    checkpoint: Path,
    report: Report,
) -> None:
    """Updates a learner, in place, on an increment and on what is rehearsed with it.

    The learner's parts are as the increment before left them; the optimiser starts anew.

    Args:
        learner: What is updated.
        new: The increment's photographs.
        kept: The buffer's, or None.
        recipe: How.
        checkpoint: Of this increment; one that is there is gone on from, a finished one only
            loaded.
        report: Told of every step and its losses, `new` and `rehearsed`; what it raises stops the
            update, and the checkpoint is from before.

    Raises:
        ValueError: There is no new photograph.
    """
    held = 0 if kept is None else len(kept.ages)
    rehearsal = Rehearsal(len(new.ages), held, batch_size=recipe.batch_size, seed=recipe.seed)
    learnt = [p for part in learner.parts.values() for p in part.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learnt, lr=recipe.learning_rate, betas=recipe.betas)

    def step(_number: int) -> Terms:
        optimiser.zero_grad()
        pairs = {"new": (new, rehearsal.new_rows)}
        if kept is not None and rehearsal.kept_rows is not None:
            pairs["rehearsed"] = (kept, rehearsal.kept_rows)
        terms = {}
        for name, (photos, rows) in pairs.items():
            batch = photos.rows(rows.to(photos.ages.device))
            loss = learner.loss(batch, generator=rehearsal.generator)
            loss.backward()  # gradients of both add up
            terms[name] = float(loss.detach())
        optimiser.step()
        return terms

    run_loop(
        checkpoint,
        step,
        steps=recipe.steps,
        draw=rehearsal,
        parts=learner.parts,
        optimisers=[optimiser],
        report=report,
    )
