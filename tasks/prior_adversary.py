"""Training a prior against a discriminator: re-aged pictures must look real *for their age*.

What is shown to the discriminator is the photograph plus the change, as in the pipeline, so that
ghosts and paint are caught where they would be seen. No age regressor's opinion enters the loss:
regressors are fooled at once and with them their relatives.

Shapes: B batch, C channels, H W R pixels, L layers, D latent size, M cells.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from models.ageing.age_discriminator import AgeDiscriminator
from models.ageing.compact_prior import CompactPrior
from models.ageing.recipe import AdversarySettings, Phases, PriorRecipe
from models.losses import (
    chroma,
    colour_shift_penalty,
    feature_distance,
    hinge_discriminator_loss,
    pyramid_l1,
    total_variation,
)
from models.ops.shrink import shrunk
from models.training import (
    Augmentation,
    AveragedWeights,
    Draw,
    Report,
    Terms,
    augment,
    run_loop,
    scheduled_rate,
)
from reage.face_set import FaceSet
from reage.training_curve import CURVE_NAME, StageCurve
from tasks.gpu import mixed_precision
from tasks.prior_preview import AGES, PriorPreview

SEEN = Augmentation(shift=0.05, turn=0.08, zoom=0.06, colour=0.06, soften=0.4, erase=0.3, noise=0)
FREE_SHIFT = 0.01  # mean shift of a channel, display units, that goes nearly unpunished


@dataclass(frozen=True)
class Batch:
    """What one step needs of B photographs to change and B real ones to compare with."""

    crops: Tensor  # (B, 3, R, R), [-1, 1]
    source_ages: Tensor  # (B,) years
    cells: Tensor  # (B, M)
    target_ages: Tensor  # (B,) years
    real: Tensor  # (B, 3, R, R)
    real_ages: Tensor  # (B,) years
    wrong_ages: Tensor  # (B,) years, far from real_ages


class Adversary:
    """Networks and optimisers of the stage; one call of `step` is one step of both players."""

    def __init__(self, prior: CompactPrior, settings: AdversarySettings) -> None:
        self.prior = prior
        config = prior.config
        self.players = nn.ModuleDict(
            {"encoder": prior.encoder, "synthesis": prior.synthesis, "personal": prior.personal}
        ).requires_grad_(True)
        self.discriminator = AgeDiscriminator(
            config.regressor.channels,
            blocks=config.regressor.blocks,
            min_age=config.min_age,
            max_age=config.max_age,
            scales=min(3, len(config.regressor.channels)),
        )
        self.discriminator.trunk.load_state_dict(prior.regressor.trunk.state_dict())
        self.discriminator.train()
        picture = [*prior.encoder.parameters(), *prior.synthesis.parameters()]
        personal = list(prior.personal.parameters())
        trunk, heads = self.discriminator.trunk, self.discriminator.heads
        self.optimiser = _optimiser(picture, personal)
        self.discriminator_optimiser = _optimiser(
            list(trunk.parameters()), list(heads.parameters())
        )
        self.enter(settings)

    def enter(self, settings: AdversarySettings) -> None:
        """Goes over to another phase; weights and optimisers are kept."""
        self.settings = settings
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
        """Moves both players once, or the discriminator `alone`. Returns the terms.

        `rate` scales all learning rates.
        """
        for group, full in self._rates:
            group["lr"] = full * rate
        source, change, result = self._render(batch)
        told = self._teach_discriminator(batch, result.detach(), generator)
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

    def _shown(self, crops: Tensor) -> Tensor:
        """Returns crops as the discriminator is shown them."""
        size = self.settings.seen_size or self.settings.size
        return crops if size is None else shrunk(crops, size)

    def _teach_discriminator(
        self, batch: Batch, result: Tensor, generator: torch.Generator
    ) -> dict[str, float]:
        self.discriminator.requires_grad_(True)
        with mixed_precision(result):
            seen = augment(self._shown(batch.real), SEEN, generator=generator)
            real, mismatched = self.discriminator(seen, batch.real_ages, batch.wrong_ages)
            seen = augment(self._shown(result), SEEN, generator=generator)
            (fake,) = self.discriminator(seen, batch.target_ages)
        loss = hinge_discriminator_loss(real, fake, mismatched)
        self.discriminator_optimiser.zero_grad()
        loss.backward()
        self.discriminator_optimiser.step()
        self.discriminator.requires_grad_(False)
        return {"real": real.mean().item(), "fake": fake.mean().item()}

    def _teach_players(
        self,
        batch: Batch,
        source: Tensor,
        change: Tensor,
        result: Tensor,
        generator: torch.Generator,
    ) -> dict[str, float]:
        weights, prior = self.settings, self.prior
        size = result.shape[-1]
        crops = shrunk(batch.crops, size)
        with mixed_precision(result):
            seen = augment(self._shown(result), SEEN, generator=generator)
            (score,) = self.discriminator(seen, batch.target_ages)
            likeness = (prior.embedder(crops).detach() * prior.embedder(result)).sum(dim=1)
            with torch.no_grad():
                wanted = prior.regressor.trunk(crops)[:2]
            got = prior.regressor.trunk(source)[:2]
        face = (slice(size // 6, size - size // 8), slice(size * 5 // 24, size - size * 5 // 24))
        terms = {
            "adversarial": (weights.adversarial, -score.mean()),
            "reconstruction": (weights.reconstruction, pyramid_l1(crops, source)),
            "features": (weights.features, feature_distance(wanted, got)),
            "extent": (weights.extent, change.abs().mean()),
            "variation": (weights.variation, total_variation(change)),
            "colour": (
                weights.colour,
                colour_shift_penalty(change / 2, face=face, free=FREE_SHIFT),
            ),
            "symmetry": (weights.symmetry, (change - change.flip(3)).abs().mean()),
            "eyes": (weights.eyes, (change.abs() * eye_weight(size)).mean()),
            "surroundings": (
                weights.surroundings,
                (change.abs() * surroundings_weight(size)).mean(),
            ),
            "chroma": (weights.chroma, chroma(change)),
            "identity": (weights.identity, 1 - likeness.mean()),
        }
        loss = torch.stack([weight * term for weight, term in terms.values()]).sum()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {name: term.item() for name, (_, term) in terms.items()}


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
    sampler = _Sampler(faces, draw, *readings)
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
        parts=networks | {"discriminator": game.discriminator},
        optimisers=[game.optimiser, game.discriminator_optimiser],
        report=StageCurve(folder / CURVE_NAME, report, phase_of=phases.number),
        saved=lambda done: preview.draw(averaged.network, "adversary", done),
    )
    game.players.load_state_dict(averaged.network.state_dict())
    game.players.eval().requires_grad_(False)


class _Sampler:
    """Draws batches of the stage."""

    def __init__(self, faces: FaceSet, draw: Draw, read_ages: Tensor, cells: Tensor) -> None:
        self._draw, self._read_ages, self._cells = draw, read_ages, cells
        self._ages = (read_ages + torch.from_numpy(faces.ages)) / 2

    def batch(self, settings: AdversarySettings) -> Batch:
        count, draw = settings.batch_size, self._draw
        rows = draw.rows(count, flatten=settings.source_flatten)
        real = draw.rows(count, flatten=1.0)
        anything = self._uniform(settings.min_target, settings.max_target, count)
        young = self._uniform(settings.min_target, settings.young_age, count)
        chosen = torch.from_numpy(draw.rng.random(count) < settings.young_share)
        others = self._uniform(settings.min_target, settings.max_target, count)
        return Batch(
            crops=draw.crops(rows),
            source_ages=self._read_ages[rows],
            cells=self._cells[rows],
            target_ages=torch.where(chosen, young, anything),
            real=draw.crops(real),
            real_ages=self._ages[real],
            wrong_ages=wrong_ages(self._ages[real], others, apart_years=settings.wrong_age_years),
        )

    def _uniform(self, low: float, high: float, count: int) -> Tensor:
        return torch.from_numpy(self._draw.rng.uniform(low, high, count)).float()


def _optimiser(*groups: list[nn.Parameter]) -> torch.optim.Adam:
    # No momentum: the game turns faster than an average of gradients would.
    return torch.optim.Adam([{"params": group} for group in groups], betas=(0.0, 0.99))


@lru_cache(maxsize=4)
def border_ramp(size: int, *, share: float = 0.12) -> Tensor:
    """Returns 1 inside a crop, falling to 0 over `share` of its size at the border; (S, S)."""
    centre = (size - 1) / 2
    distance = size / 2 - (torch.arange(size) - centre).abs()
    ramp = (distance / (share * size)).clamp(0, 1)
    return torch.minimum(ramp[:, None], ramp[None])


@lru_cache(maxsize=4)
def eye_weight(size: int) -> Tensor:
    """Returns where the eyes of an aligned crop lie, (S, S), of mean 1.

    A discriminator that looks at both sides at once is slow to see that one eye has gone blind.
    """
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    y = (rows + 0.5) / size
    x = (columns + 0.5) / size
    sides = [
        torch.exp(-0.5 * (((x - centre) / 0.073) ** 2 + ((y - 0.297) / 0.042) ** 2) ** 2)
        for centre in (0.305, 0.695)
    ]
    weight = sides[0] + sides[1]
    return weight / weight.mean()


@lru_cache(maxsize=4)
def surroundings_weight(size: int) -> Tensor:
    """Returns what of an aligned crop lies beside the face, (S, S), of mean 1.

    Backgrounds tell an age too: left free, the change darkens what is behind an old face's jaw.
    """
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    y = (rows + 0.5) / size
    x = (columns + 0.5) / size
    radius = torch.hypot((x - 0.5) / 0.46, (y - 0.42) / 0.58)
    weight = torch.sigmoid((radius - 1) / 0.05)
    return weight / weight.mean()


def wrong_ages(ages: Tensor, drawn: Tensor, *, apart_years: float) -> Tensor:
    """Returns `drawn` ages (B,), those too near the true `ages` moved beyond `apart_years`."""
    away = torch.where(ages > 50, -1.0, 1.0) * (apart_years + (drawn - ages).abs())
    return torch.where((drawn - ages).abs() < apart_years, ages + away, drawn)
