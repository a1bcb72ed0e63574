"""What both stages against discriminators share: the game, its batches, what a change must not do.

What is shown to the discriminators is the photograph plus the change, as in the pipeline, so that
ghosts and paint are caught where they would be seen.

Shapes: B batch, S R pixels, N faces, M cells.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from models.ageing.compact_prior import CompactPrior
from models.ageing.crop_regions import eye_weight, surroundings_weight
from models.ageing.recipe import GameSettings, Phases
from models.losses import chroma, colour_shift_penalty, total_variation
from models.ops.shrink import shrunk
from models.training import AveragedWeights, Draw, Report, Terms, run_loop, scheduled_rate
from reage.face_set import FaceSet
from reage.training_curve import CURVE_NAME, StageCurve
from tasks.gpu import device, mixed_precision
from tasks.prior_discriminators import Discriminators, RealFaces
from tasks.prior_preview import PriorPreview

SettingsT = TypeVar("SettingsT", bound=GameSettings)
Scores = Mapping[str, Tensor]  # a discriminator's mean score by its name
Weighted = dict[str, tuple[float, Tensor]]  # terms by name: weight and value


@dataclass(frozen=True)
class Batch:
    """What one step needs of B photographs to change and B real ones to compare with."""

    crops: Tensor  # (B, 3, R, R), [-1, 1]
    source_ages: Tensor  # (B,) years
    cells: Tensor  # (B, M)
    target_ages: Tensor  # (B,) years
    real: RealFaces


class Sampler:
    """Draws batches of a stage."""

    def __init__(
        self, faces: FaceSet, stage: str, readings: tuple[Tensor, Tensor], *, seed: int
    ) -> None:
        """Takes faces (N), the stage's name, and apparent ages (N,) and cell weights (N, M)."""
        self.stage = stage
        self.draw = Draw(
            faces.crops, faces.ages, faces.training, seed=seed, stage=stage, where=device()
        )
        self._read_ages, self._cells = readings
        self._ages = (self._read_ages + torch.from_numpy(faces.ages)) / 2

    def batch(self, settings: GameSettings) -> Batch:
        """Returns a batch of the step that the draw has been turned to."""
        count, draw = settings.batch_size, self.draw
        rows = draw.rows(count, flatten=settings.source_flatten)
        real = draw.rows(count, flatten=1.0)
        anything = self._uniform(settings.min_target, settings.max_target, count)
        young = self._uniform(settings.min_target, settings.young_age, count)
        chosen = torch.from_numpy(draw.rng.random(count) < settings.young_share)
        others = self._uniform(settings.min_target, settings.max_target, count)
        wrong = wrong_ages(self._ages[real], others, apart_years=settings.wrong_age_years)
        return Batch(
            crops=draw.crops(rows),
            source_ages=self._read_ages[rows].to(draw.where),
            cells=self._cells[rows].to(draw.where),
            target_ages=torch.where(chosen, young, anything).to(draw.where),
            real=RealFaces(
                crops=draw.crops(real),
                ages=self._ages[real].to(draw.where),
                wrong_ages=wrong.to(draw.where),
            ),
        )

    def _uniform(self, low: float, high: float, count: int) -> Tensor:
        return torch.from_numpy(self.draw.rng.uniform(low, high, count)).float()


@dataclass(frozen=True)
class Rendered:
    """What the players made of a batch, at the size S that a phase works at, [-1, 1] units."""

    source: Tensor  # (B, 3, S, S), synthesised at the source ages
    decoded: Tensor  # (B, 3, S, S), the change of what was synthesised, 0 at the crop's border
    change: Tensor  # (B, 3, S, S), that, or what was made of it
    result: Tensor  # (B, 3, S, S), the photographs with it

    @classmethod
    def of(cls, crops: Tensor, source: Tensor, decoded: Tensor, change: Tensor) -> Self:
        """Puts a change onto photographs (B, 3, R, R); the others as the attributes."""
        result = (shrunk(crops, change.shape[-1]) + change).clamp(-1, 1)
        result = result.contiguous(memory_format=torch.channels_last)
        return cls(source, decoded, change, result)


