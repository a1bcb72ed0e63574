"""Training an actor's face in three dimensions: anchors by projection, then low-rank weights.

Work in progress lies in `<actor's work folder>/training3d/<content key>/`; anchors are steps of the
ledger, a few photographs each, and so is the finished face.

Shapes: N photographs, R crop size, L style layers, D latent size.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from prefect import task
from prefect.cache_policies import NO_CACHE
from torch import Tensor

from models.ageing.personal_pass import PhotoBatch
from models.continual.rehearsal import learn_increment
from models.face3d.personal import PersonalFace
from models.face3d.recipe import Face3DRecipe
from models.lora.adapter import LowRankAdapter
from models.lora.checkpoint import save_adapter
from models.training import pictures
from reage.errors import TrainingError
from reage.registry.weights import find_of_kind
from reage.workspace import Workspace
from tasks.critics import loaded_critics, loaded_lpips
from tasks.face3d_anchors import Eye, Stage, with_anchors
from tasks.face3d_refs import Face3DPriorRef, PosedRef, loaded_face3d_prior
from tasks.gpu import device
from tasks.refs import PriorRef, TrainedRef
from tasks.training_watch import Watch

Report = Callable[[int, int, Mapping[str, float], Path], None]  # step, steps, losses, preview

_ENCODED_STEPS = 200  # of a projection that an encoder begins
_SHOWN = 6


def face3d_recipe(
    prior: Face3DPriorRef, *, steps: int | None = None, seed: int = 0
) -> Face3DRecipe:
    """Returns the published recipe; with an encoder's latents to begin with, a short one in W+.

    Raises:
        TrainingError: A number is out of range.
    """
    recipe = Face3DRecipe(seed=seed)
    if loaded_face3d_prior(prior).encode is not None:
        short = replace(recipe.projection, space="w_plus", steps=_ENCODED_STEPS)
        recipe = replace(recipe, projection=short)
    if steps is None:
        return recipe
    if steps < 1:
        raise TrainingError(f"recipe: steps: got {steps}, expected at least 1")
    shorter = replace(recipe.projection, steps=min(steps, recipe.projection.steps))
    return replace(recipe, steps=steps, projection=shorter)


@task(name="train 3D face", cache_policy=NO_CACHE)
def train_face3d_weights(
    posed: PosedRef,
    prior: Face3DPriorRef,
    features: PriorRef,
    recipe: Face3DRecipe,
    *,
    workspace: Workspace,
    report: Report,
    stage: Stage,
) -> TrainedRef:
    """Trains low-rank weights on photographs with their cameras; a killed training goes on.

    Consent to training is asked before, by the flow.

    Args:
        posed: The photographs.
        prior: What is personalised.
        features: The ageing prior whose features stand in for LPIPS where that is not registered.
        recipe: How.
        workspace: The actor's.
        report: Told of every step of the training.
        stage: Told how many photographs are projected.

    Raises:
        TrainingError: The loss is no number or runs away; the last good state is kept.
    """
    metric = find_of_kind("lpips")
    judged_by = features.content if metric is None else metric.digest
    inputs: dict[str, Any] = {
        "posed": posed.digest,
        "prior": prior.digest,
        "perceptual": judged_by,
        "recipe": recipe.plain(),
    }
    progress = workspace.folder / "training3d" / workspace.key("face3d", **inputs)[:20]

    def produce(folder: Path) -> dict[str, Any]:
        loaded = loaded_face3d_prior(prior)
        apart = (
            loaded_critics(features, None).perceptual if metric is None else loaded_lpips(metric)
        )
        eye = Eye(apart, judged_by)
        photos = with_anchors(posed, prior, eye, recipe.projection, workspace, stage)
        chance = torch.Generator(device()).manual_seed(recipe.seed)
        adapter = LowRankAdapter(loaded.generator, recipe.low_rank, rng=chance)
        learner = PersonalFace.low_rank(loaded.generator, adapter, perceptual=apart)
        before, watch = _figures(learner, photos), Watch()

        def told(_stage: str, done: int, steps: int, losses: Mapping[str, float]) -> None:
            watch.see(done, losses["new"])
            report(done, steps, {"total": losses["new"]}, progress)

        learn_increment(
            learner, photos, None, recipe.update(), checkpoint=progress / "face.pt", report=told
        )
        _save(folder, learner, adapter, photos, prior)
        described = {
            "network": {"rank": recipe.low_rank.rank, "numbers": learner.num_trained},
            "recipe": recipe.plain(),
            "photographs": _names(posed),
            "metrics": {f"{k}_prior": v for k, v in before.items()}
            | {f"{k}_personal": v for k, v in _figures(learner, photos).items()},
        }
        (folder / "adapter.json").write_text(json.dumps(described, indent=1))
        return described

    step = workspace.step("face3d", produce, **inputs)
    return TrainedRef(folder=str(step.folder), digest=step.digest)


def _names(posed: PosedRef) -> list[str]:
    with np.load(posed.path, allow_pickle=False) as arrays:
        return [str(name) for name in arrays["names"]]


@torch.no_grad()
def _shown(learner: PersonalFace, photos: PhotoBatch) -> Tensor:
    assert photos.codes is not None and photos.cameras is not None
    pairs = zip(photos.codes.split(1), photos.cameras.split(1), strict=True)
    return torch.cat([learner.views(*pair, sampling="even")[1] for pair in pairs])


def _figures(learner: PersonalFace, photos: PhotoBatch) -> dict[str, float]:
    """Returns the PSNR of the photographs as the learner shows them, mean, decibels."""
    errors = (_shown(learner, photos).clamp(-1, 1) - photos.crops).square().mean(dim=(1, 2, 3))
    return {"psnr": round(float((10 * (4 / errors.clamp_min(1e-9)).log10()).mean()), 3)}


def _save(
    folder: Path,
    learner: PersonalFace,
    adapter: LowRankAdapter,
    photos: PhotoBatch,
    prior: Face3DPriorRef,
) -> None:
    assert photos.codes is not None and photos.cameras is not None
    beside = {"anchors": photos.codes, "cameras": photos.cameras, "ages": photos.ages}
    weights = folder / "weights.safetensors"
    save_adapter(adapter, weights, base_digest=prior.digest, beside=beside)
    few = photos.rows(torch.arange(min(_SHOWN, len(photos.ages)), device=photos.ages.device))
    rows = [np.concatenate(list(pictures(x)), axis=1) for x in (few.crops, _shown(learner, few))]
    PillowImage.fromarray(np.concatenate(rows)).save(folder / "preview.png")
