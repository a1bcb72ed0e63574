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
from torch import nn

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
from models.ranger import Ranger
from models.training import descend_all, run_loop, scheduled_rate
from tasks.gpu import device
from tasks.latent_lesson import LatentLesson
from tasks.photo_set import PhotoSet
from tasks.training_watch import Turns, Watch

SAVE_EVERY = 50  # steps; on two cores half a minute to a minute

Losses = Mapping[str, float]
Report = Callable[[int, int, Losses], None]  # step, steps, means of the terms


def new_adapter(prior: Prior, recipe: AdapterRecipe) -> Adapter:
    """Returns an untrained adapter for a prior's latents, the same for the same seed."""
    torch.manual_seed(recipe.seed)
    config = AdapterConfig(
        num_layers=prior.config.num_layers,
        latent_size=prior.config.latent_size,
        is_zero_at_start=recipe.is_zero_at_start,
    )
    return Adapter(config).to(device())


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
    """

    prior: Prior
    critics: Critics
    personal: Personal
    parts: Mapping[str, nn.Module]
    photos: PhotoSet
    recipe: AdapterRecipe
    watch: Watch = field(default_factory=Watch)

    @classmethod
    def of_adapter(
        cls,
        prior: Prior,
        critics: Critics,
        adapter: Adapter,
        photos: PhotoSet,
        recipe: AdapterRecipe,
    ) -> "School":
        """Returns the school of an adapter."""
        return cls(
            prior, critics, AdaptedLatents(prior, adapter), {"adapter": adapter}, photos, recipe
        )

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
        adapter, path = self.parts.get("adapter"), self._path
        before = self.recipe.latent_steps
        if not isinstance(adapter, Adapter) or path is None or not before:
            return 0
        if not checkpoint.is_file():
            total = before + self.recipe.steps
            lesson = LatentLesson(adapter, self.photos, path, self._limits, self.recipe)
            lesson.run(
                checkpoint.with_stem(f"{checkpoint.stem}-latents"),
                lambda done, _steps, losses: report(done, total, losses),
            )
        return before

    def __post_init__(self) -> None:
        self.turns = Turns(self.recipe.seed)
        rate = self.recipe.learning_rate
        learnt = [p for part in self.parts.values() for p in part.parameters() if p.requires_grad]
        self.optimiser: torch.optim.Optimizer = (
            Ranger(learnt, lr=rate)
            if self.recipe.optimiser == "ranger"
            else torch.optim.AdamW(learnt, lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
        )
        window = self.recipe.objective.window_years
        self._path = self.photos.path(self.prior, window_years=window)
        self._objective = AgeingObjective(
            self.recipe.objective,
            self.critics,
            latent_average=latent_average(self.prior),
            references=self.photos.references(),
            training_range=self.photos.range,
        )
        config, own = self.prior.config, self.photos.range
        self._limits = AgeRange(config.min_age, config.max_age) if self.recipe.extrapolates else own

    def step(self, number: int) -> dict[str, float]:
        """Does step `number`; returns the mean of each term before weighting, and the total."""
        recipe, photos = self.recipe, self._drawn()
        target_age, mode = draw_targets(
            photos.ages,
            training=self.photos.range,
            limits=self._limits,
            generator=self.turns.generator,
            one_mode_a_batch=recipe.one_mode_a_batch,
        )
        self.optimiser.zero_grad()
        aged = ageing_pass(self.prior, self.personal, photos, target_age, mode, wanted=self._path)
        losses = self._descend_on(number, aged, 1.0)
        if recipe.cycle:
            back = cycle_pass(
                self.prior, self.personal, photos, aged, keeps_mode=recipe.cycle_keeps_mode
            )
            self._descend_on(number, back, recipe.cycle)
        descend_all(self.optimiser, learning_rate=self._rate(number), largest_norm=self._clip())
        return losses

    def _drawn(self) -> PhotoBatch:
        count, size = len(self.photos.ages), (self.recipe.batch_size,)
        return self.photos.batch(torch.randint(count, size, generator=self.turns.generator))

    def _descend_on(self, number: int, batch: AgedBatch, weight: float) -> dict[str, float]:
        judged = self._objective(batch)
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
