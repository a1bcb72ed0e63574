"""Loads a tri-plane generator from imported weights.

Shapes: none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from models.eg3d.config import RenderingConfig, SuperresolutionConfig, TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.published_file import CheckpointError, load_state, read_tensors
from models.stylegan2.config import MappingConfig, SynthesisConfig


def load_triplane_generator(weights: Path, sizes: Mapping[str, Any]) -> TriPlaneGenerator:
    """Loads a generator in evaluation mode, gradients off; weights stay in their file until used.

    Args:
        weights: A safetensors file with the published keys.
        sizes: What `dataclasses.asdict` and JSON made of its config; an imported entry's
            config.json holds them under `config.sizes`.

    Raises:
        CheckpointError: The file is not of a generator of these sizes, or these are none.
    """
    try:
        config = triplane_config_from_dict(sizes)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{weights}: sizes: got {error}, expected a generator's") from error
    with torch.device("meta"):
        generator = TriPlaneGenerator(config)
    load_state(generator, read_tensors(weights), place=str(weights), assign=True)
    return generator.eval().requires_grad_(False)


def triplane_config_from_dict(fields: Mapping[str, Any]) -> TriPlaneConfig:
    """Builds a config from what `dataclasses.asdict` and JSON made of it.

    Raises:
        KeyError, TypeError, ValueError: A field is missing, unknown or impossible.
    """
    planes, upper = dict(fields["planes"]), dict(fields["superresolution"])
    planes["channels"], upper["channels"] = tuple(planes["channels"]), tuple(upper["channels"])
    nested = {
        "mapping": MappingConfig(**fields["mapping"]),
        "planes": SynthesisConfig(**planes),
        "superresolution": SuperresolutionConfig(**upper),
        "rendering": RenderingConfig(**fields["rendering"]),
    }
    return TriPlaneConfig(**{**fields, **nested})
