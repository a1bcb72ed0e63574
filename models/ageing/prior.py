"""The prior: all that the rest of the pipeline sees of an ageing network.

A prior declares its own alignment, age range, latent shape and licence. It encodes an aligned crop
as w+, says how w+ moves between two ages, and synthesises crops from w+. What re-ages a plate is
`change`: the difference of two synthesised crops.

Shapes: B batch, L style layers, D latent size, R crop size in pixels, E embedding size.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from models.ageing.compact import CompactEncoder, CompactSynthesis, num_style_layers
from models.ageing.path import AgeingPath, PersonalOffset
from models.face.age import AgeRegressor, AgeRegressorConfig
from models.face.identity import IdentityEmbedder, IdentityEmbedderConfig
from models.shapes import check_shape

WEIGHTS_NAME = "weights.safetensors"
CONFIG_NAME = "config.json"
FORMAT = 1
LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)  # BT.709


class PriorError(ValueError):
    """A folder does not hold a prior that this code can load."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Where landmarks of an upright face lie in the crop that a prior expects.

    Attributes:
        landmark_indices: Of the mediapipe mesh (478 points), one a template point.
        template: x, y in crop pixels; whole numbers are pixel centres.
        size: Width and height of the crop, pixels.
    """

    landmark_indices: tuple[int, ...]
    template: tuple[tuple[float, float], ...]
    size: int

    def __post_init__(self) -> None:
        if len(self.landmark_indices) != len(self.template):
            raise ValueError(
                f"Alignment.template: got {len(self.template)} points, expected one for each of "
                f"{len(self.landmark_indices)} landmark_indices"
            )


@dataclass(frozen=True, kw_only=True)
class PriorConfig:
    """Sizes of a prior's networks and what it declares about itself."""

    name: str
    licence: str
    min_age: float
    max_age: float
    resolution: int
    latent_size: int
    synthesis_channels: tuple[int, ...]
    encoder_channels: tuple[int, ...]
    grid_channels: int
    hidden_size: int
    personal_hidden_size: int
    path_components: int
    path_knots: int
    regressor: AgeRegressorConfig = field(default_factory=AgeRegressorConfig)
    embedder: IdentityEmbedderConfig = field(default_factory=IdentityEmbedderConfig)

    def __post_init__(self) -> None:
        if not 18 <= self.min_age < self.max_age:
            raise ValueError(
                f"PriorConfig.min_age: got {self.min_age}, expected at least 18 and below "
                f"max_age ({self.max_age})"
            )

    @property
    def num_layers(self) -> int:
        """L: rows of w+."""
        return num_style_layers(self.synthesis_channels)

    @property
    def num_cells(self) -> int:
        """Genders x groups, the cells of the ageing path."""
        return self.regressor.num_genders * self.regressor.num_groups


def tiny_config(*, resolution: int = 32) -> PriorConfig:
    """Returns sizes for tests: random weights, milliseconds a crop."""
    return PriorConfig(
        name="tiny",
        licence="none: random weights",
        min_age=18,
        max_age=90,
        resolution=resolution,
        latent_size=8,
        synthesis_channels=(8, 8, 8),
        encoder_channels=(8, 8, 8),
        grid_channels=4,
        hidden_size=16,
        personal_hidden_size=8,
        path_components=4,
        path_knots=5,
        regressor=AgeRegressorConfig(channels=(4, 8), blocks=1),
        embedder=IdentityEmbedderConfig(channels=(4, 8), blocks=1, embedding_size=16),
    )


