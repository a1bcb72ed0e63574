"""Writing and reading a 3D prior: `weights.safetensors` (half precision) and `config.json`."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors

from models.ageing.prior import PriorError
from models.ageing.prior_files import (
    CONFIG_NAME,
    FORMAT,
    WEIGHTS_NAME,
    read_description,
    write_atomically,
)
from models.face3d.prior import Face3DConfig, Face3DPrior
from models.face3d.prior_recipe import build

KIND = "face3d"


def save_face3d_prior(prior: Face3DPrior, folder: Path) -> str:
    """Writes both files, each whole or not at all; returns the weights' digest.

    MODEL_CARD.md is the trainer's to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().half().contiguous().cpu() if tensor.is_floating_point() else tensor
        for name, tensor in prior.state_dict().items()
    }
    weights = to_safetensors(state)
    digest = hashlib.sha256(weights).hexdigest()
    described = {
        "format": FORMAT,
        "kind": KIND,
        "digest": digest,
        "config": asdict(prior.config),
    }
    write_atomically(folder / WEIGHTS_NAME, weights)
    write_atomically(folder / CONFIG_NAME, (json.dumps(described, indent=2) + "\n").encode())
    return digest


def load_face3d_prior(folder: Path) -> Face3DPrior:
    """Loads a 3D prior in evaluation mode, float32, gradients off.

    Raises:
        PriorError: A file is missing or changed, or is not of a 3D prior.
    """
    described = read_description(folder)
    path = folder / CONFIG_NAME
    if described.get("kind") != KIND:
        raise PriorError(f"{path}: kind: got {described.get('kind')}, expected {KIND}")
    try:
        config: Face3DConfig = build(Face3DConfig, described["config"])
    except (KeyError, TypeError, ValueError) as error:
        raise PriorError(f"{path}: got a key missing or unknown: {error}") from error
    prior = Face3DPrior(config)
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in load_file(folder / WEIGHTS_NAME).items()
    }
    prior.load_state_dict(state)
    return prior.eval().requires_grad_(False)
