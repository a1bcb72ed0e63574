"""The anchors of photographs: found once for a prior, a few at a time, as steps of the ledger.

Holds no task. N photographs, R crop size, L style layers, D latent size.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.ageing.personal_pass import PhotoBatch
from models.face3d.projection import Perceptual, ProjectionRecipe, project
from models.training import to_crops
from reage.workspace import Workspace
from tasks.face3d_refs import Face3DPriorRef, PosedRef, loaded_face3d_prior
from tasks.gpu import device

Stage = Callable[[str, int, int], None]  # stage, done, total

_AT_ONCE = 4  # photographs that are projected together


@dataclass(frozen=True, eq=False)
class Eye:
    """A perceptual distance, and the content key of the networks behind it."""

    apart: Perceptual
    content: object


def with_anchors(
    posed: PosedRef,
    prior: Face3DPriorRef,
    eye: Eye,
    recipe: ProjectionRecipe,
    workspace: Workspace,
    stage: Stage,
) -> PhotoBatch:
    """Returns the photographs with their anchors; those found before are not looked for again.

    Args:
        posed: The photographs.
        prior: In whose latents.
        eye: What is descended.
        recipe: How.
        workspace: The actor's.
        stage: Told how many photographs are done.
    """
    with np.load(posed.path, allow_pickle=False) as arrays:
        crops = to_crops(arrays["crops"]).contiguous().to(device())
        cameras = torch.from_numpy(arrays["cameras"]).to(device())
        ages = torch.from_numpy(arrays["ages"]).to(device())
    loaded, anchors = loaded_face3d_prior(prior), list[Tensor]()
    stage("anchors", 0, len(crops))
    for first in range(0, len(crops), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)

        def produce(folder: Path, rows: slice = rows) -> dict[str, Any]:
            start = None if loaded.encode is None else loaded.encode(crops[rows])
            found = project(
                loaded.generator,
                crops[rows],
                cameras[rows],
                perceptual=eye.apart,
                recipe=recipe,
                start=start,
            )
            np.save(folder / "anchors.npy", found.cpu().numpy())
            return {}

        step = workspace.step(
            "anchors3d",
            produce,
            posed=posed.digest,
            first=first,
            prior=prior.digest,
            perceptual=eye.content,
            projection=asdict(recipe),
        )
        anchors.append(torch.from_numpy(np.load(step.folder / "anchors.npy")).to(device()))
        stage("anchors", min(first + _AT_ONCE, len(crops)), len(crops))
    return PhotoBatch(crops=crops, ages=ages, codes=torch.cat(anchors), cameras=cameras)
