"""Training an actor's adapter on a gathered collection, and what people see while it learns.

Work in progress lies in `<actor's work folder>/training/<content key>/`: the checkpoint, and
`preview.png`, a strip of ages that is drawn anew at every checkpoint. The finished adapter is a
step of the ledger.

Shapes: N photographs, R crop size, A ages.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from models.ageing.adapter import Adapter
from models.ageing.adapter_files import adapter_bytes, adapter_network
from models.ageing.adapter_recipe import AdapterRecipe, preset_recipe
from models.ageing.objectives import Critics
from models.ageing.prior import Prior
from models.ageing.targets import AgeRange
from reage.errors import TrainingError
from reage.registry.weights import WeightsRecord
from reage.workspace import Workspace
from tasks.adapter_pictures import measured, save_preview
from tasks.adapter_training import (
    SAVE_EVERY,
    UPDATES,
    UPDATES_BEGUN,
    PairedTurns,
    School,
    new_adapter,
)
from tasks.critics import loaded_critics, perceptual_metric
from tasks.gpu import loaded_adapter, loaded_prior
from tasks.increment_refs import BufferRef, IncrementRef
from tasks.photo_set import PhotoSet
from tasks.refs import AdapterRef, CollectionRef, PriorRef, TrainedRef
from tasks.remembered_faces import found_buffer, learnt_and_held_out
from tasks.strength import measured_evenness

Losses = Mapping[str, float]
Report = Callable[[int, int, Losses, Path], None]  # step, steps, losses, preview


def _silent(step: int, steps: int, losses: Losses, preview: Path) -> None:
    """Reports to nobody."""


def adapter_recipe(
    prior: PriorRef, preset: str = "default", *, steps: int | None = None, seed: int = 0
) -> AdapterRecipe:
    """Returns a preset's recipe for the crops of a prior.

    Raises:
        TrainingError: There is no such preset, or a number is out of range.
    """
    size = loaded_prior(prior).config.crop_size
    try:
        return preset_recipe(preset, crop_size=size, steps=steps, seed=seed)
    except ValueError as error:
        raise TrainingError(f"recipe: {error}") from error


def update_recipe(prior: PriorRef, *, steps: int, seed: int = 0) -> AdapterRecipe:
    """Returns the recipe of an update: pictures alone teach, from where the last version is.

    The lesson in latent space would begin the person's path anew, from the few that are rehearsed.
    """
    return replace(adapter_recipe(prior, steps=steps, seed=seed), latent_steps=0)


@task(name="train adapter", cache_policy=NO_CACHE)
def train_adapter(
    collection: CollectionRef,
    prior: PriorRef,
    recipe: AdapterRecipe,
    *,
    workspace: Workspace,
    report: Report = _silent,
) -> TrainedRef:
    """Trains an adapter on a collection; a killed training goes on where it was saved last.

    Consent to training is asked before, by the flow.

    Args:
        collection: The actor's photographs, aligned for `prior`.
        prior: What the adapter personalises.
        recipe: How.
        workspace: The actor's.
        report: Told of every step.

    Raises:
        RegistryError: The prior needs LPIPS to be trained on, and it is not registered.
        TrainingError: The loss is no number or runs away; the last good state is kept.
    """
    metric = perceptual_metric(prior)
    inputs: dict[str, Any] = {
        "collection": collection.digest,
        "prior": prior.content,
        "lpips": None if metric is None else metric.digest,
        "recipe": recipe.plain(),
    }

    def lesson(network: Prior, critics: Critics) -> Lesson:
        with np.load(collection.path, allow_pickle=False) as arrays:
            photos = PhotoSet.of(
                network,
                critics,
                arrays["crops"],
                arrays["ages"],
                with_anchors=recipe.follows_anchors,
            )
        return Lesson(photos, new_adapter(network, recipe))

    return _schooled(lesson, prior, metric, recipe, workspace, report, ("adapter", inputs))


@task(name="update adapter", cache_policy=NO_CACHE)
def update_adapter(
    increment: IncrementRef,
    buffer: BufferRef | None,
    start: AdapterRef | None,
    prior: PriorRef,
    recipe: AdapterRecipe,
    *,
    covers: tuple[float, float],
    workspace: Workspace,
    report: Report = _silent,
) -> TrainedRef:
    """Trains an adapter on from an earlier version: new photographs, paired with rehearsed ones.

    Ages that earlier increments covered count as known even where no rehearsed photograph has them:
    what lies outside the known ages is held to the general prior, and would be unlearnt.

    Args:
        increment: The new photographs.
        buffer: The earlier ones; None for a first increment.
        start: The version to go on from; None trains a new one.
        prior: What the adapter personalises.
        recipe: How.
        covers: Youngest and oldest age of all increments, years.
        workspace: The actor's.
        report: Told of every step.

    Raises:
        RegistryError: The prior needs LPIPS to be trained on, and it is not registered.
        TrainingError: The loss is no number or runs away; the last good state is kept.
    """
    metric = perceptual_metric(prior)
    inputs: dict[str, Any] = {
        "increment": increment.digest,
        "buffer": None if buffer is None else buffer.digest,
        "start": None if start is None else start.digest,
        "covers": covers,
        "prior": prior.content,
        "lpips": None if metric is None else metric.digest,
        "recipe": recipe.plain(),
    }

    def lesson(network: Prior, critics: Critics) -> Lesson:
        new, _ = learnt_and_held_out(increment)
        kept = None if buffer is None else found_buffer(buffer).kept
        faces = new if kept is None else new.and_then(kept)
        photos = PhotoSet.of(
            network,
            critics,
            faces.crops,
            faces.ages,
            with_anchors=recipe.follows_anchors,
            covers=AgeRange(*covers),
        )
        adapter = new_adapter(network, recipe)
        if start is not None:
            adapter.load_state_dict(loaded_adapter(start).state_dict())
        if kept is None:
            return Lesson(photos, adapter)
        return Lesson(photos, adapter, PairedTurns(len(new), len(kept), recipe))

    return _schooled(lesson, prior, metric, recipe, workspace, report, (UPDATES, inputs))


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is taught to whom: photographs, the adapter as it begins, and which make pairs."""

    photos: PhotoSet
    adapter: Adapter
    pairs: PairedTurns | None = None


