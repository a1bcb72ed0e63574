"""MobileFace's two files as they are published, with seeded weights."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]
WIDTHS = (32, 32, 32, 64, 128)


def seeded(*, seed: int = 0) -> Weights:
    """Weights by their published names and shapes: height, width, in, out."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int, fan: int) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) / np.sqrt(fan)).astype(np.float32)

    def bend(count: int) -> NDArray[np.float32]:
        return rng.uniform(0.1, 0.4, count).astype(np.float32)

    weights = {"conv1_weight": drawn(3, 3, 3, 32, fan=27), "prelu1_gamma": bend(32)}
    for number, (before, count) in enumerate(pairwise(WIDTHS), start=1):
        unit = f"stage{number}_unit1"
        weights[f"{unit}_conv0_0_weight"] = drawn(1, 1, before, count, fan=before)
        for part, each in enumerate(("conv0_1", "conv1", "conv2")):
            weights[f"{unit}_{each}_df"] = drawn(3, 3, count, 1, fan=9)
            weights[f"{unit}_prelu{part}_gamma"] = bend(count)
    weights["dense/kernel"] = drawn(2048, 256, fan=2048)
    weights["batchnorm0/mul"] = rng.uniform(0.5, 2, 256).astype(np.float32)
    weights["batchnorm0/sub"] = rng.uniform(-1, 1, 256).astype(np.float32)
    return weights


def written(weights: Weights, path: Path) -> Path:
    """Writes `path` (.json) and what lies beside it, with constants among the weights."""
    content: dict[str, NDArray[np.generic]] = {"Pad/paddings": np.zeros((4, 2), np.int32)} | weights
    described = [
        {"name": name, "shape": list(values.shape), "dtype": str(values.dtype)}
        for name, values in content.items()
    ]
    beside = path.with_suffix(".bin")
    manifest = [{"paths": [beside.name], "weights": described}]
    path.write_text(json.dumps({"format": "graph-model", "weightsManifest": manifest}))
    beside.write_bytes(b"".join(values.tobytes() for values in content.values()))
    return path
