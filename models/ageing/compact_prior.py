"""The compact prior: encoder, synthesis, path, finish and judges of its own, in one small file.

Trained by Reage's own recipe (recipe.py); its weights are half precision and so are its files.

Shapes: B batch, L style layers, D latent size, R crop size in pixels, E embedding size, M cells.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from models.ageing.compact import (
    CompactEncoder,
    CompactSynthesis,
    num_structure_rows,
    num_style_layers,
)
from models.ageing.crop_regions import border_ramp
from models.ageing.finish import Finish
from models.ageing.path import AgeingPath, PersonalOffset
from models.ageing.prior import (
    Prior,
    PriorError,
    TemplateAlignment,
    check_age_range,
    sharing,
)
from models.ageing.prior_files import (
    CONFIG_NAME,
    FORMAT,
    WEIGHTS_NAME,
    alignment_from_dict,
    tuples,
    write_atomically,
)
from models.ageing.tone import tone_kept
from models.face.age import AgeRegressor, AgeRegressorConfig, mirrored_age
from models.face.identity import IdentityEmbedder, IdentityEmbedderConfig

LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)  # BT.709


@dataclass(frozen=True, kw_only=True)
class CompactConfig:
    """Sizes of a compact prior's networks and what it declares about itself."""

    name: str
    licence: str
    min_age: float
    max_age: float
    resolution: int
    latent_size: int
    structure_channels: int
    synthesis_channels: tuple[int, ...]
    encoder_channels: tuple[int, ...]
    grid_channels: int
    hidden_size: int
    personal_hidden_size: int
    path_components: int
    path_knots: int
    regressor: AgeRegressorConfig = field(default_factory=AgeRegressorConfig)
    embedder: IdentityEmbedderConfig = field(default_factory=IdentityEmbedderConfig)
    finish_channels: tuple[int, ...] = ()  # none leaves changes as they are decoded
    witness: AgeRegressorConfig | None = None  # with none, the regressor judges what it has taught

    def __post_init__(self) -> None:
        check_age_range("CompactConfig", self.min_age, self.max_age)
        if self.finish_channels and self.resolution % 2 ** (len(self.finish_channels) - 1):
            raise ValueError(
                f"CompactConfig.finish_channels: got {len(self.finish_channels)} levels, expected "
                f"a resolution ({self.resolution}) that halves as often"
            )

    @property
    def num_layers(self) -> int:
        """L: rows of w+, styles and grid."""
        rows = num_structure_rows(self.grid_shape, self.latent_size)
        return num_style_layers(self.synthesis_channels) + rows

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """Of the grid that the synthesis starts from: channels, height, width."""
        base = self.resolution // 2 ** (len(self.synthesis_channels) - 1)
        return (self.structure_channels, base, base)

    @property
    def crop_size(self) -> int:
        """R: of the crops that are encoded, pixels."""
        return self.resolution

    @property
    def synthesis_size(self) -> int:
        """Of the crops that are synthesised, pixels: R as well."""
        return self.resolution

    @property
    def num_cells(self) -> int:
        """Genders x groups, the cells of the ageing path."""
        return self.regressor.num_genders * self.regressor.num_groups


def tiny_config(*, resolution: int = 32) -> CompactConfig:
    """Returns sizes for tests: random weights, milliseconds a crop, a small grid."""
    doublings = max(1, resolution.bit_length() - 4)
    return CompactConfig(
        name="tiny",
        licence="none: random weights",
        min_age=18,
        max_age=90,
        resolution=resolution,
        latent_size=8,
        structure_channels=1,
        synthesis_channels=(8,) * (doublings + 1),
        encoder_channels=(8,) * doublings,
        grid_channels=4,
        hidden_size=16,
        personal_hidden_size=8,
        path_components=4,
        path_knots=5,
        regressor=AgeRegressorConfig(channels=(4, 8), blocks=1),
        embedder=IdentityEmbedderConfig(channels=(4, 8), blocks=1, embedding_size=16),
        finish_channels=(4, 8),
        witness=AgeRegressorConfig(size=32, channels=(4, 8), blocks=1),
    )