class Prior(nn.Module):
    """Encoder, synthesis, ageing path, age regressor and identity embedder under one roof."""

    rejuvenation_gain: Tensor
    tint_gain: Tensor

    def __init__(self, config: PriorConfig, alignment: Alignment) -> None:
        super().__init__()
        if alignment.size != config.resolution:
            raise ValueError(
                f"Prior.alignment.size: got {alignment.size}, expected the resolution "
                f"({config.resolution})"
            )
        self.config = config
        self.alignment = alignment
        shape: dict[str, Any] = {
            "num_layers": config.num_layers,
            "latent_size": config.latent_size,
        }
        ages: dict[str, Any] = {"min_age": config.min_age, "max_age": config.max_age}
        self.encoder = CompactEncoder(
            config.encoder_channels,
            resolution=config.resolution,
            grid_channels=config.grid_channels,
            hidden_size=config.hidden_size,
            **shape,
        )
        self.synthesis = CompactSynthesis(
            config.synthesis_channels,
            resolution=config.resolution,
            latent_size=config.latent_size,
        )
        self.path = AgeingPath(
            num_cells=config.num_cells,
            num_components=config.path_components,
            num_knots=config.path_knots,
            **shape,
            **ages,
        )
        self.personal = PersonalOffset(
            num_cells=config.num_cells, hidden_size=config.personal_hidden_size, **shape, **ages
        )
        self.regressor = AgeRegressor(config.regressor)
        self.embedder = IdentityEmbedder(config.embedder)
        # Multiplies moves to a younger age, which are learnt too small; part of the weights, so
        # that the digest covers it.
        self.register_buffer("rejuvenation_gain", torch.ones(()))
        # Scales what of a change is tint rather than shading: ageing is mostly shading, and the
        # networks' tints look like bruises.
        self.register_buffer("tint_gain", torch.ones(()))
        self._digest: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256, hex, of the weights file that this prior was loaded from or would save."""
        if self._digest is None:
            self._digest = hashlib.sha256(weights_bytes(self)).hexdigest()
        return self._digest

    def encode(self, crops: Tensor) -> Tensor:
        """Encodes aligned crops (B, 3, R, R), RGB in [-1, 1], as w_plus (B, L, D)."""
        self._check_crops(crops)
        return self.encoder(crops)

    def estimate_age(self, crops: Tensor) -> Tensor:
        """Returns apparent ages (B,), years, of crops (B, 3, R, R) in [-1, 1]."""
        self._check_crops(crops)
        return (self.regressor(crops).age + self.regressor(crops.flip(3)).age) / 2

    def embed(self, crops: Tensor) -> Tensor:
        """Returns unit identity embeddings (B, E) of crops (B, 3, R, R) in [-1, 1]."""
        self._check_crops(crops)
        both = self.embedder(crops) + self.embedder(crops.flip(3))
        return nn.functional.normalize(both, dim=1)

    def ageing_offset(
        self, crops: Tensor, w_plus: Tensor, source_age: Tensor, target_age: Tensor
    ) -> Tensor:
        """Says how w+ moves from one age to another; exactly 0 where the ages agree.

        Args:
            crops: RGB in [-1, 1], (B, 3, R, R); gender and group are read from them, softly.
            w_plus: Their codes, (B, L, D).
            source_age: Years, (B,); what the faces look like now.
            target_age: Years, (B,), within the prior's age range.

        Returns:
            Float32, (B, L, D), to be added to `w_plus`.

        Raises:
            ShapeError: The shapes do not belong together.
            ValueError: A target age lies outside the prior's range.
        """
        self._check_crops(crops)
        config = self.config
        check_shape(
            "w_plus", w_plus, "B L D", B=len(crops), L=config.num_layers, D=config.latent_size
        )
        check_shape("source_age", source_age, "B", B=len(crops))
        check_shape("target_age", target_age, "B", B=len(crops))
        low, high = float(target_age.min()), float(target_age.max())
        if low < config.min_age or high > config.max_age:
            got = low if low < config.min_age else high
            raise ValueError(
                f"target_age: got {got:g}, expected {config.min_age:g} to {config.max_age:g}"
            )
        cells = self.cell_weights(crops)
        source = source_age.clamp(config.min_age, config.max_age)
        along = self.path(source, target_age, cell_weights=cells)
        moved = along + self.personal(w_plus, source, target_age, cell_weights=cells)
        younger = (target_age < source)[:, None, None]
        return torch.where(younger, self.rejuvenation_gain * moved, moved)

    def cell_weights(self, crops: Tensor) -> Tensor:
        """Returns how likely each gender-and-group cell is, (B, M), of crops (B, 3, R, R)."""
        reading = self.regressor(crops)
        gender = reading.gender_logits.softmax(dim=1)
        group = reading.group_logits.softmax(dim=1)
        return (gender[:, :, None] * group[:, None, :]).flatten(1)

    def decode(self, w_plus: Tensor) -> Tensor:
        """Synthesises crops (B, 3, R, R), about [-1, 1], from w_plus (B, L, D)."""
        return self.synthesis(w_plus)

    def change(self, crops: Tensor, source_age: Tensor, target_age: Tensor) -> Tensor:
        """Returns what re-ages crops: to be added to them, in display units (0-1 scale).

        Args:
            crops: RGB in [-1, 1], (B, 3, R, R).
            source_age: Years, (B,).
            target_age: Years, (B,).

        Returns:
            Float32, (B, 3, R, R), in [-1, 1]; 0 everywhere where the ages agree.
        """
        w_plus = self.encode(crops)
        offset = self.ageing_offset(crops, w_plus, source_age, target_age)
        return self.difference(self.decode(w_plus), self.decode(w_plus + offset))

    def difference(self, source: Tensor, aged: Tensor) -> Tensor:
        """Returns what turns one synthesised crop into another, as `change` does.

        Args:
            source: (B, 3, R, R), about [-1, 1], synthesised at the source age.
            aged: The same at the target age.

        Returns:
            Float32, (B, 3, R, R), display units; tint scaled by `tint_gain`, BT.709 luma as it is.
        """
        change = (aged.float() - source.float()) / 2
        weights = change.new_tensor(LUMA_WEIGHTS)[:, None, None]
        luma = (change * weights).sum(dim=1, keepdim=True)
        return luma + self.tint_gain * (change - luma)

    def _check_crops(self, crops: Tensor) -> None:
        size = self.config.resolution
        check_shape("crops", crops, "B C H W", C=3, H=size, W=size)


def weights_bytes(prior: Prior) -> bytes:
    """Returns the prior's weights as a safetensors file, half precision."""
    state = {
        name: tensor.detach().half().contiguous().cpu() if tensor.is_floating_point() else tensor
        for name, tensor in prior.state_dict().items()
    }
    return to_safetensors(state)


