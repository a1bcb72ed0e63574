"""Seeded checkpoints in the layouts that published weights come in, of any size.

Weights follow the recipe of the goldens, so that a file of the published size gives the published
networks' golden results. Knows nothing of the registry.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.golden_recipe import normal, triplane_weights, weights
from models.ops.upfirdn import fir_kernel
from models.published import MEAN_LATENT, PUBLISHED, PublishedSizes, networks_of

_PREFIXES = {
    "irse50": "irse50",
    "dex": "dexvgg",
    "stylegan2": "decoder",
    "lpips": "lpips",
    "eg3d": "",
}
_OPTIONS = {
    "exp_dir": "runs/aging",
    "output_size": 1024,
    "start_from_encoded_w_plus": True,
    "start_from_latent_avg": False,
    "id_lambda": 0.1,
    "checkpoint_path": None,
    "lr": [1e-4, 1e-5],
}


def seeded_state(kind: str, *, sizes: PublishedSizes = PUBLISHED, seed: int = 0) -> dict[str, Any]:
    """Returns the tensors of a kind by published key, the mean latent included where it has one.

    Args:
        kind: As published.KINDS.
        sizes: Of the networks.
        seed: Of the recipe.
    """
    own = networks_of(kind, sizes).state_dict()
    shapes = {key: tuple(tensor.shape) for key, tensor in own.items() if key != MEAN_LATENT}
    state = {
        key: torch.from_numpy(values)
        for prefix, part in _parts(kind, shapes).items()
        for key, values in _drawn(kind, prefix, part, seed).items()
    }
    for key in sorted(set(shapes) - set(state)):
        state[key] = _kept(key, own[key])
    if MEAN_LATENT in own:
        mean = normal(MEAN_LATENT, tuple(own[MEAN_LATENT].shape), seed=seed)
        state[MEAN_LATENT] = torch.from_numpy(mean * np.float32(0.3))
    return {key: state[key] for key in own}


def as_published(kind: str, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Lays tensors out as the published file of a kind does, ready for torch.save."""
    tensors = {key: value for key, value in state.items() if key != MEAN_LATENT}
    if kind in ("irse50", "lpips", "eg3d"):
        return tensors
    if kind == "dex":
        return {"state_dict": {_with_dashes(key): value for key, value in tensors.items()}}
    if kind == "stylegan2":
        return {"g_ema": tensors, MEAN_LATENT: state[MEAN_LATENT]}
    return {"state_dict": tensors, "opts": dict(_OPTIONS), MEAN_LATENT: state[MEAN_LATENT]}


def drifted(state: Mapping[str, Tensor], *, seed: int = 0) -> dict[str, Tensor]:
    """Returns a state whose encoders' normalisation has drifted, as in MyTimeMachine's training."""
    moved = dict(state)
    for key, value in state.items():
        if key.endswith(("running_mean", "running_var")):
            noise = torch.from_numpy(normal(f"drift.{key}", tuple(value.shape), seed=seed))
            moved[key] = value + 0.02 * noise.abs()
        if key.endswith("num_batches_tracked"):
            moved[key] = value + 15000
    return moved


def _parts(kind: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, Any]]:
    """Shapes by prefix of the recipe, keys without the prefix."""
    if kind in _PREFIXES:
        return {_PREFIXES[kind]: dict(shapes)}
    parts: dict[str, dict[str, Any]] = {}
    for key, shape in shapes.items():
        prefix, _, rest = key.partition(".")
        parts.setdefault(prefix, {})[rest] = shape
    return parts


def _drawn(kind: str, prefix: str, shapes: dict[str, Any], seed: int) -> dict[str, Any]:
    # pSp's one encoder is SAM's picture encoder.
    drawn_as = "pretrained_encoder" if (kind, prefix) == ("psp", "encoder") else prefix
    before = "" if kind in _PREFIXES else f"{prefix}."
    drawn = triplane_weights(shapes) if kind == "eg3d" else weights(drawn_as, shapes, seed=seed)
    return {f"{before}{key}": values for key, values in drawn.items()}


def _kept(key: str, own: Tensor) -> Tensor:
    """Tensors that the recipe leaves as they are: filters, counters and LPIPS' statistics."""
    if key.endswith(("kernel", "resample_filter")):
        return fir_kernel(gain=4.0 if key.endswith("kernel") else 1.0)
    if key.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    return torch.full(tuple(own.shape), 0.5)


def _with_dashes(key: str) -> str:
    module, _, leaf = key.rpartition(".")
    return f"{module.replace('_', '-')}.{leaf}"
