"""A 3D prior, loaded: the generator and what else is known of its latents.

Shapes: B batch, R pixels of a picture, L style layers, D latent size.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from models.eg3d.checkpoint import load_triplane_generator
from models.eg3d.config import TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.face3d.personal import Encode
from models.face3d.prior_files import KIND as FACE3D
from models.face3d.prior_files import load_face3d_prior
from models.published_file import CheckpointError, read_tensors

AGE = "age"  # name of the direction that ages, per year

Aged = Callable[[Tensor, float, float], Tensor]  # w+ (B, L, D), years it shows, years asked for


@dataclass(frozen=True, eq=False)
class LoadedFace3D:
    """A 3D prior.

    Attributes:
        generator: In evaluation mode, gradients off.
        aged: Moves latents along the prior's age direction; None where it has none.
        encode: Pictures to latents to begin a projection with; None where it has no encoder.
        directions: Along which looks are edited, (L, D), by name.
    """

    generator: TriPlaneGenerator
    aged: Aged | None = None
    encode: Encode | None = None
    directions: Mapping[str, Tensor] = field(default_factory=dict)


def load_face3d(folder: Path, kind: str, directions: Path | None) -> LoadedFace3D:
    """Loads a 3D prior from the folder of its entry.

    Args:
        folder: With config.json and weights.safetensors.
        kind: Of the weights; one of LOADERS.
        directions: Safetensors of directions in latent space, each (D,) or (L, D); None for none.
            `age` is a year's, and is followed instead of the prior's own path.

    Raises:
        CheckpointError: The files are not of such a prior.
    """
    if kind not in LOADERS:
        raise CheckpointError(
            f"{folder}: kind: got {kind or 'none'}, expected {' or '.join(LOADERS)}"
        )
    loaded = LOADERS[kind](folder)
    if directions is None:
        return loaded
    found = _directions(directions, loaded.generator.config)
    year = found.pop(AGE, None)
    loaded = replace(loaded, directions=found)
    if year is None:
        return loaded

    def aged(w_plus: Tensor, source_age: float, target_age: float) -> Tensor:
        return w_plus + (target_age - source_age) * year.to(w_plus)

    return replace(loaded, aged=aged)


def _directions(path: Path, config: TriPlaneConfig) -> dict[str, Tensor]:
    """Returns the directions of a file, (L, D), by name."""
    found = read_tensors(path)
    for name, direction in found.items():
        if tuple(direction.shape) not in (
            (config.latent_size,), (config.num_layers, config.latent_size),
        ):  # fmt: skip
            raise CheckpointError(
                f"{path}: {name}: got shape {tuple(direction.shape)}, expected "
                f"({config.latent_size},) or ({config.num_layers}, {config.latent_size})"
            )
    return {name: found[name].expand(config.num_layers, -1) for name in sorted(found)}


def _load_eg3d(folder: Path) -> LoadedFace3D:
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    try:
        sizes = described["config"]["sizes"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: config.json: got no config.sizes, expected it") from error
    return LoadedFace3D(load_triplane_generator(folder / "weights.safetensors", sizes))


def _load_face3d(folder: Path) -> LoadedFace3D:
    prior = load_face3d_prior(folder)

    def aged(w_plus: Tensor, source_age: float, target_age: float) -> Tensor:
        count = len(w_plus)
        return prior.aged(
            w_plus, w_plus.new_full((count,), source_age), w_plus.new_full((count,), target_age)
        )

    return LoadedFace3D(prior.generator, aged, prior.encode)


LOADERS: dict[str, Callable[[Path], LoadedFace3D]] = {
    "eg3d": _load_eg3d,
    FACE3D: _load_face3d,
}
