"""The training loop of a personal adapter: which photographs a step sees, and what it descends.

An adapter first has its lesson in latent space (latent_lesson.py), where the recipe says so.
Resumes exactly: what step s sees depends on the seed and s alone, and a checkpoint holds weights
and optimiser. A loss that is no number, or that runs away, stops the loop; the last checkpoint is
kept, as it was written before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from models.ageing.adapter import Adapter, AdapterConfig
from models.ageing.adapter_recipe import AdapterRecipe
from models.ageing.critics import latent_average
from models.ageing.objectives import AgedBatch, AgeingObjective, Critics
from models.ageing.personal_pass import (
    AdaptedLatents,
    Personal,
    PhotoBatch,
    ageing_pass,
    cycle_pass,
)
from models.ageing.prior import Prior
from models.ageing.targets import AgeRange, draw_targets
from models.continual.rehearsal import Rehearsal
from models.ranger import Ranger
from models.training import descend_all, run_loop, scheduled_rate
from tasks.gpu import device
from tasks.latent_lesson import LatentLesson
from tasks.photo_set import PhotoSet
from tasks.training_watch import Turns, Watch

SAVE_EVERY = 50  # steps; on two cores half a minute to a minute
UPDATES, UPDATES_BEGUN = "update", "updating"  # stages, finished and in progress

Losses = Mapping[str, float]
Report = Callable[[int, int, Losses], None]  # step, steps, means of the terms


def new_adapter(prior: Prior, recipe: AdapterRecipe) -> Adapter:
    """Returns an untrained adapter for a prior's latents, the same for the same seed."""
    config = AdapterConfig(
        num_layers=prior.config.num_layers,
        latent_size=prior.config.latent_size,
        is_zero_at_start=recipe.is_zero_at_start,
    )
    return untrained_adapter(config, seed=recipe.seed)


def untrained_adapter(config: AdapterConfig, *, seed: int) -> Adapter:
    """Returns what an adapter of a seed is before its training."""
    torch.manual_seed(seed)
    return Adapter(config).to(device())


