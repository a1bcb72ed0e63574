"""Stages of training a prior on real faces: readers, auto-encoder, ageing path, publishing.

A stage writes its checkpoint whole and is skipped when it finds it; a stage that was killed goes on
from its last checkpoint and sees the batches it would have seen.

Shapes: N faces, B batch, R crop size, M cells, L layers, D latent size.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.ageing.compact_prior import CompactPrior, save_prior
from models.ageing.path import fit_path, remove_colour
from models.ageing.prior import TemplateAlignment
from models.ageing.recipe import Phases, PriorRecipe, Stage, load_recipe, recipe_dict
from models.face.age import AgeRegressor
from models.losses import (
    age_distribution_loss,
    contrastive_loss,
    feature_distance,
    pyramid_l1,
)
from models.ops.shrink import shrunk
from models.training import (
    Augmentation,
    AveragedWeights,
    Draw,
    Report,
    Terms,
    augment,
    batches,
    descend,
    load_checkpoint,
    run_loop,
    save_checkpoint,
    scheduled_rate,
)
from reage.errors import RegistryError
from reage.face_set import FaceSet
from reage.training_curve import CURVE_NAME, StageCurve
from tasks.gpu import device, mixed_precision
from tasks.prior_card import write_card
from tasks.prior_preview import PriorPreview
from tasks.prior_start import RECIPE_NAME, Start
from tasks.recipe_files import read_recipe_file

DEFAULT_RECIPE = Path(__file__).parent.parent / "configs" / "prior" / "compact.json"


def read_recipe(config: str | None) -> PriorRecipe:
    """Reads a recipe from a JSON file; the compact prior's when none is named.

    Raises:
        StorageError: The file cannot be read.
        ManifestError: It is no JSON object, or has a key or value that no recipe has.
    """
    return read_recipe_file(Path(config) if config else DEFAULT_RECIPE, load_recipe)


def claim(place: Path, folder: Path, recipe: Mapping[str, Any]) -> None:
    """Ties a work folder to one recipe, in plain values, and one folder of faces.

    Raises:
        RegistryError: It was begun with another.
    """
    place.mkdir(parents=True, exist_ok=True)
    path = place / "claim.json"
    wanted: dict[str, Any] = {"faces": str(folder.resolve()), "recipe": recipe}
    wanted = json.loads(json.dumps(wanted))
    if not path.is_file():
        path.write_text(json.dumps(wanted, indent=1))
        return
    held = json.loads(path.read_text())
    for key, value in wanted.items():
        if held[key] != value:
            raise RegistryError(
                f"{place}: {key}: got another than this work was begun with, expected the same; "
                "choose another name or delete the folder"
            )


def new_prior(faces: FaceSet, recipe: PriorRecipe) -> CompactPrior:
    """Returns an untrained prior for crops aligned as `faces` are."""
    alignment = TemplateAlignment(
        landmark_indices=tuple(int(i) for i in faces.indices),
        template=tuple((round(float(x), 3), round(float(y), 3)) for x, y in faces.template),
        size=faces.crops.shape[1],
    )
    torch.manual_seed(recipe.seed)
    prior = CompactPrior(recipe.prior, alignment)
    return prior.to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]


def train_regressor(
    prior: CompactPrior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains the prior's regressor of age, gender and group on augmented training crops."""
    _train_age_reader(prior.regressor, "regressor", recipe.regressor, faces, recipe, folder, report)


