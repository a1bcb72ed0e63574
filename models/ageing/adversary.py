"""The adversarial stage: whole re-aged pictures must look real, and real *of their age*.

What is shown to the discriminator is the photograph plus the change, as in the pipeline, so that
ghosts and paint are caught where they would be seen. No age regressor's opinion enters the loss:
regressors are fooled at once and with them their relatives.

Shapes: B batch, C channels, H W R pixels, L layers, D latent size, M cells.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.ageing.age_discriminator import AgeDiscriminator
from models.ageing.prior import Prior
from models.ageing.recipe import AdversarySettings
from models.losses import (
    chroma,
    colour_shift_penalty,
    feature_distance,
    hinge_discriminator_loss,
    pyramid_l1,
    total_variation,
)
from models.training import Augmentation, augment

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

    def __init__(self, prior: Prior, settings: AdversarySettings) -> None:
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
        self.border = border_ramp(config.resolution)

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
        with _half_precision(batch.crops):
            w_plus = self.prior.encoder(batch.crops)
            offset = self.prior.path(ages, batch.target_ages, cell_weights=batch.cells)
            offset = offset + self.prior.personal(
                w_plus, ages, batch.target_ages, cell_weights=batch.cells
            )
            source, aged = self.prior.synthesis(torch.cat([w_plus, w_plus + offset])).chunk(2)
        change = (aged - source) * self.border
        result = (batch.crops + change).clamp(-1, 1)
        return source, change, result.contiguous(memory_format=torch.channels_last)

    def _teach_discriminator(
        self, batch: Batch, result: Tensor, generator: torch.Generator
    ) -> dict[str, float]:
        self.discriminator.requires_grad_(True)
        with _half_precision(result):
            seen = augment(batch.real, SEEN, generator=generator)
            real, mismatched = self.discriminator(seen, batch.real_ages, batch.wrong_ages)
            seen = augment(result, SEEN, generator=generator)
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
        with _half_precision(result):
            seen = augment(result, SEEN, generator=generator)
            (score,) = self.discriminator(seen, batch.target_ages)
            likeness = (prior.embedder(batch.crops).detach() * prior.embedder(result)).sum(dim=1)
            with torch.no_grad():
                wanted = prior.regressor.trunk(batch.crops)[:2]
            got = prior.regressor.trunk(source)[:2]
        size = batch.crops.shape[-1]
        face = (slice(size // 6, size - size // 8), slice(size * 5 // 24, size - size * 5 // 24))
        terms = {
            "adversarial": (weights.adversarial, -score.mean()),
            "reconstruction": (weights.reconstruction, pyramid_l1(batch.crops, source)),
            "features": (weights.features, feature_distance(wanted, got)),
            "size": (weights.size, change.abs().mean()),
            "variation": (weights.variation, total_variation(change)),
            "colour": (
                weights.colour,
                colour_shift_penalty(change / 2, face=face, free=FREE_SHIFT),
            ),
            "chroma": (weights.chroma, chroma(change)),
            "identity": (weights.identity, 1 - likeness.mean()),
        }
        loss = torch.stack([weight * term for weight, term in terms.values()]).sum()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {name: term.item() for name, (_, term) in terms.items()}


def _optimiser(*groups: list[nn.Parameter]) -> torch.optim.Adam:
    # No momentum: the game turns faster than an average of gradients would.
    return torch.optim.Adam([{"params": group} for group in groups], betas=(0.0, 0.99))


def border_ramp(size: int, *, share: float = 0.12) -> Tensor:
    """Returns 1 inside a crop, falling to 0 over `share` of its size at the border; (S, S)."""
    centre = (size - 1) / 2
    distance = size / 2 - (torch.arange(size) - centre).abs()
    ramp = (distance / (share * size)).clamp(0, 1)
    return torch.minimum(ramp[:, None], ramp[None])


def wrong_ages(ages: Tensor, drawn: Tensor, *, apart_years: float) -> Tensor:
    """Returns `drawn` ages (B,), those too near the true `ages` moved beyond `apart_years`."""
    away = torch.where(ages > 50, -1.0, 1.0) * (apart_years + (drawn - ages).abs())
    return torch.where((drawn - ages).abs() < apart_years, ages + away, drawn)


def _half_precision(like: Tensor) -> torch.autocast:
    return torch.autocast(like.device.type, torch.bfloat16)