class PairedTurns:
    """Steps whose photographs are new ones and as many rehearsed ones, each weighing alike.

    Args of the constructor:
        num_new: New photographs: the first of a `PhotoSet` before its mirrored half.
        num_kept: Rehearsed ones: those after them.
        recipe: `batch_size` of both together, at least 2, and `seed` count.
    """

    def __init__(self, num_new: int, num_kept: int, recipe: AdapterRecipe) -> None:
        self._num_new, self._num_kept = num_new, num_kept
        # Mirrored ones are photographs of their own.
        self._rehearsal = Rehearsal(
            2 * num_new, 2 * num_kept, batch_size=max(1, recipe.batch_size // 2), seed=recipe.seed
        )

    @property
    def generator(self) -> torch.Generator:
        """For whatever else a step draws."""
        return self._rehearsal.generator

    def at(self, step: int) -> None:
        """Turns to a step."""
        self._rehearsal.at(step)

    @property
    def rows(self) -> Tensor:
        """Rows of the step in the `PhotoSet`, new ones first, int64."""
        kept = self._rehearsal.kept_rows
        assert kept is not None
        new = self._placed(self._rehearsal.new_rows, 0, self._num_new)
        return torch.cat([new, self._placed(kept, self._num_new, self._num_kept)])

    def _placed(self, rows: Tensor, first: int, count: int) -> Tensor:
        half = self._num_new + self._num_kept
        return torch.where(rows < count, first + rows, half + first + rows - count)


@dataclass
class School:
    """Trains whatever makes a person's latents, in place.

    Attributes:
        prior: The general prior; frozen.
        critics: Frozen, too.
        personal: What is schooled.
        parts: The networks inside it, by name in the checkpoint.
        photos: Of one person.
        recipe: How.
        path: The person's own, None where nobody follows it.
        objective: What judges every pass.
        limits: Ages that may be asked for.
        pairs: Which photographs of a step are new and which rehearsed; None draws any.
    """

    prior: Prior
    critics: Critics
    personal: Personal
    parts: Mapping[str, nn.Module]
    photos: PhotoSet
    recipe: AdapterRecipe
    pairs: "PairedTurns | None" = None
    watch: Watch = field(default_factory=Watch)

    @classmethod
    def of_adapter(
        cls,
        prior: Prior,
        critics: Critics,
        adapter: Adapter,
        photos: PhotoSet,
        recipe: AdapterRecipe,
        pairs: "PairedTurns | None" = None,
    ) -> "School":
        """Returns the school of an adapter."""
        latents, parts = AdaptedLatents(prior, adapter), {"adapter": adapter}
        return cls(prior, critics, latents, parts, photos, recipe, pairs)

    def run(self, checkpoint: Path, report: Report) -> None:
        """Trains to the end, going on from `checkpoint` where there is one.

        Args:
            checkpoint: Written every `SAVE_EVERY` steps; a finished one is only loaded. The latent
                lesson has one of its own beside it.
            report: Told of every step of both.

        Raises:
            TrainingError: The loss is no number or runs away; `checkpoint` is from before.
        """
        before = self._have_latent_lesson(checkpoint, report)
        run_loop(
            checkpoint,
            self.step,
            steps=self.recipe.steps,
            draw=self.turns,
            parts=self.parts,
            optimisers=[self.optimiser],
            report=lambda _stage, done, steps, losses: report(
                before + done, before + steps, losses
            ),
            save_every=SAVE_EVERY,
        )

    def _have_latent_lesson(self, checkpoint: Path, report: Report) -> int:
        """Has it unless the pictures' part has begun; returns its steps, 0 where there is none."""
        adapter, path = self.parts.get("adapter"), self.path
        before = self.recipe.latent_steps
        if not isinstance(adapter, Adapter) or path is None or not before:
            return 0
        if not checkpoint.is_file():
            total = before + self.recipe.steps
            lesson = LatentLesson(adapter, self.photos, path, self.limits, self.recipe)
            lesson.run(
                checkpoint.with_stem(f"{checkpoint.stem}-latents"),
                lambda done, _steps, losses: report(done, total, losses),
            )
        return before

    def __post_init__(self) -> None:
        self.turns: Turns | PairedTurns = self.pairs or Turns(self.recipe.seed)
        rate = self.recipe.learning_rate
        learnt = [p for part in self.parts.values() for p in part.parameters() if p.requires_grad]
        self.optimiser: torch.optim.Optimizer = (
            Ranger(learnt, lr=rate)
            if self.recipe.optimiser == "ranger"
            else torch.optim.AdamW(learnt, lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
        )
        window = self.recipe.objective.window_years
        self.path = self.photos.path(self.prior, window_years=window)
        self.objective = AgeingObjective(
            self.recipe.objective,
            self.critics,
            latent_average=latent_average(self.prior),
            references=self.photos.references(),
            training_range=self.photos.range,
        )
        config, own = self.prior.config, self.photos.range
        self.limits = AgeRange(config.min_age, config.max_age) if self.recipe.extrapolates else own

    def step(self, number: int) -> dict[str, float]:
        """Does step `number`; returns the mean of each term before weighting, and the total."""
        recipe, photos = self.recipe, self._drawn()
        target_age, mode = draw_targets(
            photos.ages,
            training=self.photos.range,
            limits=self.limits,
            generator=self.turns.generator,
            one_mode_a_batch=recipe.one_mode_a_batch,
        )
        self.optimiser.zero_grad()
        aged = ageing_pass(self.prior, self.personal, photos, target_age, mode, wanted=self.path)
        losses = self._descend_on(number, aged, 1.0)
        if recipe.cycle:
            back = cycle_pass(
                self.prior, self.personal, photos, aged, keeps_mode=recipe.cycle_keeps_mode
            )
            self._descend_on(number, back, recipe.cycle)
        descend_all(self.optimiser, learning_rate=self._rate(number), largest_norm=self._clip())
        return losses

    def _drawn(self) -> PhotoBatch:
        size, generator = self.recipe.batch_size, self.turns.generator
        if self.pairs is not None:
            return self.photos.batch(self.pairs.rows)
        return self.photos.batch(torch.randint(len(self.photos.ages), (size,), generator=generator))

    def _descend_on(self, number: int, batch: AgedBatch, weight: float) -> dict[str, float]:
        judged = self.objective(batch)
        total = weight * judged.total
        self.watch.see(number, float(total.detach()))
        total.backward()
        means = {name: float(term.mean()) for name, term in judged.terms.items()}
        return {"total": float(total.detach()), **means}

    def _rate(self, number: int) -> float:
        recipe = self.recipe
        if recipe.optimiser == "ranger":
            return recipe.learning_rate
        return recipe.learning_rate * scheduled_rate(number, recipe.steps, warm_up=20)

    def _clip(self) -> float | None:
        return None if self.recipe.optimiser == "ranger" else 1.0