def save_prior(prior: Prior, folder: Path) -> str:
    """Writes weights.safetensors (fp16) and config.json; returns the weights' digest.

    Each file appears whole or not at all. MODEL_CARD.md is the trainer's to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = weights_bytes(prior)
    digest = hashlib.sha256(weights).hexdigest()
    described = {
        "format": FORMAT,
        "digest": digest,
        "config": asdict(prior.config),
        "alignment": asdict(prior.alignment),
    }
    _write_atomically(folder / WEIGHTS_NAME, weights)
    _write_atomically(folder / CONFIG_NAME, (json.dumps(described, indent=2) + "\n").encode())
    return digest


def load_prior(folder: Path) -> Prior:
    """Loads a prior in evaluation mode, float32, gradients off.

    Args:
        folder: Holds weights.safetensors and config.json.

    Raises:
        PriorError: A file is missing, of another format, or not the one the other belongs to.
    """
    described = _read_description(folder / CONFIG_NAME)
    weights_path = folder / WEIGHTS_NAME
    if not weights_path.is_file():
        raise PriorError(f"{weights_path}: got no such file, expected a prior's weights")
    digest = hashlib.sha256(weights_path.read_bytes()).hexdigest()
    if digest != described["digest"]:
        raise PriorError(
            f"{weights_path}: digest: got {digest}, expected {described['digest']}; fetch the "
            "weights that belong to its config.json"
        )
    try:
        config = config_from_dict(described["config"])
        fields = described["alignment"]
        alignment = Alignment(
            landmark_indices=tuple(fields["landmark_indices"]),
            template=tuple((float(x), float(y)) for x, y in fields["template"]),
            size=fields["size"],
        )
    except (KeyError, TypeError) as error:
        raise PriorError(
            f"{folder / CONFIG_NAME}: got a key missing or unknown: {error}"
        ) from error
    prior = Prior(config, alignment)
    prior.load_state_dict(
        {
            name: t.float() if t.is_floating_point() else t
            for name, t in load_file(weights_path).items()
        }
    )
    prior._digest = digest
    return prior.eval().requires_grad_(False)


def config_from_dict(fields: dict[str, Any]) -> PriorConfig:
    """Builds a config from what `dataclasses.asdict` and JSON made of it."""
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    nested: dict[str, type] = {"regressor": AgeRegressorConfig, "embedder": IdentityEmbedderConfig}
    for name, kind in nested.items():
        inner = {k: tuple(v) if isinstance(v, list) else v for k, v in fields[name].items()}
        plain[name] = kind(**inner)
    return PriorConfig(**plain)


def _read_description(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise PriorError(f"{path}: got no such file, expected a prior's description")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PriorError(f"{path}: got no JSON ({error}), expected a prior's description") from None
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        got = described.get("format") if isinstance(described, dict) else type(described).__name__
        raise PriorError(f"{path}: format: got {got}, expected {FORMAT}")
    return described


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
