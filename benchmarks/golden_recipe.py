"""The seeded recipe by which goldens of the published networks are made.

Weights and inputs are drawn by name, so that any network with the published state-dict names can be
filled without a file. Knows nothing of torch and of the networks themselves.
Sources: the fact sheet of MyTimeMachine, section 6; that of EG3D, section 4.
"""

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Floats = NDArray[np.float32]

_KEPT = ("lpips.net.mean", "lpips.net.std")
_ENCODERS = ("encoder", "pretrained_encoder", "irse50")


def normal(name: str, shape: Shape, *, seed: int = 0) -> Floats:
    """Returns the standard normals that belong to a name; seed 0 leaves the name as it is."""
    tag = name if seed == 0 else f"{name}@{seed}"
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(tag.encode())))
    return np.asarray(generator.standard_normal(tuple(shape)), dtype=np.float32)


def picture(name: str, size: int, *, seed: int = 0, channels: int = 3) -> Floats:
    """Returns a blocky picture with fine noise, (channels, size, size), [-1, 1].

    Args:
        name: Name of the picture, with its prefix `input.`.
        size: Pixels, a multiple of 16.
        seed: Seed of the golden file.
        channels: How many channels.
    """
    blocks = normal(name + ".base", (channels, 16, 16), seed=seed) * np.float32(0.5)
    repeated = np.kron(blocks, np.ones((1, size // 16, size // 16), np.float32))
    fine = normal(name + ".fine", (channels, size, size), seed=seed)
    return np.clip(repeated + np.float32(0.1) * fine, -1, 1)


def latent_average(*, seed: int = 0) -> Floats:
    """Returns the mean latent of the generator, (18, 512)."""
    return normal("latent_avg", (18, 512), seed=seed) * np.float32(0.3)


def weights(prefix: str, shapes: Mapping[str, Shape], *, seed: int = 0) -> dict[str, Floats]:
    """Draws the tensors of a network.

    Args:
        prefix: encoder, pretrained_encoder, decoder, blender, irse50, dexvgg or lpips.
        shapes: Shape by state-dict key, without the prefix; all keys of a network, since a
            normalisation is recognised by its neighbours.
        seed: Seed of the golden file.

    Returns:
        Values by key; keys that keep their own value (filters, counters) are absent.
    """
    drawn = {}
    for key, shape in shapes.items():
        rule = _rule(prefix, key, shape, is_normalised=_module(key) + ".running_mean" in shapes)
        if rule is not None:
            scale, offset, is_absolute = rule
            values = normal(f"{prefix}.{key}", shape, seed=seed)
            values = np.abs(values) if is_absolute else values
            drawn[key] = values * np.float32(scale) + np.float32(offset)
    return drawn


def triplane_weights(shapes: Mapping[str, Shape]) -> dict[str, Floats]:
    """Draws the tensors of EG3D's generator, the same for every seed of a golden file.

    Args:
        shapes: Shape by state-dict key.

    Returns:
        Values by key; resampling filters, which keep their own, are absent.
    """
    return {
        key: _triplane_values(key, shape)
        for key, shape in shapes.items()
        if not key.endswith(".resample_filter")
    }


def _triplane_values(key: str, shape: Shape) -> Floats:
    if key == "backbone.mapping.w_avg":
        return np.zeros(shape, np.float32)
    leaf = key.rpartition(".")[2]
    scale = np.float32(0.1 if leaf in ("bias", "noise_strength") else 1.0)
    if key.startswith("backbone.mapping.fc"):
        scale = scale * np.float32(100)
    if key == "decoder.net.2.weight":
        scale = np.float32(4)
    offset = np.float32(1 if key.endswith("affine.bias") else 0)
    values = np.asarray(offset + scale * normal(key, shape), dtype=np.float32)
    if key == "decoder.net.2.bias":
        values[0] += np.float32(6)  # density enough to see something
    return values


def _module(key: str) -> str:
    return key.rpartition(".")[0]


def _rule(
    prefix: str, key: str, shape: Shape, *, is_normalised: bool
) -> tuple[float, float, bool] | None:
    """Returns scale, offset and whether the magnitude is taken; None keeps the own value."""
    leaf = key.rpartition(".")[2]
    if leaf in ("num_batches_tracked", "kernel") or f"{prefix}.{key}" in _KEPT:
        return None
    if leaf == "running_var" or f"{prefix}.{key}".startswith("lpips.lin"):
        return (0.2, 0.8, True) if leaf == "running_var" else (0.1, 0.0, True)
    if leaf == "running_mean" or is_normalised:
        return 0.1, 1.0 if leaf == "weight" else 0.0, False
    if prefix == "decoder":
        scale, offset = _decoder_rule(key, shape)
    elif prefix in _ENCODERS:
        scale, offset = _encoder_rule(key, shape)
    else:
        scale, offset = (0.1 if leaf == "bias" else _fan_in_scale(shape, 2)), 0.0
    return scale, offset, False


def _decoder_rule(key: str, shape: Shape) -> tuple[float, float]:
    if key.startswith("style."):
        return (100.0 if key.endswith(".weight") else 10.0), 0.0
    if key.endswith(".noise.weight"):
        return 0.05, 0.1
    if key.endswith(".modulation.bias"):
        return 0.1, 1.0
    is_drawn_as_is = key.startswith("noises.") or key == "input.input"
    is_picture_weight = len(shape) == 5 and key.startswith("to_rgb")
    is_weight = (len(shape) == 5 and not is_picture_weight) or key.endswith(".modulation.weight")
    return (1.0 if is_drawn_as_is or is_weight else 0.1), 0.0


def _encoder_rule(key: str, shape: Shape) -> tuple[float, float]:
    if key.endswith(".bias"):
        return 0.1, 0.0
    if len(shape) == 1:
        return 0.05, 0.25
    if key.startswith("styles."):
        return (1.0 if len(shape) == 2 else _fan_in_scale(shape, 2)), 0.0
    return _fan_in_scale(shape, 1), 0.0


def _fan_in_scale(shape: Shape, gain: float) -> float:
    return float(np.sqrt(gain / np.prod(shape[1:], dtype=np.float64)))
