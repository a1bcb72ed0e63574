"""Training a prior against a discriminator: re-aged pictures must look real *for their age*.

No age regressor's opinion enters the loss: regressors are fooled at once and with them their
relatives.

Shapes: B batch, C channels, H W R pixels, N faces, M cells.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.ageing.compact_prior import CompactPrior
from models.ageing.crop_regions import border_ramp
from models.ageing.recipe import AdversarySettings, Phases, PriorRecipe
from models.losses import feature_distance, pyramid_l1
from models.ops.shrink import shrunk
from models.training import Report
from reage.face_set import FaceSet
from tasks.gpu import mixed_precision
from tasks.prior_discriminators import Discriminators
from tasks.prior_game import Batch, Game, Rendered, Sampler, Scores, Weighted, play
from tasks.prior_preview import AGES, PriorPreview


class Adversary(Game[AdversarySettings]):
    """Encoder, synthesis and personal offset against a discriminator of whole faces."""

    def __init__(self, prior: CompactPrior, settings: AdversarySettings) -> None:
        players = nn.ModuleDict(
            {"encoder": prior.encoder, "synthesis": prior.synthesis, "personal": prior.personal}
        )
        picture = [*prior.encoder.parameters(), *prior.synthesis.parameters()]
        groups = (picture, list(prior.personal.parameters()))
        super().__init__(prior, players, Discriminators(prior), settings, groups=groups)

    def player_rates(self) -> tuple[float, ...]:
        """Returns the picture's rate and the personal offset's."""
        return self.settings.learning_rate, self.settings.personal_rate

    def seen_size(self) -> int | None:
        """Returns the phase's, or the size that it works at."""
        return self.settings.seen_size or self.settings.size

    def render(self, batch: Batch) -> Rendered:
        """Changes photographs by what is synthesised of them, at the phase's size."""
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
        change = (aged - source) * border_ramp(aged.shape[-1]).to(aged.device)
        return Rendered.of(batch.crops, source, change, change)

    def terms(
        self, batch: Batch, made: Rendered, scores: Scores, _generator: torch.Generator
    ) -> Weighted:
        """Returns the discriminator's score and what keeps the face itself."""
        weights, trunk = self.settings, self.prior.regressor.trunk
        crops = shrunk(batch.crops, made.source.shape[-1])
        with mixed_precision(crops):
            with torch.no_grad():
                wanted = trunk(crops)[:2]
            got = trunk(made.source)[:2]
        return {
            "adversarial": (weights.adversarial, -scores["whole"]),
            "reconstruction": (weights.reconstruction, pyramid_l1(crops, made.source)),
            "features": (weights.features, feature_distance(wanted, got)),
            "identity": (weights.identity, 1 - self.likeness(batch, made).mean()),
        }


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
    game = Adversary(prior, recipe.adversary[0])
    sampler = Sampler(faces, "adversary", readings, seed=recipe.seed)
    preview = PriorPreview(prior, faces, folder, ages=AGES)
    play(game, Phases(recipe.adversary), sampler, folder, report, preview)