class CompactPrior(Prior):
    """Encoder, synthesis, ageing path, finish, age regressor and embedder under one roof."""

    config: CompactConfig
    alignment: TemplateAlignment
    rejuvenation_gain: Tensor
    ageing_gain: Tensor
    tint_gain: Tensor

    def __init__(self, config: CompactConfig, alignment: TemplateAlignment) -> None:
        super().__init__()
        if alignment.size != config.resolution:
            raise ValueError(
                f"CompactPrior.alignment.size: got {alignment.size}, expected the resolution "
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
            num_styles=num_style_layers(config.synthesis_channels),
            latent_size=config.latent_size,
            grid_shape=config.grid_shape,
            grid_channels=config.grid_channels,
            hidden_size=config.hidden_size,
        )
        self.synthesis = CompactSynthesis(
            config.synthesis_channels,
            resolution=config.resolution,
            latent_size=config.latent_size,
            structure_channels=config.structure_channels,
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
        self.finish = Finish(config.finish_channels) if config.finish_channels else None
        # Reads ages of results. No other network is trained to please it.
        self.witness = AgeRegressor(config.witness) if config.witness else None
        # Multiplies moves to a younger age, which are learnt too small; part of the weights, so
        # that the digest covers it.
        self.register_buffer("rejuvenation_gain", torch.ones(()))
        self.register_buffer("ageing_gain", torch.ones(()))  # the same, to an older age
        # Scales what of a change is tint rather than shading: ageing is mostly shading, and the
        # networks' tints look like bruises.
        self.register_buffer("tint_gain", torch.ones(()))
        self._digest: str | None = None

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Takes weights without an `ageing_gain`, of moves as they are learnt, as well."""
        state_dict.setdefault(f"{prefix}ageing_gain", torch.ones(()))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @property
    def digest(self) -> str:
        """SHA-256, hex, of the weights file that this prior was loaded from or would save."""
        if self._digest is None:
            self._digest = hashlib.sha256(weights_bytes(self)).hexdigest()
        return self._digest

    @property
    def decoder(self) -> CompactSynthesis:
        """The synthesis."""
        return self.synthesis

    def with_decoder(self, decoder: nn.Module, *, digest: str) -> "CompactPrior":
        """Returns this prior with another synthesis; see Prior."""
        other = sharing(self, synthesis=decoder.eval().requires_grad_(False))
        other._digest = digest
        return other

    @property
    def judged_by(self) -> str:
        """The networks that are part of the weights."""
        reader = "regressor" if self.witness is None else "witness"
        return f"age and likeness: the prior's own {reader} and embedder"

    def encode(self, crops: Tensor) -> Tensor:
        """Encodes aligned crops (B, 3, R, R), RGB in [-1, 1], as w_plus (B, L, D)."""
        self.check_crops(crops)
        return self.encoder(crops)

    def estimate_age(self, crops: Tensor) -> Tensor:
        """Returns apparent ages (B,), years, of crops (B, 3, R, R) in [-1, 1]."""
        self.check_crops(crops)
        return mirrored_age(self.regressor, crops)

    def witnessed_age(self, crops: Tensor) -> Tensor:
        """Returns apparent ages as the witness reads them, or without one the regressor."""
        self.check_crops(crops)
        return mirrored_age(self.witness or self.regressor, crops)

    def embed(self, crops: Tensor) -> Tensor:
        """Returns unit identity embeddings (B, E) of crops (B, 3, R, R) in [-1, 1]."""
        self.check_crops(crops)
        both = self.embedder(crops) + self.embedder(crops.flip(3))
        return nn.functional.normalize(both, dim=1)

    def ageing_offset(
        self, crops: Tensor, w_plus: Tensor, source_age: Tensor, target_age: Tensor
    ) -> Tensor:
        """Says how w+ moves from one age to another; exactly 0 where the ages agree.

        Gender and group are read from the crops, softly. Otherwise as Prior says.
        """
        self.check_move(crops, w_plus, source_age, target_age)
        config = self.config
        cells = self.cell_weights(crops)
        source = source_age.clamp(config.min_age, config.max_age)
        along = self.path(source, target_age, cell_weights=cells)
        moved = along + self.personal(w_plus, source, target_age, cell_weights=cells)
        younger = (target_age < source)[:, None, None]
        return torch.where(younger, self.rejuvenation_gain, self.ageing_gain) * moved

    def cell_weights(self, crops: Tensor) -> Tensor:
        """Returns how likely each gender-and-group cell is, (B, M), of crops (B, 3, R, R)."""
        reading = self.regressor(crops)
        gender = reading.gender_logits.softmax(dim=1)
        group = reading.group_logits.softmax(dim=1)
        return (gender[:, :, None] * group[:, None, :]).flatten(1)

    def decode(self, w_plus: Tensor) -> Tensor:
        """Synthesises crops (B, 3, R, R), about [-1, 1], from w_plus (B, L, D)."""
        return self.synthesis(w_plus)

    def difference(
        self, source: Tensor, aged: Tensor, crops: Tensor, faces: Tensor | None = None
    ) -> Tensor:
        """Returns what turns crops into what they would be at the target age, display units.

        The mean of `drawn` of the crops and of their mirror images: a network has a better hand,
        and strokes that come with one hand only are paint. A finish has learnt to draw against the
        fall to the crop's border, so it falls once more. No face is lightened or tinted as a whole
        (tone.py). Otherwise as Prior says.
        """
        change = self.drawn(source, aged, crops)
        if self.finish is not None:
            mirrored = self.drawn(source.flip(3), aged.flip(3), crops.flip(3)).flip(3)
            change = (change + mirrored) / 2 * border_ramp(change.shape[-1]).to(change)
        return tone_kept(change, crops, faces)

    def drawn(self, source: Tensor, aged: Tensor, crops: Tensor) -> Tensor:
        """Returns `difference` of one mirroring.

        The difference of the synthesised crops, its tint scaled by `tint_gain` and its BT.709 luma
        left as it is, is finished on the crops and falls to 0 at their border, which crosses
        foreheads.
        """
        change = super().difference(source, aged, crops)
        weights = change.new_tensor(LUMA_WEIGHTS)[:, None, None]
        luma = (change * weights).sum(dim=1, keepdim=True)
        change = luma + self.tint_gain * (change - luma)
        if self.finish is not None:
            change = self.finish(crops, source, 2 * change) / 2
        return change * border_ramp(change.shape[-1]).to(change)


def weights_bytes(prior: CompactPrior) -> bytes:
    """Returns the prior's weights as a safetensors file, half precision."""
    state = {
        name: tensor.detach().half().contiguous().cpu() if tensor.is_floating_point() else tensor
        for name, tensor in prior.state_dict().items()
    }
    return to_safetensors(state)


def save_prior(prior: CompactPrior, folder: Path) -> str:
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
    write_atomically(folder / WEIGHTS_NAME, weights)
    write_atomically(folder / CONFIG_NAME, (json.dumps(described, indent=2) + "\n").encode())
    return digest


def load_compact_prior(folder: Path, described: dict[str, Any]) -> CompactPrior:
    """Loads a compact prior in evaluation mode, float32, gradients off.

    Args:
        folder: Holds weights.safetensors.
        described: From `read_description` of that folder.

    Raises:
        PriorError: The description lacks something, or has what it should not.
    """
    try:
        config = config_from_dict(described["config"])
        alignment = alignment_from_dict(described["alignment"])
        if not isinstance(alignment, TemplateAlignment):
            raise KeyError("template")
    except (KeyError, TypeError) as error:
        raise PriorError(
            f"{folder / CONFIG_NAME}: got a key missing or unknown: {error}"
        ) from error
    prior = CompactPrior(config, alignment)
    prior.load_state_dict(
        {
            name: t.float() if t.is_floating_point() else t
            for name, t in load_file(folder / WEIGHTS_NAME).items()
        }
    )
    prior._digest = described["digest"]
    return prior.eval().requires_grad_(False)


def config_from_dict(fields: dict[str, Any]) -> CompactConfig:
    """Builds a config from what `dataclasses.asdict` and JSON made of it."""
    plain: dict[str, Any] = tuples(fields)
    nested: dict[str, type] = {
        "regressor": AgeRegressorConfig,
        "embedder": IdentityEmbedderConfig,
        "witness": AgeRegressorConfig,
    }
    built = {k: nested[k](**v) if k in nested and v is not None else v for k, v in plain.items()}
    return CompactConfig(**built)
