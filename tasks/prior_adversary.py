"""Training a prior against a discriminator: re-aged pictures must look real *for their age*.

No age regressor's opinion enters the loss: regressors are fooled at once and with them their
relatives.

Shapes: B batch, C channels, H W R pixels, N faces, M cells.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.ageing.compact_prior import CompactPrior
from models.ageing.recipe import AdversarySettings, Phases, PriorRecipe
from models.losses import feature_distance, pyramid_l1
from models.ops.shrink import shrunk
from models.training import AveragedWeights, Draw, Report, Terms, run_loop, scheduled_rate
from reage.face_set import FaceSet
from reage.training_curve import CURVE_NAME, StageCurve
from tasks.gpu import mixed_precision
from tasks.prior_discriminators import Discriminators
from tasks.prior_game import (
    Batch,
    Sampler,
    border_ramp,
    change_terms,
    descend_weighted,
    without_momentum,
)
from tasks.prior_preview import AGES, PriorPreview


class Adversary:
    """Networks and optimisers of the stage; one call of `step` is one step of both players."""

    def __init__(self, prior: CompactPrior, settings: AdversarySettings) -> None:
        self.prior = prior
        self.players = nn.ModuleDict(
            {"encoder": prior.encoder, "synthesis": prior.synthesis, "personal": prior.personal}
        ).requires_grad_(True)
        self.discriminators = Discriminators(prior)
        picture = [*prior.encoder.parameters(), *prior.synthesis.parameters()]
        self.optimiser = without_momentum(picture, list(prior.personal.parameters()))
        self.discriminator_optimiser = without_momentum(*self.discriminators.parameter_groups())
        self.enter(settings)

    def enter(self, settings: AdversarySettings) -> None:
        """Goes over to another phase; weights and optimisers are kept."""
        self.settings = settings
        self._seen_size = settings.seen_size or settings.size
        groups = self.optimiser.param_groups + self.discriminator_optimiser.param_groups
        rates = (
            settings.learning_rate,
            settings.personal_rate,
            settings.trunk_rate,
            settings.head_rate,
        )
        self._rates = list(zip(groups, rates, strict=True))

    def step(
        self, batch: Batch, *, rate: float, generator: torch.Generator, alone: bool = False
    ) -> dict[str, float]:
        """Moves both players once, or the discriminators `alone`. Returns the terms.

        `rate` scales all learning rates.
        """
        for group, full in self._rates:
            group["lr"] = full * rate
        source, change, result = self._render(batch)
        told = self._teach_discriminators(batch, result.detach(), generator)
        if alone:
            return told
        return told | self._teach_players(batch, source, change, result, generator)

    def _render(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        config, ages = self.prior.config, batch.source_ages
        ages = ages.clamp(config.min_age, config.max_age)
        with mixed_precision(batch.crops):
            w_plus = self.prior.encoder(batch.crops)
            offset = self.prior.path(ages, batch.target_ages, cell_weights=batch.cells)
            offset = offset + self.prior.personal(
                w_plus, ages, batch.target_ages, cell_weights=batch.cells
            )
            latents = torch.cat([w_plus, w_plus + offset])
            source, aged = self.prior.synthesis(latents, size=self.settings.size).chunk(2)
        change = (aged - source) * border_ramp(source.shape[-1])
        result = (shrunk(batch.crops, source.shape[-1]) + change).clamp(-1, 1)
        return source, change, result.contiguous(memory_format=torch.channels_last)

    def _teach_discriminators(
        self, batch: Batch, result: Tensor, generator: torch.Generator
    ) -> dict[str, float]:
        self.discriminators.requires_grad_(True)
        loss, told = self.discriminators.loss(
            batch.real, result, batch.target_ages, seen_size=self._seen_size, generator=generator
        )
        self.discriminator_optimiser.zero_grad()
        loss.backward()
        self.discriminator_optimiser.step()
        self.discriminators.requires_grad_(False)
        return told

    def _teach_players(
        self,
        batch: Batch,
        source: Tensor,
        change: Tensor,
        result: Tensor,
        generator: torch.Generator,
    ) -> dict[str, float]:
        weights, prior = self.settings, self.prior
        crops = shrunk(batch.crops, result.shape[-1])
        scores = self.discriminators.judge(
            result, batch.target_ages, seen_size=self._seen_size, generator=generator
        )
        with mixed_precision(result):
            likeness = (prior.embedder(crops).detach() * prior.embedder(result)).sum(dim=1)
            with torch.no_grad():
                wanted = prior.regressor.trunk(crops)[:2]
            got = prior.regressor.trunk(source)[:2]
        terms = {
            "adversarial": (weights.adversarial, -scores["whole"]),
            "reconstruction": (weights.reconstruction, pyramid_l1(crops, source)),
            "features": (weights.features, feature_distance(wanted, got)),
            "identity": (weights.identity, 1 - likeness.mean()),
        }
        return descend_weighted(self.optimiser, terms | change_terms(weights, change))


def train_adversary(
    prior: CompactPrior,
    faces: FaceSet,
    recipe: PriorRecipe,
    folder: Path,
    report: Report,
    *,
    readings: tuple[Tensor, Tensor],
) -> None:
    """Trains encoder, synthesis and personal offset against a discriminator that sees age.

    Args:
        prior: With its path fitted.
        faces: N of them.
        recipe: Its phases of this stage; with none, nothing is done.
        folder: Of the checkpoints.
        report: Told of progress.
        readings: Apparent ages (N,) and cell weights (N, M) of all faces.
    """
    if not recipe.adversary:
        return
    phases = Phases(recipe.adversary)
    draw = Draw(faces.crops, faces.ages, faces.training, seed=recipe.seed, stage="adversary")
    game = Adversary(prior, recipe.adversary[0])
    averaged = AveragedWeights(game.players, decay=0.995)
    sampler = Sampler(faces, draw, *readings)
    preview = PriorPreview(prior, faces, folder, ages=AGES)

    def step(number: int) -> Terms:
        settings, since, remaining = phases.at(number)
        game.enter(settings)
        rate = scheduled_rate(since, remaining, decay_share=0.35)
        terms = game.step(
            sampler.batch(settings),
            rate=rate,
            generator=draw.generator,
            alone=since < settings.warm_up,
        )
        averaged.update(game.players, step=number)
        return terms

    networks = {"players": game.players, "averaged": averaged.network}
    run_loop(
        folder / "adversary.pt",
        step,
        steps=phases.steps,
        draw=draw,
        parts=networks | {"discriminators": game.discriminators},
        optimisers=[game.optimiser, game.discriminator_optimiser],
        report=StageCurve(folder / CURVE_NAME, report, phase_of=phases.number),
        saved=lambda done: preview.draw(averaged.network, "adversary", done),
    )
    game.players.load_state_dict(averaged.network.state_dict())
    game.players.eval().requires_grad_(False)