def train_witness(
    prior: CompactPrior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains the prior's witness, where it has one, as its regressor; nothing else enters."""
    if prior.witness is not None:
        _train_age_reader(prior.witness, "witness", recipe.witness, faces, recipe, folder, report)


def _train_age_reader(
    network: AgeRegressor,
    name: str,
    stage: Stage,
    faces: FaceSet,
    recipe: PriorRecipe,
    folder: Path,
    report: Report,
) -> None:
    draw = _draw(faces, recipe, name)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    labels = [torch.from_numpy(v) for v in (faces.ages, faces.genders, faces.groups)]

    def step(number: int) -> Terms:
        rows = draw.rows(stage.batch_size, flatten=0.5)
        ages, genders, groups = (label[rows].to(draw.where) for label in labels)
        crops = shrunk(draw.crops(rows), network.config.size)
        crops = augment(crops, Augmentation(), generator=draw.generator)
        with mixed_precision(crops):
            reading = network(crops)
        age = age_distribution_loss(
            reading.age_logits, reading.age, ages.float(), years=network.years
        )
        gender = _cross_entropy_where_known(reading.gender_logits, genders)
        group = _cross_entropy_where_known(reading.group_logits, groups)
        descend(optimiser, age + 0.3 * gender + 0.3 * group, learning_rate=_rate(stage, number))
        return {"age": age.item(), "gender": gender.item(), "group": group.item()}

    network.train()
    run_loop(
        folder / f"{name}.pt",
        step,
        steps=stage.steps,
        draw=draw,
        parts={"network": network},
        optimisers=[optimiser],
        report=StageCurve(folder / CURVE_NAME, report),
    )
    network.eval().requires_grad_(False)


def train_embedder(
    prior: CompactPrior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains the identity embedder; most batches are of one gender and group, the hard case."""
    network, stage = prior.embedder, recipe.embedder
    draw = _draw(faces, recipe, "embedder")
    cells = (faces.genders * prior.config.regressor.num_groups + faces.groups)[draw.training]
    by_cell = [draw.training[cells == cell] for cell in np.unique(cells)]
    chances = np.array([len(rows) for rows in by_cell], float) ** 0.7
    chances /= chances.sum()
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    setting = Augmentation(colour=0.3)

    def step(number: int) -> Terms:
        pool = draw.training
        if draw.rng.random() < 0.7:
            pool = by_cell[draw.rng.choice(len(by_cell), p=chances)]
        rows = draw.rng.choice(pool, min(stage.batch_size, len(pool)), replace=False)
        crops = draw.crops(rows, mirrored=False)
        views = [augment(crops, setting, generator=draw.generator) for _ in range(2)]
        with mixed_precision(crops):
            embeddings = network(torch.cat(views).contiguous(memory_format=torch.channels_last))
        loss = contrastive_loss(embeddings)
        descend(optimiser, loss, learning_rate=_rate(stage, number))
        return {"contrastive": loss.item()}

    network.train()
    run_loop(
        folder / "embedder.pt",
        step,
        steps=stage.steps,
        draw=draw,
        parts={"network": network},
        optimisers=[optimiser],
        report=StageCurve(folder / CURVE_NAME, report),
    )
    network.eval().requires_grad_(False)


def train_autoencoder(
    prior: CompactPrior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains encoder and synthesis to reproduce crops, in pixels and in features."""
    phases, draw = Phases(recipe.autoencoder), _draw(faces, recipe, "autoencoder")
    pair = nn.ModuleDict({"encoder": prior.encoder, "synthesis": prior.synthesis}).train()
    averaged = AveragedWeights(pair, decay=0.996)
    optimiser = torch.optim.Adam(pair.parameters(), betas=(0.8, 0.99))
    preview = PriorPreview(prior, faces, folder)

    def step(number: int) -> Terms:
        phase, since, remaining = phases.at(number)
        crops = draw.crops(draw.rows(phase.batch_size))
        with mixed_precision(crops):
            made = prior.synthesis(prior.encoder(crops), size=phase.size)
            shown = shrunk(crops, made.shape[-1])
            with torch.no_grad():
                wanted = prior.regressor.trunk(shown)[:3]
            got = prior.regressor.trunk(made.clamp(-1.2, 1.2))[:3]
        pixels, features = pyramid_l1(shown, made), feature_distance(wanted, got)
        rate = phase.learning_rate * scheduled_rate(since, remaining)
        descend(optimiser, pixels + 0.15 * features, learning_rate=rate)
        averaged.update(pair, step=number)
        return {"pixels": pixels.item(), "features": features.item()}

    run_loop(
        folder / "autoencoder.pt",
        step,
        steps=phases.steps,
        draw=draw,
        parts={"pair": pair, "averaged": averaged.network},
        optimisers=[optimiser],
        report=StageCurve(folder / CURVE_NAME, report, phase_of=phases.number),
        saved=lambda done: preview.draw(averaged.network, "autoencoder", done),
    )
    pair.load_state_dict(averaged.network.state_dict())
    pair.eval().requires_grad_(False)


def fit_ageing_path(
    prior: CompactPrior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Fills the path from the training crops' codes; an age is half label, half reading."""
    path, settings = folder / "path.pt", recipe.path
    if path.is_file():
        prior.load_state_dict(load_checkpoint(path)["prior"])
        return
    rows = faces.training
    with torch.no_grad():
        found = [prior.encode(crops.to(device())) for crops in batches(faces.crops, rows)]
        w_plus = torch.cat(found).cpu()
    read_ages, cells = read_faces(prior, faces, rows)
    prior.cpu()  # for what follows is statistics, not networks
    fit_path(
        prior.path,
        w_plus,
        (read_ages + torch.from_numpy(faces.ages[rows])) / 2,
        cells,
        spread_years=settings.spread_years,
        shrinkage=settings.shrinkage,
    )
    if settings.neutral_colour:
        remove_colour(prior.path, w_plus[:: max(1, len(w_plus) // 64)][:64], prior.synthesis)
    prior.path.gain.fill_(settings.gain)
    prior.rejuvenation_gain.fill_(settings.rejuvenation_gain)
    prior.tint_gain.fill_(settings.tint_gain)
    flat = w_plus.flatten(1)
    prior.personal.latent_mean.copy_(flat.mean(dim=0))
    prior.personal.latent_scale.copy_(flat.std(dim=0) + 1e-3)
    save_checkpoint(path, {"prior": prior.state_dict()})
    prior.to(device())
    report("path", 1, 1, {})


@torch.no_grad()
def read_faces(
    prior: CompactPrior, faces: FaceSet, rows: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """Returns apparent ages (N,) and cell weights (N, M), each the mean of both mirrorings.

    Both are on the CPU.
    """
    ages, cells = [], []
    for photographs in batches(faces.crops, rows):
        crops = photographs.to(device())
        ages.append(prior.estimate_age(crops))
        cells.append((prior.cell_weights(crops) + prior.cell_weights(crops.flip(3))) / 2)
    return torch.cat(ages).cpu(), torch.cat(cells).cpu()


def publish(
    prior: CompactPrior,
    faces: FaceSet,
    recipe: PriorRecipe,
    place: Path,
    begun: Start | None = None,
) -> Path:
    """Writes weights, config, recipe, curve and a model card; returns their folder.

    Args:
        prior: Trained.
        faces: It was trained on.
        recipe: It was trained by.
        place: Of the run: its curve and its figures lie there, the prior in `prior` inside.
        begun: What the run went on from, if anything.
    """
    published = place / "prior"
    save_prior(prior.eval().requires_grad_(False).cpu(), published)
    (published / RECIPE_NAME).write_text(json.dumps(recipe_dict(recipe), indent=2) + "\n")
    write_card(prior, faces, recipe, place, published, begun)
    return published


def _draw(faces: FaceSet, recipe: PriorRecipe, stage: str) -> Draw:
    return Draw(
        faces.crops, faces.ages, faces.training, seed=recipe.seed, stage=stage, where=device()
    )


def _rate(stage: Stage, number: int) -> float:
    return stage.learning_rate * scheduled_rate(number, stage.steps)


def _cross_entropy_where_known(logits: Tensor, labels: Tensor) -> Tensor:
    known = (labels >= 0) & (labels < logits.shape[1])
    if not bool(known.any()):
        return logits.sum() * 0
    return nn.functional.cross_entropy(logits[known], labels[known], label_smoothing=0.05)