def _schooled(
    lesson: Callable[[Prior, Critics], Lesson],
    prior: PriorRef,
    metric: WeightsRecord | None,
    recipe: AdapterRecipe,
    workspace: Workspace,
    report: Report,
    stage: tuple[str, dict[str, Any]],
) -> TrainedRef:
    """Gives a lesson once, as a step of the ledger that goes on where it was saved last."""
    name, inputs = stage
    begun_at = "training" if name == "adapter" else UPDATES_BEGUN
    progress = workspace.folder / begun_at / workspace.key(name, **inputs)[:20]

    def produce(folder: Path) -> dict[str, Any]:
        network = loaded_prior(prior)
        critics = loaded_critics(prior, metric)
        given = lesson(network, critics)
        photos, adapter, preview = given.photos, given.adapter, progress / "preview.png"

        def told(step: int, steps: int, losses: Losses) -> None:
            begun = step - (steps - recipe.steps)
            if (begun >= 0 and begun % SAVE_EVERY == 0) or step == steps:
                save_preview(network, adapter, photos, preview)
            report(step, steps, losses, preview)

        progress.mkdir(parents=True, exist_ok=True)
        school = School.of_adapter(network, critics, adapter, photos, recipe, given.pairs)
        school.run(progress / "adapter.pt", told)
        adapter.eval()
        (folder / "weights.safetensors").write_bytes(adapter_bytes(adapter))
        save_preview(network, adapter, photos, folder / "preview.png")
        even = measured_evenness(network, adapter, photos, perceptual=critics.perceptual)
        described = {
            "network": adapter_network(adapter.config),
            "recipe": recipe.plain(),
            "metrics": measured(network, critics, adapter, photos)
            | {
                "strength_departure": even.departure,
                "strength_departure_plain": even.plain_departure,
            },
            "strength_course": even.course,
        }
        (folder / "adapter.json").write_text(json.dumps(described, indent=1))
        return described

    step = workspace.step(name, produce, **inputs)
    return TrainedRef(folder=str(step.folder), digest=step.digest)
