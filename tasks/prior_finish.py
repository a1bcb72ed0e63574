"""Training the finish: a prior's decoded changes are drawn anew on the photographs' own features.

All else of the prior is frozen. Two discriminators judge the photograph with its finished change:
one the whole face, one windows at full size, which it has learnt to read ages from before. What
the finish may not do is another face: seen from afar, its change is the decoded one, so that a
person's own way of ageing goes through it.

Shapes: B batch, R pixels, N faces, M cells.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.ageing.compact_prior import CompactPrior
from models.ageing.recipe import FinishSettings, Phases, PriorRecipe
from models.ageing.window_reader import WindowReader
from models.losses import age_distribution_loss
from models.ops.shrink import shrunk
from models.training import (
    AveragedWeights,
    Draw,
    Report,
    Terms,
    augment,
    descend,
    run_loop,
    scheduled_rate,
)
from reage.face_set import FaceSet
from reage.training_curve import CURVE_NAME, StageCurve
from tasks.gpu import mixed_precision
from tasks.prior_discriminators import SEEN_FINE, Discriminators, new_reader, windows
from tasks.prior_game import (
    Batch,
    Sampler,
    Weighted,
    border_ramp,
    change_terms,
    descend_weighted,
    without_momentum,
)
from tasks.prior_preview import AGES, PriorPreview

AFAR = 16  # pixels across, at which a finished change must be the decoded one


class Finishing:
    """Networks and optimisers of the stage; one call of `step` is one step of both players."""

    def __init__(self, prior: CompactPrior, reader: WindowReader, settings: FinishSettings) -> None:
        if prior.finish is None:
            raise ValueError("prior.finish: got none, expected a prior whose config names channels")
        self.prior = prior
        self.finish = prior.finish.requires_grad_(True)
        self.discriminators = Discriminators(prior, reader, mismatched=settings.mismatched)
        self.optimiser = without_momentum(list(self.finish.parameters()))
        groups = [{"params": group} for group in self.discriminators.parameter_groups()]
        self.discriminator_optimiser = torch.optim.Adam(groups, betas=(0.5, 0.99))
        self.enter(settings)

    def enter(self, settings: FinishSettings) -> None:
        """Goes over to another phase; weights and optimisers are kept."""
        self.settings = settings
        groups = self.optimiser.param_groups + self.discriminator_optimiser.param_groups
        rates = (settings.learning_rate, settings.trunk_rate, settings.head_rate)
        self._rates = list(zip(groups, rates, strict=True))

    def step(
        self, batch: Batch, *, rate: float, generator: torch.Generator, alone: bool = False
    ) -> dict[str, float]:
        """Moves both players once, or the discriminators `alone`. Returns the terms.

        `rate` scales all learning rates.
        """
        for group, full in self._rates:
            group["lr"] = full * rate
        source, aged = self._decoded(batch)
        with mixed_precision(source), torch.set_grad_enabled(not alone):
            finished = 2 * self.prior.difference(source, aged, batch.crops)
        change = finished * border_ramp(finished.shape[-1])
        result = (batch.crops + change).clamp(-1, 1).contiguous(memory_format=torch.channels_last)
        told = self._teach_discriminators(batch, result.detach(), generator)
        if alone:
            return told
        scores = self.discriminators.judge(
            result, batch.target_ages, seen_size=self.settings.seen_size, generator=generator
        )
        terms = self._terms(batch, finished, aged - source, change, result)
        weights = self.settings
        terms = terms | {
            "adversarial": (weights.adversarial, -scores["whole"]),
            "fine": (weights.fine, -scores["fine"]),
        }
        return told | descend_weighted(self.optimiser, terms)

    @torch.no_grad()
    def _decoded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Synthesises crops (B, 3, R, R) at the source ages and at the target ages."""
        prior, crops = self.prior, batch.crops
        with mixed_precision(crops):
            w_plus = prior.encoder(crops)
            offset = prior.ageing_offset(crops, w_plus, batch.source_ages, batch.target_ages)
            source, aged = prior.synthesis(torch.cat([w_plus, w_plus + offset])).chunk(2)
        return source, aged

    def _teach_discriminators(
        self, batch: Batch, result: Tensor, generator: torch.Generator
    ) -> dict[str, float]:
        self.discriminators.requires_grad_(True)
        loss, told = self.discriminators.loss(
            batch.real,
            result,
            batch.target_ages,
            seen_size=self.settings.seen_size,
            generator=generator,
        )
        self.discriminator_optimiser.zero_grad()
        loss.backward()
        self.discriminator_optimiser.step()
        self.discriminators.requires_grad_(False)
        return told

    def _terms(
        self, batch: Batch, finished: Tensor, decoded: Tensor, change: Tensor, result: Tensor
    ) -> Weighted:
        weights, embedder = self.settings, self.prior.embedder
        with mixed_precision(result):
            with torch.no_grad():
                own = embedder(batch.crops)
            likeness = (own * embedder(result)).sum(dim=1)
        grey = (shrunk(part, AFAR).mean(dim=1) for part in (finished, decoded))
        apart = torch.sub(*grey).abs().mean()
        return {
            "likeness to decoded": (weights.likeness_to_decoded, apart),
            "identity": (weights.identity, 1 - likeness.mean()),
            **change_terms(weights, change),
        }


