"""Synthetic actors, the ways of personalising a prior, and what judges say of each.

Every actor is a held-out face that ages along the prior's own path and drifts, besides, towards two
other people's features: the truth at any age is known. See mytm.py for the comparison.

Shapes: N photographs, A ages, L style layers, D latent size, R crop size.
"""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

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
from models.ageing.synthetic_actor import SyntheticActor
from models.training import Augmentation, augment
from tasks.adapter_training import PhotoSet, School, new_adapter
from tasks.adapters import pictures

TRAINED_AGES = (30, 70)
TARGETS = (20, 30, 40, 50, 60, 70, 80)
INSIDE = [30 <= age <= 70 for age in TARGETS]
INPUT_AGES = (40, 70)  # as the paper: progression from 40, regression from 70
DRIFT = 0.7
_TAKES = Augmentation(soften=0.2, erase=0.0)
_TAKES_A_REFERENCE, _REFERENCE_YEARS = 2, (-2, 0, 2)
_INPUT_TAKES = 2
_ENCODER_RATE = 3e-4

FIVE_POINTS = ((33, 133), (362, 263), (4, 4), (61, 61), (291, 291))  # mesh, ends averaged


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way of personalising: what is trained, on how many photographs, changed how."""

    photographs: int = 50
    trains: str = "adapter"  # or encoder, or nothing
    change: Callable[[AdapterRecipe], AdapterRecipe] = lambda recipe: recipe


def _objective(**fields: Any) -> Callable[[AdapterRecipe], AdapterRecipe]:
    return lambda recipe: replace(recipe, objective=replace(recipe.objective, **fields))


def _naive(recipe: AdapterRecipe) -> AdapterRecipe:
    losses = _objective(personal=0.0, constant_norm=True, norm_strength=0.0)(recipe)
    return replace(losses, extrapolates=False, learning_rate=_ENCODER_RATE)


METHODS: dict[str, Method] = {
    "global prior": Method(trains="nothing"),
    "naive fine-tuning": Method(trains="encoder", change=_naive),
    "MyTM": Method(),
    "MyTM, 10 photographs": Method(photographs=10),
    "MyTM, 100 photographs": Method(photographs=100),
    "without adapter": Method(
        trains="encoder", change=lambda recipe: replace(recipe, learning_rate=_ENCODER_RATE)
    ),
    "without extrapolation": Method(change=lambda recipe: replace(recipe, extrapolates=False)),
    "without personalised loss": Method(change=_objective(personal=0.0)),
    "without adaptive w-norm": Method(change=_objective(constant_norm=True, norm_strength=0.0)),
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


def photographed(actor: SyntheticActor, ages: Tensor, *, seed: int) -> NDArray[np.uint8]:
    """Returns pictures of the actor at ages (N,), each taken differently, uint8 (N, R, R, 3)."""
    generator = torch.Generator().manual_seed(seed)
    return pictures(augment(actor.faces(ages).clamp(-1, 1), _TAKES, generator=generator))


def trained_ages(count: int, *, seed: int) -> Tensor:
    """Returns whole ages (N,), years, evenly spread over the trained range, shuffled."""
    spread = torch.linspace(*TRAINED_AGES, count).round()
    return spread[torch.randperm(count, generator=torch.Generator().manual_seed(seed))]


def personalise(
    prior: CompactPrior, actor: SyntheticActor, method: Method, *, steps: int, seed: int
) -> Personal:
    """Trains what a method trains on fresh photographs of an actor."""
    if method.trains == "nothing":
        return GeneralLatents(prior)
    recipe = preset_recipe(crop_size=prior.config.crop_size, steps=steps, seed=seed)
    recipe = method.change(recipe)
    critics = critics_of(prior)
    ages = trained_ages(method.photographs, seed=seed)
    crops = photographed(actor, ages, seed=1000 + seed)
    photos = PhotoSet.of(prior, critics, crops, ages.numpy())
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


class Examiner:
    """Judges what a method makes of held-out photographs of one actor.

    Args of the constructor:
        identity, age: Networks by others, see `benchmarks.prior.load_judges`.
        align: Takes five points (5, 2) to the identity judge's crop, (2, 3).
    """

    def __init__(
        self, prior: CompactPrior, actor: SyntheticActor, identity: Any, age: Any, align: Any
    ) -> None:
        self._prior, self._actor = prior, actor
        self._identity, self._age = identity, age
        places = dict(zip(prior.alignment.landmark_indices, prior.alignment.template, strict=True))
        five = [np.mean([places[a], places[b]], axis=0) for a, b in FIVE_POINTS]
        self._to_judge = align(np.array(five))
        self._references = [self._judged_references(age) for age in TARGETS]

    def _judged_references(self, age: int) -> list[NDArray[np.float32]]:
        ages = torch.tensor([float(age + years) for years in _REFERENCE_YEARS])
        taken = [
            photographed(self._actor, ages, seed=5000 + take) for take in range(_TAKES_A_REFERENCE)
        ]
        return [embed(np.concatenate(taken)) for embed in self._embedders]

    @property
    def _embedders(self) -> tuple[Callable[[NDArray[np.uint8]], NDArray[np.float32]], ...]:
        return self._by_judge, self._by_own

    def _by_judge(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        cut = [
            cv2.warpAffine(
                face, self._to_judge, (96, 112), flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for face in faces
        ]  # fmt: skip
        return np.asarray(self._identity.embed_crops(np.stack(cut)))

    @torch.no_grad()
    def _by_own(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        crops = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 127.5 - 1
        return self._prior.embed(crops).numpy()

    @torch.no_grad()
    def faces(self, personal: Personal, age: int, *, take: int = 0) -> NDArray[np.uint8]:
        """Returns a held-out photograph of the actor at `age`, shown at every target age."""
        source = photographed(self._actor, torch.tensor([float(age)]), seed=9000 + take)
        crop = torch.from_numpy(source).permute(0, 3, 1, 2).float() / 127.5 - 1
        count, targets = len(TARGETS), torch.tensor([float(t) for t in TARGETS])
        photos = PhotoBatch(
            crops=crop.expand(count, -1, -1, -1), ages=torch.full((count,), float(age))
        )
        latents = personal(photos, targets).personal
        return pictures(torch.cat([self._prior.decode(w) for w in latents.split(4)]))

    def examine(self, personal: Personal) -> dict[str, list[float]]:
        """Returns figures by target age, means over held-out photographs.

        `likeness`: best cosine with held-out references within 3 years, by the judge;
        `likeness_own`: by the prior's embedder; `age_error`: years between judged and asked age.
        """
        rows = []
        for age in INPUT_AGES:
            for take in range(_INPUT_TAKES):
                shown = self.faces(personal, age, take=take)
                rows.append(self._figures(shown))
        return {name: np.mean([row[name] for row in rows], axis=0).tolist() for name in rows[0]}

    def truth(self) -> dict[str, list[float]]:
        """Returns the same figures of the actor's own faces, taken like the references."""
        ages = torch.tensor([float(t) for t in TARGETS])
        takes = range(len(INPUT_AGES) * _INPUT_TAKES)
        rows = [self._figures(photographed(self._actor, ages, seed=7000 + t)) for t in takes]
        return {name: np.mean([row[name] for row in rows], axis=0).tolist() for name in rows[0]}

    def _figures(self, faces: NDArray[np.uint8]) -> dict[str, NDArray[np.floating]]:
        judged, own = (embed(faces) for embed in self._embedders)
        best = [
            [float((refs @ face).max()) for refs, face in zip(references, pair, strict=True)]
            for references, pair in zip(
                self._references, zip(judged, own, strict=True), strict=True
            )
        ]
        return {
            "likeness": np.array([pair[0] for pair in best]),
            "likeness_own": np.array([pair[1] for pair in best]),
            "age_error": np.abs(self._age.ages(faces) - np.array(TARGETS)),
        }
