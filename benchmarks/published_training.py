"""What MyTimeMachine's training makes of the recipe's inputs: golden keys loss.* and ranger.*.

The networks are those of published_stack.py; the terms are models/ageing/objectives.py's with the
preset that follows the released code.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.golden_recipe import latent_average
from benchmarks.published_stack import Arrays, PublishedStack, as_array
from models.ageing.objectives import (
    AgedBatch,
    AgeingObjective,
    Critics,
    Judgement,
    ObjectiveConfig,
)
from models.ageing.reference_set import ReferenceSet
from models.ageing.targets import AgeMode, AgeRange
from models.ranger import Ranger

SOURCE_AGES = (45.0, 60.0)  # years
TARGET_AGES = {"noaging": SOURCE_AGES, "interp": (34.0, 55.0), "extrap": (10.0, 90.0)}
MODES = {
    "noaging": AgeMode.NO_AGEING,
    "interp": AgeMode.INTERPOLATION,
    "extrap": AgeMode.EXTRAPOLATION,
}
LABELS = ("real", "cycle")
RANGER_RATE = 1e-2


def judged(mode: str, reference_ages: NDArray[np.float32], stack: PublishedStack) -> Arrays:
    """Returns loss.<mode>.*; the real pass and the cycle are given the same pictures and ages.

    Args:
        mode: noaging, interp or extrap.
        reference_ages: Shares of a century, (N,): loss.ref_ages of the file.
        stack: The networks.
    """
    picture = stack.pair("yhat").requires_grad_(True)
    w_plus = stack.drawn("latent", (2, 18, 512)).requires_grad_(True)
    batch = AgedBatch(
        picture=picture,
        w_plus=w_plus,
        source=stack.pictures,
        source_age=torch.tensor(SOURCE_AGES, device=stack.device),
        target_age=torch.tensor(TARGET_AGES[mode], device=stack.device),
        mode=torch.full((2,), MODES[mode], device=stack.device),
        prior_picture=lambda rows: prior_pictures(stack, rows),
    )
    judgement = objective(reference_ages, stack)(batch)
    gradients = torch.autograd.grad(judgement.total, (picture, w_plus))
    arrays: Arrays = {}
    for label in LABELS:
        prefix = f"loss.{mode}.{label}"
        arrays |= {f"{prefix}.term.{k}": v for k, v in _named(judgement, label).items()}
        arrays[f"{prefix}.total"] = as_array(judgement.total)
        arrays[f"{prefix}.grad_yhat"] = as_array(gradients[0])
        arrays[f"{prefix}.grad_latent"] = as_array(gradients[1])
    return arrays


@torch.no_grad()
def prior_pictures(stack: PublishedStack, rows: Tensor) -> Tensor:
    """Returns what the decoder makes of the general prior's latents, (R, 3, 256, 256)."""
    latents = stack.drawn("latent_global", (2, 18, 512))[rows]
    return torch.cat([F.adaptive_avg_pool2d(stack.decoder(w[None]), 256) for w in latents])


def objective(reference_ages: NDArray[np.floating[Any]], stack: PublishedStack) -> AgeingObjective:
    """Returns the released code's objective with photographs of ages (N,), shares of a century."""
    years = np.round(reference_ages.astype(np.float64) * 100, 4)
    embeddings = [stack.drawn(f"ref{j}", (1, 512)) for j in range(len(years))]
    references = ReferenceSet(
        F.normalize(torch.cat(embeddings), dim=1), torch.from_numpy(years).to(stack.device)
    )
    judges = Critics(
        embed=stack.identity.embed,
        apparent_age=stack.dex.apparent_age,
        perceptual=stack.lpips,
    )
    return AgeingObjective(
        ObjectiveConfig.paper(),
        judges,
        latent_average=torch.from_numpy(latent_average(seed=stack.seed)).to(stack.device),
        references=references,
        training_range=AgeRange.published(years.tolist()),
    )


def _named(judgement: Judgement, label: str) -> Arrays:
    """Gives the terms the released code's names; those of the region bear no label there."""
    terms = {name: as_array(term.double().mean()) for name, term in judgement.terms.items()}
    named = {
        f"loss_id_{label}": terms["identity"],
        # There: gain over the likeness of source and itself.
        f"id_improve_{label}": terms["likeness"] - 1,
        f"loss_l2_{label}": terms["pixels"],
        f"loss_lpips_{label}": terms["features"],
        "loss_lpips_crop": terms["region_features"],
        "loss_l2_crop": terms["region_pixels"],
        f"loss_w_norm_{label}": terms["latent_norm"],
        f"loss_aging_{label}": terms["ageing"],
        f"loss_{label}": as_array(judgement.total),
    }
    if "personal" in terms:
        named["nearest_neighbor_id_loss"] = terms["personal"]
    return {name: np.asarray(value) for name, value in named.items()}


def optimised(name: str, shape: tuple[int, ...], stack: PublishedStack) -> Arrays:
    """Returns ranger.<name>: a parameter after each of some steps; `shape` has them in front."""
    parameter = torch.nn.Parameter(stack.drawn(f"ranger.{name}", shape[1:]))
    optimiser, after = Ranger([parameter], lr=RANGER_RATE), []
    for step in range(shape[0]):
        parameter.grad = stack.drawn(f"ranger.{name}.g{step}", shape[1:])
        optimiser.step()
        after.append(as_array(parameter).copy())
    return {f"ranger.{name}": np.stack(after)}
