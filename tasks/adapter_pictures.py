"""What an adapter makes of an actor's photographs: figures, and strips of faces at many ages.

Holds no task: training and examination share it.

Shapes: R crop size, A ages.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage

from models.ageing.adapter import Adapter
from models.ageing.objectives import Critics
from models.ageing.personal_pass import AdaptedLatents, general_latents, pooled_decode
from models.ageing.prior import Prior
from models.training import pictures
from reage.age_strip import StripRow, compose_age_strip
from reage.storage.local import atomic_file
from tasks.personal_models import PersonalModel
from tasks.photo_set import PhotoSet

PREVIEW_AGES = (20, 30, 40, 50, 60, 70, 80)
_PREVIEW_FACES = 2  # the youngest and the oldest photograph
_ENCODED_AT_ONCE = 16


@torch.no_grad()
def measured(
    prior: Prior, critics: Critics, adapter: Adapter, photos: PhotoSet
) -> dict[str, float]:
    """Judges an adapter by the prior's own critics on the photographs it was trained on.

    Every photograph, in order of age, is shown at the age of the one a third of the collection
    further on, round about.

    Returns:
        `likeness_prior` and `likeness_adapter`, mean best cosine with the photographs within 3
        years of the asked age; `age_error_prior` and `age_error_adapter`, mean absolute years.
    """
    half = len(photos.ages) // 2
    rows = torch.arange(half, device=photos.ages.device)
    asked = photos.ages[:half].roll(-max(1, half // 3))
    near = (photos.ages[None, :half] - asked[:, None]).abs() <= 3
    found: dict[str, list[torch.Tensor]] = {}
    for part in rows.split(_ENCODED_AT_ONCE):
        batch = photos.batch(part)
        general = general_latents(prior, batch, asked[part])
        latents = {"prior": general, "adapter": adapter(general, asked[part])}
        for name, w_plus in latents.items():
            picture = pooled_decode(prior, w_plus)
            likeness = critics.embed(picture) @ photos.embeddings[:half].t()
            best = likeness.masked_fill(~near[part], -1.0).amax(dim=1)
            error = (critics.apparent_age(picture) - asked[part]).abs()
            found.setdefault(f"likeness_{name}", []).append(best)
            found.setdefault(f"age_error_{name}", []).append(error)
    return {name: round(float(torch.cat(parts).mean()), 4) for name, parts in found.items()}


def save_preview(prior: Prior, adapter: Adapter, photos: PhotoSet, path: Path) -> None:
    """Draws the youngest and the oldest photograph at all ages, without and with the adapter."""
    models = {"prior": PersonalModel(prior), "adapter": PersonalModel(prior, adapter)}
    strip = preview_strip(models, photos)
    with atomic_file(path, place=str(path)) as partial:
        PillowImage.fromarray(strip).save(partial, format="PNG")


def preview_strip(models: Mapping[str, PersonalModel], photos: PhotoSet) -> NDArray[np.uint8]:
    """Shows the youngest and the oldest photograph at all ages under models of some names.

    Returns uint8, (H, W, 3).
    """
    prior = next(iter(models.values())).prior
    half = len(photos.ages) // 2
    order = photos.ages[:half].argsort(stable=True)
    chosen = order[torch.linspace(0, half - 1, min(_PREVIEW_FACES, half)).long()]
    config = prior.config
    ages = [float(a) for a in PREVIEW_AGES if config.min_age <= a <= config.max_age]
    rows = []
    for row in chosen.tolist():
        photo = pictures(photos.crops[row : row + 1])[0]
        age = float(photos.ages[row])
        for name, model in models.items():
            shown = aged_faces(model.prior, model.adapter, photos, row, ages)
            rows.append(StripRow(label=f"{name}, from {age:.0f}", source=photo, faces=shown))
    return compose_age_strip(rows, ages=ages)


@torch.no_grad()
def aged_faces(
    prior: Prior, adapter: Adapter | None, photos: PhotoSet, row: int, ages: list[float]
) -> NDArray[np.uint8]:
    """Returns one photograph at some ages, uint8, (A, R, R, 3)."""
    asked = torch.tensor(ages, device=photos.ages.device)
    batch = photos.batch(torch.full((len(ages),), row, device=photos.ages.device))
    if adapter is None:
        latents = general_latents(prior, batch, asked)
    else:
        latents = AdaptedLatents(prior, adapter)(batch, asked).personal
    return pictures(torch.cat([pooled_decode(prior, w) for w in latents.split(1)]))
