"""The ways of personalising a prior that are compared; see mytm.py.

Shapes: B batch, L style layers, D latent size.
"""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.sitting import Sitting
from models.ageing.adapter_recipe import AdapterRecipe, preset_recipe
from models.ageing.compact_prior import CompactPrior
from models.ageing.critics import critics_of
from models.ageing.personal_pass import (
    AdaptedLatents,
    AgedLatents,
    Personal,
    PhotoBatch,
    general_latents,
)
from tasks.adapter_training import School, new_adapter
from tasks.photo_set import PhotoSet

_ENCODER_RATE = 3e-4
_ADAPTER_RATE = 3e-3  # of an adapter that comes to the pictures untaught


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way of personalising: what is trained, on how many photographs, changed how."""

    photographs: int = 50
    trains: str = "adapter"  # or encoder, or nothing
    preset: str = "default"
    change: Callable[[AdapterRecipe], AdapterRecipe] = lambda recipe: recipe


def _objective(**fields: Any) -> Callable[[AdapterRecipe], AdapterRecipe]:
    return lambda recipe: replace(recipe, objective=replace(recipe.objective, **fields))


def _naive(recipe: AdapterRecipe) -> AdapterRecipe:
    losses = _objective(personal=0.0, anchors=0.0, constant_norm=True, norm_strength=0.0)(recipe)
    return replace(losses, extrapolates=False, learning_rate=_ENCODER_RATE)


def _without_anchors(recipe: AdapterRecipe) -> AdapterRecipe:
    return replace(_objective(anchors=0.0)(recipe), latent_steps=0, learning_rate=_ADAPTER_RATE)


def _quick(recipe: AdapterRecipe) -> AdapterRecipe:
    return replace(recipe, optimiser="adam", learning_rate=_ADAPTER_RATE)


METHODS: dict[str, Method] = {
    "global prior": Method(trains="nothing"),
    "MyTM": Method(),
    "naive fine-tuning": Method(trains="encoder", change=_naive),
    "without anchors": Method(change=_without_anchors),
    "losses of the paper": Method(preset="paper", change=_quick),
    "without personalised loss": Method(change=_objective(personal=0.0)),
    "without extrapolation": Method(change=lambda recipe: replace(recipe, extrapolates=False)),
    "without adaptive w-norm": Method(change=_objective(constant_norm=True, norm_strength=0.0)),
    "without adapter": Method(
        trains="encoder", change=lambda recipe: replace(recipe, learning_rate=_ENCODER_RATE)
    ),
    "MyTM, 10 photographs": Method(photographs=10),
    "MyTM, 100 photographs": Method(photographs=100),
}


class TunedLatents:
    """Latents of a prior whose encoder itself is taught the person."""

    def __init__(self, prior: CompactPrior) -> None:
        self._prior = prior
        self.encoder: nn.Module = copy.deepcopy(prior.encoder).requires_grad_(True)

    def __call__(self, photos: PhotoBatch, target_age: Tensor) -> AgedLatents:
        """Returns the latents of photographs at target ages (B,), years."""
        codes = self.encoder(photos.crops)
        with torch.no_grad():
            offset = self._prior.ageing_offset(
                photos.crops, codes.detach(), photos.ages, target_age
            )
        return AgedLatents(general_latents(self._prior, photos, target_age), codes + offset)


class GeneralLatents:
    """Latents of the prior alone."""

    def __init__(self, prior: CompactPrior) -> None:
        self._prior = prior

    def __call__(self, photos: PhotoBatch, target_age: Tensor) -> AgedLatents:
        """Returns the latents of photographs at target ages (B,), years."""
        general = general_latents(self._prior, photos, target_age)
        return AgedLatents(general, general)


def personalise(
    prior: CompactPrior, sitting: Sitting, method: Method, *, steps: int, seed: int
) -> Personal:
    """Trains what a method trains on the photographs of a sitting that teach."""
    if method.trains == "nothing":
        return GeneralLatents(prior)
    recipe = preset_recipe(method.preset, crop_size=prior.config.crop_size, steps=steps, seed=seed)
    recipe = method.change(recipe)
    critics = critics_of(prior)
    photos = PhotoSet.of(
        prior, critics, sitting.crops, sitting.ages, with_anchors=recipe.follows_anchors
    )
    if method.trains == "encoder":
        tuned = TunedLatents(prior)
        school = School(prior, critics, tuned, {"encoder": tuned.encoder}, photos, recipe)
        personal: Personal = tuned
    else:
        adapter = new_adapter(prior, recipe)
        school = School.of_adapter(prior, critics, adapter, photos, recipe)
        personal = AdaptedLatents(prior, adapter)
    with tempfile.TemporaryDirectory() as folder:
        school.run(Path(folder) / "checkpoint.pt", lambda *_: None)
    return personal
