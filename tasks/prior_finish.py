"""Training the finish: a prior's decoded changes are drawn anew on the photographs' own features.

All else of the prior is frozen. Two discriminators judge the photograph with its finished change:
one the whole face, one windows at full size, which it has learnt to read ages from before. How far
a finished change may leave the decoded one, seen from afar, is a weight of the recipe; so is how
far a face recogniser by others may meet re-aged faces otherwise than real ones of that age.

Shapes: B batch, R pixels, N faces, M cells.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from models.ageing.compact_prior import CompactPrior
from models.ageing.crop_regions import border_ramp
from models.ageing.recipe import FinishSettings, Phases, PriorRecipe
from models.ageing.window_reader import WindowReader
from models.losses import age_distribution_loss
from models.ops.shrink import shrunk
from models.training import Draw, Report, Terms, augment, descend, run_loop, scheduled_rate
from reage.face_set import FaceSet
from reage.training_curve import CURVE_NAME, StageCurve
from tasks.gpu import device, mixed_precision
from tasks.prior_discriminators import SEEN_FINE, Discriminators, new_reader, windows
from tasks.prior_game import Batch, Game, Rendered, Sampler, Scores, Weighted, play
from tasks.prior_onlookers import NOBODY, RECOGNISER, Onlookers
from tasks.prior_preview import AGES, PriorPreview
from tasks.prior_recognition import Asked, Recognition

AFAR = 16  # pixels across, at which a finished change is held near the decoded one


class Finishing(Game[FinishSettings]):
    """The finish against a discriminator of whole faces and one of windows."""

    def __init__(
        self,
        prior: CompactPrior,
        reader: WindowReader,
        settings: FinishSettings,
        recognition: Recognition | None = None,
    ) -> None:
        if prior.finish is None:
            raise ValueError("prior.finish: got none, expected a prior whose config names channels")
        super().__init__(
            prior,
            nn.ModuleDict({"finish": prior.finish}),
            Discriminators(prior, reader, mismatched=settings.mismatched),
            settings,
            groups=(list(prior.finish.parameters()),),
            discriminator_momentum=0.5,
        )
        self._recognition = recognition
        self._path_gain = float(prior.rejuvenation_gain)

    def memories(self) -> dict[str, nn.Module]:
        """Returns the re-aged faces that recognition remembers, where there is one."""
        return {} if self._recognition is None else {"recognised": self._recognition.memory}

    def player_rates(self) -> tuple[float, ...]:
        """Returns the finish's."""
        return (self.settings.learning_rate,)

    def seen_size(self) -> int | None:
        """Returns the phase's."""
        return self.settings.seen_size

    def render(self, batch: Batch) -> Rendered:
        """Changes photographs as the prior does, with all that it does to a change."""
        prior, crops = self.prior, batch.crops
        prior.rejuvenation_gain.fill_(self.settings.rejuvenation_gain or self._path_gain)
        with mixed_precision(crops):
            with torch.no_grad():
                w_plus = prior.encoder(crops)
                offset = prior.ageing_offset(crops, w_plus, batch.source_ages, batch.target_ages)
                source, aged = prior.synthesis(torch.cat([w_plus, w_plus + offset])).chunk(2)
            finished = 2 * prior.difference(source, aged, crops)
        decoded = (aged - source) * border_ramp(aged.shape[-1]).to(aged.device)
        return Rendered.of(crops, source, decoded, finished)

    def terms(
        self, batch: Batch, made: Rendered, scores: Scores, generator: torch.Generator
    ) -> Weighted:
        """Returns both scores, and what keeps the face itself and its way of ageing."""
        weights = self.settings
        afar = [shrunk(part, AFAR).mean(dim=1) for part in (made.change, made.decoded)]
        apart = (afar[0] - afar[1]).abs().mean()
        return self._recognised(batch, made, generator) | {
            "adversarial": (weights.adversarial, -scores["whole"]),
            "fine": (weights.fine, -scores["fine"]),
            "likeness to decoded": (weights.likeness_to_decoded, apart),
            "identity": (weights.identity, 1 - self.likeness(batch, made).mean()),
        }

    def _recognised(self, batch: Batch, made: Rendered, generator: torch.Generator) -> Weighted:
        weights = self.settings
        if self._recognition is None or not weights.needs_recogniser:
            return {}
        asked = Asked(batch.source_ages, batch.target_ages, batch.cells)
        told = self._recognition.distances(made.result, asked, generator)
        embedded, *features = told.pop(RECOGNISER)
        terms = {
            "recognised": (weights.recognised, embedded),
            "recognised features": (weights.recognised_features, torch.stack(features).sum()),
        }
        for name, spaces in told.items():
            if weight := weights.by_onlooker[name]:
                terms[name] = (weight, torch.stack(spaces).sum())
        return terms | self._known_again(batch, made, generator)

    def _known_again(self, batch: Batch, made: Rendered, generator: torch.Generator) -> Weighted:
        weight = self.settings.known_again
        if self._recognition is None or not weight:
            return {}
        unknown = self._recognition.unknown(made.result, batch.crops, generator)
        return {"known again": (weight, unknown)}


def train_reader(
    reader: WindowReader, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains a reader of windows on those of training photographs."""
    stage = recipe.windows
    draw = Draw(
        faces.crops, faces.ages, faces.training, seed=recipe.seed, stage="windows", where=device()
    )
    optimiser = torch.optim.AdamW(reader.parameters(), weight_decay=0.05)
    ages = torch.from_numpy(faces.ages).float()

    def step(number: int) -> Terms:
        rows = draw.rows(stage.batch_size, flatten=0.5)
        crops = augment(draw.crops(rows), SEEN_FINE, generator=draw.generator)
        seen, middles = windows(crops, draw.generator)
        with mixed_precision(seen):
            logits = reader(seen, middles)
        years = ages[rows].repeat(2).to(draw.where)
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
    onlookers: Onlookers = NOBODY,
    first: int = 0,
) -> None:
    """Trains the finish of a prior that is trained otherwise.

    Args:
        prior: With its path fitted and its other networks trained.
        faces: N of them.
        recipe: Its phases of this stage; with none, nothing is done.
        folder: Of the checkpoints.
        report: Told of progress.
        readings: Apparent ages (N,) and cell weights (N, M) of all faces.
        onlookers: Networks by others, for a recipe that asks for some.
        first: Number of the step to begin with; the finish has those before behind it.

    Raises:
        CheckpointError: The file of a network by others is another.
        RegistryError: The recipe asks for one, and there is none.
    """
    if not recipe.finish:
        return
    recognition = None
    if recipe.needs_recogniser:
        recognition = Recognition(
            onlookers.networks(recipe, faces),
            faces,
            readings[1],
            recipe.recognition,
            seed=recipe.seed,
            report=report,
        )
    reader = new_reader(prior)
    train_reader(reader, faces, recipe, folder, report)
    game = Finishing(prior, reader, recipe.finish[0], recognition)
    sampler = Sampler(faces, "finish", readings, seed=recipe.seed)
    preview = PriorPreview(prior, faces, folder, ages=AGES)
    play(game, Phases(recipe.finish), sampler, folder, report, preview, first=first)
    prior.rejuvenation_gain.fill_(recipe.learnt_gain)
