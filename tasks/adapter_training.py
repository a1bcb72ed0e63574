"""The training loop of a personal adapter: which photographs a step sees, and what it descends.

Resumes exactly: what step s sees depends on the seed and s alone, and a checkpoint holds weights
and optimiser. A loss that is no number, or that runs away, stops the loop; the last checkpoint is
kept, as it was written before.

Shapes: N photographs, B batch, R crop size, L layers, D latent size, E embedding size.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
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
from models.ageing.reference_set import ReferenceSet
from models.ageing.targets import AgeRange, draw_targets
from models.ranger import Ranger
from models.training import descend_all, run_loop, scheduled_rate, to_crops
from reage.errors import TrainingError
from tasks.gpu import device

SAVE_EVERY = 50  # steps; on two cores half a minute to a minute
_ENCODED_AT_ONCE = 16
_DIVERGENCE = 20.0  # times the best running mean
_MEMORY = 0.95  # of the running mean

Losses = Mapping[str, float]
Report = Callable[[int, int, Losses], None]  # step, steps, means of the terms


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """A person's photographs as the networks see them, each also mirrored.

    Attributes:
        crops: float32, (2 N, 3, R, R), [-1, 1]; row n + N mirrors row n.
        ages: Years, (2 N,).
        codes: w_plus, (2 N, L, D).
        embeddings: Unit, (2 N, E).
    """

    crops: Tensor
    ages: Tensor
    codes: Tensor
    embeddings: Tensor

    @classmethod
    @torch.no_grad()
    def of(
        cls, prior: Prior, critics: Critics, crops: NDArray[np.uint8], ages: NDArray[np.floating]
    ) -> "PhotoSet":
        """Encodes crops (N, R, R, 3) with ages (N,), years, once for the whole training."""
        upright = to_crops(crops).to(device())
        both = torch.cat([upright, upright.flip(3)])
        parts = both.split(_ENCODED_AT_ONCE)
        return cls(
            crops=both,
            ages=torch.from_numpy(np.asarray(ages, np.float32)).to(device()).repeat(2),
            codes=torch.cat([prior.encode(part) for part in parts]),
            embeddings=torch.cat([critics.embed(part) for part in parts]),
        )

    @property
    def range(self) -> AgeRange:
        """The ages that the photographs cover."""
        return AgeRange.covering(self.ages.tolist())

    def batch(self, rows: Tensor) -> PhotoBatch:
        """Returns some rows."""
        return PhotoBatch(
            crops=self.crops[rows],
            ages=self.ages[rows],
            codes=self.codes[rows],
            embeddings=self.embeddings[rows],
        )


class _Turns:
    """A generator that is turned to a step."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.generator = torch.Generator()

    def at(self, step: int) -> None:
        words = np.random.SeedSequence([self._seed, step]).generate_state(2, np.uint32)
        self.generator.manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


@dataclass
class _Watch:
    """Stops a training whose loss is no number or runs away."""

    mean: float = math.nan
    best: float = math.inf

    def see(self, step: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"step {step}: loss: got {loss}, expected a finite number; the state before is "
                "kept: lower the learning rate and run again"
            )
        self.mean = loss if math.isnan(self.mean) else _MEMORY * self.mean + (1 - _MEMORY) * loss
        self.best = min(self.best, self.mean)
        if self.mean > _DIVERGENCE * self.best:
            raise TrainingError(
                f"step {step}: loss: got a running mean of {self.mean:.3g}, expected at most "
                f"{_DIVERGENCE:g} times its best ({self.best:.3g}); the state before is kept: "
                "lower the learning rate and run again"
            )


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
    watch: _Watch = field(default_factory=_Watch)

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
            checkpoint: Written every `SAVE_EVERY` steps; a finished one is only loaded.
            report: Told of every step.

        Raises:
            TrainingError: The loss is no number or runs away; `checkpoint` is from before.
        """
        losses: dict[str, float] = {}
        run_loop(
            checkpoint,
            lambda number: losses.update(self.step(number)),
            steps=self.recipe.steps,
            draw=self.turns,
            parts=self.parts,
            optimisers=[self.optimiser],
            report=lambda _stage, done, steps: report(done, steps, losses),
            save_every=SAVE_EVERY,
        )

    def __post_init__(self) -> None:
        self.turns = _Turns(self.recipe.seed)
        rate = self.recipe.learning_rate
        learnt = [p for part in self.parts.values() for p in part.parameters() if p.requires_grad]
        self.optimiser: torch.optim.Optimizer = (
            Ranger(learnt, lr=rate)
            if self.recipe.optimiser == "ranger"
            else torch.optim.AdamW(learnt, lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
        )
        half = len(self.photos.ages) // 2
        self._objective = AgeingObjective(
            self.recipe.objective,
            self.critics,
            latent_average=latent_average(self.prior),
            references=ReferenceSet(self.photos.embeddings[:half], self.photos.ages[:half]),
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
        aged = ageing_pass(self.prior, self.personal, photos, target_age, mode)
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
