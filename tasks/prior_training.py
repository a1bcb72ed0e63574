"""Stages of training a prior: readers, auto-encoder, path, adversary. Each finishes once.

A stage writes its checkpoint whole and is skipped when it finds it; a stage that was killed goes on
from its last checkpoint. Randomness is drawn from the seed, the stage and the step, so that a
resumed run sees the same batches.

Shapes: N faces, B batch, R crop size, M cells, L layers, D latent size.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.ageing.adversary import Adversary, Batch, wrong_ages
from models.ageing.path import fit_path, remove_colour
from models.ageing.prior import Alignment, Prior
from models.ageing.recipe import PriorRecipe, Stage
from models.losses import age_distribution_loss, contrastive_loss, feature_distance, pyramid_l1
from models.training import (
    Augmentation,
    AveragedWeights,
    augment,
    load_checkpoint,
    save_checkpoint,
    scheduled_rate,
)
from reage.labelled_faces import FaceSet

SAVE_EVERY = 200
_log = logging.getLogger(__name__)
Report = Callable[[str, int, int], None]  # stage, step, steps


def alignment_of(faces: FaceSet) -> Alignment:
    """Returns the alignment that the faces were brought to."""
    return Alignment(
        landmark_indices=tuple(int(i) for i in faces.indices),
        template=tuple((round(float(x), 3), round(float(y), 3)) for x, y in faces.template),
        size=faces.crops.shape[1],
    )


class Draw:
    """Batches of a stage: what step s sees depends on seed, stage and s alone."""

    def __init__(self, faces: FaceSet, *, seed: int, stage: str) -> None:
        self._faces, self._seed = faces, [seed, *stage.encode()]
        self.training = faces.training
        ages = faces.ages[self.training]
        counts = np.bincount(np.clip((ages - 14) // 4, 0, 25), minlength=26) + 20.0
        density = counts[np.clip((ages - 14) // 4, 0, 25)]
        self.chances = {
            power: density**-power / (density**-power).sum() for power in (0.0, 0.5, 1.0)
        }
        self.rng = np.random.default_rng(self._seed)
        self.generator = torch.Generator()

    def at(self, step: int) -> None:
        """Turns to a step."""
        self.rng = np.random.default_rng([*self._seed, step])
        self.generator.manual_seed(int(self.rng.integers(2**62)))

    def rows(self, count: int, *, flatten: float = 0.0) -> NDArray[np.int64]:
        """Draws rows of the training set; `flatten` 0 as they come, 1 all ages alike."""
        return self.rng.choice(self.training, count, p=self.chances[flatten])

    def crops(self, rows: NDArray[np.int64], *, mirrored: bool = True) -> Tensor:
        """Returns crops (B, 3, R, R), [-1, 1], half of them mirrored."""
        crops = to_crops(self._faces.crops[rows])
        flip = torch.from_numpy(self.rng.random(len(rows)) < 0.5 * mirrored)
        return torch.where(flip[:, None, None, None], crops.flip(3), crops)


def to_crops(pixels: NDArray[np.uint8]) -> Tensor:
    """Takes uint8 (N, R, R, 3) to float32 (N, 3, R, R) in [-1, 1], channels last in memory."""
    crops = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    return crops.contiguous(memory_format=torch.channels_last)


def train_regressor(
    prior: Prior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains the prior's regressor of age, gender and group on augmented training crops."""
    network, draw = prior.regressor, Draw(faces, seed=recipe.seed, stage="regressor")
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    labels = [torch.from_numpy(v) for v in (faces.ages, faces.genders, faces.groups)]

    def step(number: int, count: int) -> None:
        rows = draw.rows(count, flatten=0.5)
        ages, genders, groups = (label[rows] for label in labels)
        crops = augment(draw.crops(rows), Augmentation(), generator=draw.generator)
        with torch.autocast("cpu", torch.bfloat16):
            reading = network(crops)
        loss = age_distribution_loss(
            reading.age_logits, reading.age, ages.float(), years=network.years
        )
        for logits, label in ((reading.gender_logits, genders), (reading.group_logits, groups)):
            loss = loss + 0.3 * _cross_entropy_where_known(logits, label)
        _descend(optimiser, loss)

    network.train()
    parts = {"network": network}
    _run("regressor", recipe.regressor, step, parts, [optimiser], folder, report, draw)
    network.eval()


