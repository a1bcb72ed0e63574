"""Teaching a person's own decoder at night: all of its weights, or low-rank ones.

What is learnt is to show the person's photographs from their anchors: the latents of the general
prior at each photograph's own age, which a shot is re-aged from, too.

Shapes: N photographs, L layers, D latent size.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PillowImage
from prefect import task
from prefect.cache_policies import NO_CACHE
from torch import Tensor

from models.ageing.personal_pass import PhotoBatch, general_latents
from models.ageing.prior import Prior
from models.continual.own_decoder import Kind, OwnDecoder, load_own_prior
from models.continual.rehearsal import UpdateRecipe, learn_increment
from reage.registry.adapters import find_adapter
from reage.storage import file_digest
from reage.workspace import Workspace
from tasks.adapter_pictures import preview_strip
from tasks.adapter_training import UPDATES, UPDATES_BEGUN
from tasks.critics import loaded_critics, perceptual_metric
from tasks.gpu import loaded_prior
from tasks.increment_refs import BufferRef, IncrementRef
from tasks.personal_models import PersonalModel
from tasks.photo_set import PhotoSet
from tasks.refs import AdapterRef, PriorRef, TrainedRef
from tasks.remembered_faces import found_buffer, learnt_and_held_out

# Per kind; MyStyle's for all weights. Two factors that begin at 0 need larger steps.
LEARNING_RATES: Mapping[Kind, float] = {"generator": 3e-4, "low_rank": 3e-3}
_AT_ONCE = 16

Report = Callable[[int, int, Mapping[str, float], Path], None]  # step, steps, losses, preview


def _silent(step: int, steps: int, losses: Mapping[str, float], preview: Path) -> None:
    """Reports to nobody."""


def decoder_recipe(kind: Kind, *, steps: int, seed: int = 0) -> UpdateRecipe:
    """Returns the recipe of an increment."""
    return UpdateRecipe(steps=steps, learning_rate=LEARNING_RATES[kind], seed=seed)


@task(name="update decoder", cache_policy=NO_CACHE)
def update_decoder(
    increment: IncrementRef,
    buffer: BufferRef | None,
    start: AdapterRef | None,
    prior: PriorRef,
    recipe: UpdateRecipe,
    *,
    kind: Kind,
    workspace: Workspace,
    report: Report = _silent,
) -> TrainedRef:
    """Trains a person's decoder on from an earlier version: new photographs beside rehearsed ones.

    A killed training goes on where it was saved last.

    Args:
        increment: The new photographs.
        buffer: The earlier ones; None for a first increment.
        start: The version to go on from; None begins at the prior.
        prior: Whose decoder it is.
        recipe: How.
        kind: What of the decoder is learnt.
        workspace: The actor's.
        report: Told of every step.

    Raises:
        RegistryError: The prior needs LPIPS to be trained on, and it is not registered.
    """
    metric = perceptual_metric(prior)
    inputs: dict[str, Any] = {
        "learner": kind,
        "increment": increment.digest,
        "buffer": None if buffer is None else buffer.digest,
        "start": None if start is None else start.digest,
        "prior": prior.content,
        "lpips": None if metric is None else metric.digest,
        "recipe": recipe.plain(),
    }
    progress = workspace.folder / UPDATES_BEGUN / workspace.key(UPDATES, **inputs)[:20]

    def produce(folder: Path) -> dict[str, Any]:
        network, critics = loaded_prior(prior), loaded_critics(prior, metric)
        earlier = None if start is None else find_adapter(start.actor, start.version).weights
        own = OwnDecoder(
            network, kind, perceptual=critics.perceptual, start=earlier, seed=recipe.seed
        )
        learnt, _ = learnt_and_held_out(increment)
        faces = learnt if buffer is None else learnt.and_then(found_buffer(buffer).kept)
        photos = PhotoSet.of(network, critics, faces.crops, faces.ages)
        new, kept = _new_and_kept(network, photos, len(learnt))
        losses: list[Mapping[str, float]] = []

        def told(_stage: str, step: int, steps: int, terms: Mapping[str, float]) -> None:
            losses.append(terms)
            report(step, steps, terms, progress)

        progress.mkdir(parents=True, exist_ok=True)
        learn_increment(
            own.learner, new, kept, recipe, checkpoint=progress / "decoder.pt", report=told
        )
        own.save(folder / "weights.safetensors")
        weights = folder / "weights.safetensors"
        person = PersonalModel(load_own_prior(network, weights, kind, digest=file_digest(weights)))
        strip = preview_strip({"prior": PersonalModel(network), kind: person}, photos)
        PillowImage.fromarray(strip).save(folder / "preview.png")
        last = {f"loss_{name}": round(value, 5) for name, value in (losses or [{}])[-1].items()}
        described: dict[str, Any] = {
            "learner": kind,
            "network": dict(own.network),
            "recipe": recipe.plain(),
            "metrics": last,
            "strength_course": [],
        }
        (folder / "adapter.json").write_text(json.dumps(described, indent=1))
        return described

    step = workspace.step(UPDATES, produce, **inputs)
    return TrainedRef(folder=str(step.folder), digest=step.digest)


def _new_and_kept(
    prior: Prior, photos: PhotoSet, num_new: int
) -> tuple[PhotoBatch, PhotoBatch | None]:
    """Parts photographs, the new ones first among them, each with its mirrored ones."""
    half = len(photos.ages) // 2
    batch = _anchored(prior, photos)

    def part(rows: range) -> PhotoBatch:
        upright = torch.tensor(rows, device=photos.ages.device)
        return batch.rows(torch.cat([upright, half + upright]))

    return part(range(num_new)), part(range(num_new, half)) if num_new < half else None


def _anchored(prior: Prior, photos: PhotoSet) -> PhotoBatch:
    """All photographs, their anchors as codes."""
    rows = torch.arange(len(photos.ages), device=photos.ages.device)
    parts: list[Tensor] = []
    for part in rows.split(_AT_ONCE):
        found = photos.batch(part)
        age = found.ages.clamp(prior.config.min_age, prior.config.max_age)
        parts.append(general_latents(prior, found, age))
    return PhotoBatch(crops=photos.crops, ages=photos.ages, codes=torch.cat(parts))
