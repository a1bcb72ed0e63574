"""An actor's course through the prior's latents: where a shot's one ageing direction leads, by age.

Holds no task. Offsets are averaged over frames and evaluated on a grid of ages, with an adapter
towards the person's own latents too; a frame's latents lie between those of the grid.

T frames, G ages of the grid, L style layers, D latent size.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ageing.adapter import Adapter
from models.ageing.prior import Prior
from models.landscape.even import place_at
from reage.framerange import FrameRange
from reage.manifest.shot import ActorInShot
from tasks.crops import to_tensor
from tasks.gpu import device
from tasks.refs import AdapterRef

log = logging.getLogger(__name__)

MAX_AGE_STEP = 5.0  # years between the ages at which the direction is evaluated


@torch.inference_mode()
def mean_offsets(
    prior: Prior,
    adapter: Adapter | None,
    crops: NDArray[np.floating],
    w_plus: NDArray[np.float32],
    source_age: float,
    grid: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """Returns mean offsets of frames: at the source age (L, D), at the ages of the grid (G, L, D).

    With an adapter also those that lead to the person's latents, their names led by `personal_`.
    """
    images, latents = to_tensor(crops.astype(np.float32)), torch.from_numpy(w_plus).to(device())
    source = torch.full((len(images),), source_age, device=device())
    ages = [torch.full_like(source, age) for age in grid.tolist()]
    resting = prior.source_offset(images, latents, source)
    moves = [prior.ageing_offset(images, latents, source, age) for age in ages]
    found = {"source_offset": resting.mean(dim=0), "offsets": _means(moves)}
    if adapter is not None:
        own = [
            adapter(latents + offset, age) - latents
            for offset, age in zip([resting, *moves], [source, *ages], strict=True)
        ]
        found["personal_source_offset"] = own[0].mean(dim=0)
        found["personal_offsets"] = _means(own[1:])
    return {name: tensor.float().cpu().numpy() for name, tensor in found.items()}


def _means(offsets: Sequence[Tensor]) -> Tensor:
    return torch.stack([offset.mean(dim=0) for offset in offsets])


def places_between(
    actor: ActorInShot, adapter: AdapterRef, frames: FrameRange
) -> NDArray[np.float64]:
    """Returns where every frame lies between the prior (0) and the adapter (1), (T,)."""
    strengths = np.array([actor.adapter_strength_at(frame) for frame in frames])
    between = (strengths > 0) & (strengths < 1)
    if between.any() and not adapter.strength_course:
        log.warning(
            "strength not measured for this adapter, followed as it is; train it again for one "
            "that looks even actor=%s version=%s",
            adapter.actor,
            adapter.version,
        )
    return place_at(adapter.strength_course, strengths)


def latents_at(
    plan: Mapping[str, NDArray[Any]], rows: slice
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns latents of frames at the source age and at their target ages, (T, L, D) each."""
    w_plus, ages = plan["w_plus"][rows], plan["target_age"][rows]
    resting, offsets = plan["source_offset"], at_ages(plan["grid"], plan["offsets"], ages)
    if "place" in plan:
        # Neither end is left by a bit where a place is one: the other's share is 0 then.
        place = plan["place"][rows].astype(np.float32)[:, None, None]
        personal = at_ages(plan["grid"], plan["personal_offsets"], ages)
        resting = (1 - place) * resting + place * plan["personal_source_offset"]
        offsets = (1 - place) * offsets + place * personal
    return w_plus + resting, w_plus + offsets


def age_grid(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns ages from the least to the largest of `targets`, years, close enough to mix (G,)."""
    low, high = float(targets.min()), float(targets.max())
    return np.linspace(low, high, int(np.ceil((high - low) / MAX_AGE_STEP)) + 1)


def at_ages(
    grid: NDArray[np.float64], offsets: NDArray[np.float32], ages: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Returns offsets at `ages`, linear between the grid's, (T, L, D)."""
    position = np.interp(ages, grid, np.arange(len(grid)))
    lower = np.minimum(position.astype(int), max(len(grid) - 2, 0))
    upper = np.minimum(lower + 1, len(grid) - 1)
    blend = (position - lower).astype(np.float32)[:, None, None]
    return (1.0 - blend) * offsets[lower] + blend * offsets[upper]