def train_reader(
    reader: WindowReader, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains a reader of windows on those of training photographs."""
    stage = recipe.windows
    draw = Draw(faces.crops, faces.ages, faces.training, seed=recipe.seed, stage="windows")
    optimiser = torch.optim.AdamW(reader.parameters(), weight_decay=0.05)
    ages = torch.from_numpy(faces.ages).float()

    def step(number: int) -> Terms:
        rows = draw.rows(stage.batch_size, flatten=0.5)
        crops = augment(draw.crops(rows), SEEN_FINE, generator=draw.generator)
        seen, middles = windows(crops, draw.generator)
        with mixed_precision(seen):
            logits = reader(seen, middles)
        years = ages[rows].repeat(2)
        read = (logits.softmax(dim=1) * reader.years).sum(dim=1)
        loss = age_distribution_loss(logits, read, years, years=reader.years)
        rate = stage.learning_rate * scheduled_rate(number, stage.steps)
        descend(optimiser, loss, learning_rate=rate)
        return {"age": loss.item(), "years off": (read - years).abs().mean().item()}

    reader.train()
    run_loop(
        folder / "windows.pt",
        step,
        steps=stage.steps,
        draw=draw,
        parts={"reader": reader},
        optimisers=[optimiser],
        report=StageCurve(folder / CURVE_NAME, report),
    )
    reader.eval().requires_grad_(False)


def train_finish(
    prior: CompactPrior,
    faces: FaceSet,
    recipe: PriorRecipe,
    folder: Path,
    report: Report,
    *,
    readings: tuple[Tensor, Tensor],
) -> None:
    """Trains the finish of a prior that is trained otherwise.

    Args:
        prior: With its path fitted and its other networks trained.
        faces: N of them.
        recipe: Its phases of this stage; with none, nothing is done.
        folder: Of the checkpoints.
        report: Told of progress.
        readings: Apparent ages (N,) and cell weights (N, M) of all faces.
    """
    if not recipe.finish:
        return
    phases = Phases(recipe.finish)
    draw = Draw(faces.crops, faces.ages, faces.training, seed=recipe.seed, stage="finish")
    reader = new_reader(prior)
    train_reader(reader, faces, recipe, folder, report)
    game = Finishing(prior, reader, recipe.finish[0])
    players = nn.ModuleDict({"finish": game.finish})
    averaged = AveragedWeights(players, decay=0.995)
    sampler = Sampler(faces, draw, *readings)
    preview = PriorPreview(prior, faces, folder, ages=AGES)

    def step(number: int) -> Terms:
        settings, since, remaining = phases.at(number)
        game.enter(settings)
        terms = game.step(
            sampler.batch(settings),
            rate=scheduled_rate(since, remaining, decay_share=0.35),
            generator=draw.generator,
            alone=since < settings.warm_up,
        )
        averaged.update(players, step=number)
        return terms

    networks = {"players": players, "averaged": averaged.network}
    run_loop(
        folder / "finish.pt",
        step,
        steps=phases.steps,
        draw=draw,
        parts=networks | {"discriminators": game.discriminators},
        optimisers=[game.optimiser, game.discriminator_optimiser],
        report=StageCurve(folder / CURVE_NAME, report, phase_of=phases.number),
        saved=lambda done: preview.draw(averaged.network, "finish", done),
    )
    players.load_state_dict(averaged.network.state_dict())
    players.eval().requires_grad_(False)