class Game(ABC, Generic[SettingsT]):
    """Networks and optimisers of a stage; one call of `step` is one step of both sides."""

    def __init__(
        self,
        prior: CompactPrior,
        players: nn.ModuleDict,
        discriminators: Discriminators,
        settings: SettingsT,
        *,
        groups: Sequence[list[nn.Parameter]],
        discriminator_momentum: float = 0.0,
    ) -> None:
        """Begins with a phase.

        Args:
            prior: Whose networks play, or stand by.
            players: Those that learn.
            discriminators: That they play against.
            settings: Of the first phase.
            groups: Parameters of the players, by what `player_rates` says.
            discriminator_momentum: Adam's first; the players have none, as a game turns faster
                than an average of gradients would.
        """
        self.prior, self.players = prior, players.requires_grad_(True)
        self.discriminators, self.settings = discriminators.to(device()), settings
        self.optimiser = _adam(groups, momentum=0.0)
        self.discriminator_optimiser = _adam(
            discriminators.parameter_groups(), momentum=discriminator_momentum
        )

    @abstractmethod
    def player_rates(self) -> tuple[float, ...]:
        """Returns the learning rate of each group of the players."""

    @abstractmethod
    def seen_size(self) -> int | None:
        """Returns to what size whole crops are shrunk for a discriminator, pixels; None: as is."""

    @abstractmethod
    def render(self, batch: Batch) -> Rendered:
        """Changes a batch of photographs."""

    @abstractmethod
    def terms(
        self, batch: Batch, made: Rendered, scores: Scores, generator: torch.Generator
    ) -> Weighted:
        """Returns what the players are held to, but for what holds for every change."""

    def memories(self) -> dict[str, nn.Module]:
        """Returns what a checkpoint keeps beside the networks, by name: nothing, as a rule."""
        return {}

    def step(
        self, batch: Batch, *, rate: float, generator: torch.Generator, alone: bool = False
    ) -> dict[str, float]:
        """Moves both sides once, or the discriminators `alone`. Returns the terms.

        `rate` scales all learning rates.
        """
        settings = self.settings
        rates = (*self.player_rates(), settings.trunk_rate, settings.head_rate)
        groups = self.optimiser.param_groups + self.discriminator_optimiser.param_groups
        for group, full in zip(groups, rates, strict=True):
            group["lr"] = full * rate
        with torch.set_grad_enabled(not alone):
            made = self.render(batch)
        told = self._teach_discriminators(batch, made.result.detach(), generator)
        if alone:
            return told
        scores = self.discriminators.judge(
            made.result, batch.target_ages, seen_size=self.seen_size(), generator=generator
        )
        terms = self.terms(batch, made, scores, generator) | change_terms(settings, made.change)
        loss = torch.stack([weight * term for weight, term in terms.values()]).sum()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return told | {name: term.item() for name, (_, term) in terms.items()}

    def _teach_discriminators(
        self, batch: Batch, result: Tensor, generator: torch.Generator
    ) -> dict[str, float]:
        self.discriminators.requires_grad_(True)
        loss, told = self.discriminators.loss(
            batch.real, result, batch.target_ages, seen_size=self.seen_size(), generator=generator
        )
        self.discriminator_optimiser.zero_grad()
        loss.backward()
        self.discriminator_optimiser.step()
        self.discriminators.requires_grad_(False)
        return told

    def likeness(self, batch: Batch, made: Rendered) -> Tensor:
        """Returns how like the photographs the results are to the prior's embedder, (B,)."""
        crops, embedder = shrunk(batch.crops, made.result.shape[-1]), self.prior.embedder
        with mixed_precision(crops):
            return (embedder(crops).detach() * embedder(made.result)).sum(dim=1)


def play(
    game: Game[SettingsT],
    phases: Phases[SettingsT],
    sampler: Sampler,
    folder: Path,
    report: Report,
    preview: PriorPreview,
    *,
    first: int = 0,
) -> None:
    """Plays a stage to its end and leaves the players with the averages of their weights.

    Args:
        game: At its start.
        phases: Of the stage.
        sampler: Of its batches; its draw is named after the stage.
        folder: Of the checkpoints.
        report: Told of progress.
        preview: Drawn at every checkpoint.
        first: Number of the step to begin with; those before are behind the players already.
    """
    draw, averaged = sampler.draw, AveragedWeights(game.players, decay=0.995)

    def step(number: int) -> Terms:
        game.settings, since, remaining = phases.at(number)
        terms = game.step(
            sampler.batch(game.settings),
            rate=scheduled_rate(since, remaining, decay_share=0.35),
            generator=draw.generator,
            alone=since < game.settings.warm_up,
        )
        averaged.update(game.players, step=number)
        return terms

    networks = {"players": game.players, "averaged": averaged.network} | game.memories()
    run_loop(
        folder / f"{sampler.stage}.pt",
        step,
        steps=phases.steps,
        draw=draw,
        parts=networks | {"discriminators": game.discriminators},
        optimisers=[game.optimiser, game.discriminator_optimiser],
        report=StageCurve(folder / CURVE_NAME, report, phase_of=phases.number),
        saved=lambda done: preview.draw(averaged.network, sampler.stage, done),
        first=first,
    )
    game.players.load_state_dict(averaged.network.state_dict())
    game.players.eval().requires_grad_(False)


def _adam(groups: Sequence[list[nn.Parameter]], *, momentum: float) -> torch.optim.Adam:
    return torch.optim.Adam([{"params": group} for group in groups], betas=(momentum, 0.99))


def change_terms(weights: GameSettings, change: Tensor) -> Weighted:
    """Returns what is held against a change (B, 3, S, S), [-1, 1] units, whatever it is for."""
    size = change.shape[-1]
    face = (slice(size // 6, size - size // 8), slice(size * 5 // 24, size - size * 5 // 24))
    shift = colour_shift_penalty(change / 2, face=face, free=weights.free_shift)
    beside = (change.abs() * surroundings_weight(size).to(change.device)).mean()
    return {
        "extent": (weights.extent, change.abs().mean()),
        "variation": (weights.variation, total_variation(change)),
        "colour": (weights.colour, shift),
        "symmetry": (weights.symmetry, asymmetry(change)),
        "eyes": (weights.eyes, (change.abs() * eye_weight(size).to(change.device)).mean()),
        "surroundings": (weights.surroundings, beside),
        "chroma": (weights.chroma, chroma(change)),
    }


def asymmetry(change: Tensor, *, size: int = 32) -> Tensor:
    """Returns how far a change (B, 3, S, S) is from its mirror image, seen at `size` pixels.

    Paint is one-sided at that size; no wrinkle has a twin to the pixel, so finer is not looked at.
    """
    coarse = shrunk(change, size)
    return (coarse - coarse.flip(3)).abs().mean()


def wrong_ages(ages: Tensor, drawn: Tensor, *, apart_years: float) -> Tensor:
    """Returns `drawn` ages (B,), those too near the true `ages` moved beyond `apart_years`."""
    away = torch.where(ages > 50, -1.0, 1.0) * (apart_years + (drawn - ages).abs())
    return torch.where((drawn - ages).abs() < apart_years, ages + away, drawn)