def _cross_entropy_where_known(logits: Tensor, labels: Tensor) -> Tensor:
    known = (labels >= 0) & (labels < logits.shape[1])
    if not bool(known.any()):
        return logits.sum() * 0
    return nn.functional.cross_entropy(logits[known], labels[known], label_smoothing=0.05)


def train_embedder(
    prior: Prior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains the identity embedder; most batches are of one gender and group, the hard case."""
    network, draw = prior.embedder, Draw(faces, seed=recipe.seed, stage="embedder")
    cells = faces.genders * prior.config.regressor.num_groups + faces.groups
    by_cell = [draw.training[cells[draw.training] == c] for c in np.unique(cells[draw.training])]
    chances = np.array([len(rows) for rows in by_cell], float) ** 0.7
    chances /= chances.sum()
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    setting = Augmentation(colour=0.3)

    def step(number: int, count: int) -> None:
        pool = draw.training
        if draw.rng.random() < 0.7:
            pool = by_cell[draw.rng.choice(len(by_cell), p=chances)]
        rows = draw.rng.choice(pool, min(count, len(pool)), replace=False)
        crops = draw.crops(rows, mirrored=False)
        views = [augment(crops, setting, generator=draw.generator) for _ in range(2)]
        with torch.autocast("cpu", torch.bfloat16):
            embeddings = network(torch.cat(views).contiguous(memory_format=torch.channels_last))
        _descend(optimiser, contrastive_loss(embeddings))

    network.train()
    _run("embedder", recipe.embedder, step, {"network": network}, [optimiser], folder, report, draw)
    network.eval()


def train_autoencoder(
    prior: Prior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains encoder and synthesis to reproduce crops, in pixels and in features."""
    draw = Draw(faces, seed=recipe.seed, stage="autoencoder")
    pair = nn.ModuleDict({"encoder": prior.encoder, "synthesis": prior.synthesis})
    pair.train().requires_grad_(True)
    prior.regressor.eval().requires_grad_(False)
    averaged = AveragedWeights(pair, decay=0.996)
    optimiser = torch.optim.Adam(pair.parameters(), betas=(0.8, 0.99))

    def step(number: int, count: int) -> None:
        crops = draw.crops(draw.rows(count))
        with torch.autocast("cpu", torch.bfloat16):
            made = prior.synthesis(prior.encoder(crops))
            with torch.no_grad():
                wanted = prior.regressor.trunk(crops)[:3]
            got = prior.regressor.trunk(made.clamp(-1.2, 1.2))[:3]
        _descend(optimiser, pyramid_l1(crops, made) + 0.15 * feature_distance(wanted, got))
        averaged.update(pair, step=number)

    parts = {"pair": pair, "averaged": averaged.network}
    _run("autoencoder", recipe.autoencoder, step, parts, [optimiser], folder, report, draw)
    pair.load_state_dict(averaged.network.state_dict())
    pair.eval().requires_grad_(False)


def fit_ageing_path(
    prior: Prior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Fills the path from the training crops' codes; an age is half label, half reading."""
    path = folder / "path.pt"
    if path.is_file():
        prior.load_state_dict(load_checkpoint(path)["prior"])
        return
    rows = faces.training
    with torch.no_grad():
        w_plus = torch.cat([prior.encode(c) for c in batches(faces, rows)])
    read_ages, cells = read_all(prior, faces, rows)
    ages = (read_ages + torch.from_numpy(faces.ages[rows])) / 2
    settings = recipe.path
    fit_path(
        prior.path,
        w_plus,
        ages,
        cells,
        spread_years=settings.spread_years,
        shrinkage=settings.shrinkage,
    )
    if settings.neutral_colour:
        remove_colour(prior.path, w_plus[:: max(1, len(w_plus) // 64)][:64], prior.synthesis)
    prior.path.gain.fill_(settings.gain)
    flat = w_plus.flatten(1)
    prior.personal.latent_mean.copy_(flat.mean(dim=0))
    prior.personal.latent_scale.copy_(flat.std(dim=0) + 1e-3)
    save_checkpoint(path, {"prior": prior.state_dict()})
    report("path", 1, 1)


def train_adversary(
    prior: Prior, faces: FaceSet, recipe: PriorRecipe, folder: Path, report: Report
) -> None:
    """Trains synthesis, encoder and personal offset against a discriminator that sees age."""
    if not recipe.adversary:
        return
    phases = recipe.adversary
    starts = np.cumsum([0, *(phase.steps for phase in phases)])
    total = int(starts[-1])
    draw = Draw(faces, seed=recipe.seed, stage="adversary")
    read_ages, cells = read_all(prior, faces, np.arange(len(faces)))
    ages = (read_ages + torch.from_numpy(faces.ages)) / 2
    game = Adversary(prior, phases[0])
    averaged = AveragedWeights(game.players, decay=0.995)

    def uniform(count: int) -> Tensor:
        drawn = draw.rng.uniform(game.settings.min_target, game.settings.max_target, count)
        return torch.from_numpy(drawn).float()

    def step(number: int, count: int) -> None:
        current = int(np.searchsorted(starts, number, side="right")) - 1
        settings = phases[current]
        game.enter(settings)
        rows, real = draw.rows(count, flatten=0.5), draw.rows(count, flatten=1.0)
        batch = Batch(
            crops=draw.crops(rows),
            source_ages=read_ages[rows],
            cells=cells[rows],
            target_ages=uniform(count),
            real=draw.crops(real),
            real_ages=ages[real],
            wrong_ages=wrong_ages(ages[real], uniform(count), apart_years=settings.wrong_age_years),
        )
        since = number - int(starts[current])
        rate = scheduled_rate(since, total - int(starts[current]), decay_share=0.35)
        alone = since < settings.warm_up
        terms = game.step(batch, rate=rate, generator=draw.generator, alone=alone)
        if number % 50 == 0:
            listed = " ".join(f"{name}={value:.3f}" for name, value in terms.items())
            _log.info("adversary step=%d %s", number, listed)
        averaged.update(game.players, step=number)

    parts = {
        "players": game.players,
        "averaged": averaged.network,
        "discriminator": game.discriminator,
    }
    optimisers = [game.optimiser, game.discriminator_optimiser]
    stage = replace(phases[0], steps=total)
    _run("adversary", stage, step, parts, optimisers, folder, report, draw)
    game.players.load_state_dict(averaged.network.state_dict())
    game.players.eval().requires_grad_(False)


def batches(faces: FaceSet, rows: NDArray[np.int64], *, size: int = 128) -> Iterator[Tensor]:
    """Yields crops (B, 3, R, R) of rows in order."""
    for first in range(0, len(rows), size):
        yield to_crops(faces.crops[rows[first : first + size]])


@torch.no_grad()
def read_all(prior: Prior, faces: FaceSet, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Returns apparent ages (N,) and cell weights (N, M), each the mean of both mirrorings."""
    ages, cells = [], []
    for crops in batches(faces, rows):
        ages.append(prior.estimate_age(crops))
        cells.append((prior.cell_weights(crops) + prior.cell_weights(crops.flip(3))) / 2)
    return torch.cat(ages), torch.cat(cells)


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _run(
    name: str,
    stage: Stage,
    step: Callable[[int, int], None],
    parts: dict[str, Any],
    optimisers: Sequence[torch.optim.Optimizer],
    folder: Path,
    report: Report,
    draw: Draw,
) -> None:
    """Runs a stage's remaining steps, with checkpoints; the stage sets its own losses."""
    path = folder / f"{name}.pt"
    first = 0
    if path.is_file():
        state = load_checkpoint(path)
        first = state["step"]
        for key, part in parts.items():
            part.load_state_dict(state[key])
        for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
    rates_are_ours = name != "adversary"
    for number in range(first, stage.steps):
        draw.at(number)
        if rates_are_ours:
            rate = stage.learning_rate * scheduled_rate(number, stage.steps)
            for group in optimisers[0].param_groups:
                group["lr"] = rate
        step(number, stage.batch_size)
        report(name, number + 1, stage.steps)
        if (number + 1) % SAVE_EVERY == 0 or number + 1 == stage.steps:
            state = {key: part.state_dict() for key, part in parts.items()}
            state |= {"step": number + 1, "optimisers": [o.state_dict() for o in optimisers]}
            save_checkpoint(path, state)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Sets how many threads torch computes with, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
