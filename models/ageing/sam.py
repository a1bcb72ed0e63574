"""SAM as published: an age encoder beside pSp's, and StyleGAN2's synthesis at 1024 px.

The latent at an age is pSp(picture) + age encoder(picture, age) + mean latent; so a picture's code
alone, without the age encoder's part, lies off the latents at every age, its own included.
Source: Alaluf et al. 2021, "Only a Matter of Style: Age Transformation Using a Style-Based
Regression Model". State-dict names as in the published checkpoint.

Shapes: B batch, L style layers, D latent size, R crop size, S synthesis size in pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.ageing.encoder import EncoderConfig, GradualStyleEncoder
from models.ageing.judges import Judges
from models.ageing.prior import FFHQAlignment, Prior, PriorError, check_age_range, sharing
from models.ageing.prior_files import CONFIG_NAME, WEIGHTS_NAME, tuples
from models.ops.irse import IRSEConfig
from models.published_file import CheckpointError, load_state, read_tensors
from models.stylegan2.config import GeneratorConfig, MappingConfig, SynthesisConfig
from models.stylegan2.synthesis import Generator


@dataclass(frozen=True, kw_only=True)
class SamConfig:
    """Sizes of SAM's networks, the published ones by default, and what it declares about itself.

    Attributes:
        encoder: Of the picture's encoder; the age encoder has one channel more.
        generator: Of synthesis and mapping; the mapping network is never run.
    """

    name: str
    licence: str
    min_age: float = 18
    max_age: float = 100
    encoder: EncoderConfig = field(default_factory=EncoderConfig.published)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig.ffhq)

    def __post_init__(self) -> None:
        check_age_range("SamConfig", self.min_age, self.max_age)
        ours, theirs = self.encoder, self.generator.synthesis
        if (ours.num_layers, ours.latent_size) != (theirs.num_layers, theirs.latent_size):
            raise ValueError(
                f"SamConfig.encoder: got w_plus of {ours.num_layers} x {ours.latent_size}, "
                f"expected the generator's ({theirs.num_layers} x {theirs.latent_size})"
            )

    @property
    def num_layers(self) -> int:
        """L: rows of w+."""
        return self.encoder.num_layers

    @property
    def latent_size(self) -> int:
        """D: columns of w+."""
        return self.encoder.latent_size

    @property
    def crop_size(self) -> int:
        """R: of the crops that are encoded, pixels."""
        return self.encoder.resolution

    @property
    def synthesis_size(self) -> int:
        """S: of the crops that are synthesised, pixels."""
        return self.generator.synthesis.resolution

    @property
    def age_encoder(self) -> EncoderConfig:
        """Sizes of the age encoder."""
        trunk = self.encoder.trunk
        return replace(self.encoder, trunk=replace(trunk, in_channels=trunk.in_channels + 1))


class SamNetworks(nn.Module):
    """The networks of a SAM checkpoint, by their published names, and its mean latent."""

    latent_avg: Tensor

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.encoder = GradualStyleEncoder(config.age_encoder)
        self.pretrained_encoder = GradualStyleEncoder(config.encoder)
        self.decoder = Generator(config.generator)
        self.register_buffer("latent_avg", torch.zeros(config.num_layers, config.latent_size))


class SamPrior(Prior):
    """SAM behind the calls of a prior.

    Args of the constructor:
        networks: In evaluation mode.
        judges: Tell age and likeness.
        digest: SHA-256, hex, of the weights file.
    """

    config: SamConfig
    alignment: FFHQAlignment

    def __init__(
        self, config: SamConfig, networks: SamNetworks, judges: Judges, *, digest: str
    ) -> None:
        super().__init__()
        self.config = config
        self.alignment = FFHQAlignment(size=config.crop_size)
        self.networks, self.judges = networks, judges
        self._digest = digest

    @property
    def digest(self) -> str:
        """SHA-256, hex, of the weights file."""
        return self._digest

    @property
    def decoder(self) -> Generator:
        """StyleGAN2's synthesis, and the mapping network that is never run."""
        return self.networks.decoder

    def with_decoder(self, decoder: nn.Module, *, digest: str) -> "SamPrior":
        """Returns this prior with another synthesis; see Prior."""
        networks = sharing(self.networks, decoder=decoder.eval().requires_grad_(False))
        other = sharing(self, networks=networks)
        other._digest = digest
        return other

    @property
    def judged_by(self) -> str:
        """The networks that tell age and likeness, which are none of SAM's."""
        return self.judges.description

    @property
    def judge_digests(self) -> Mapping[str, str]:
        """Of the weights of both judges."""
        return self.judges.digests

    def encode(self, crops: Tensor) -> Tensor:
        """Encodes crops (B, 3, R, R) as pSp(crops) + mean latent, (B, L, D)."""
        self.check_crops(crops)
        return self.networks.pretrained_encoder(crops).float() + self.networks.latent_avg

    def estimate_age(self, crops: Tensor) -> Tensor:
        """Returns apparent ages (B,), years, of crops (B, 3, R, R) in [-1, 1]."""
        self.check_crops(crops)
        return self.judges.estimate_age(crops)

    def embed(self, crops: Tensor) -> Tensor:
        """Returns unit identity embeddings (B, E) of crops (B, 3, R, R) in [-1, 1]."""
        self.check_crops(crops)
        return self.judges.embed(crops)

    def ageing_offset(
        self, crops: Tensor, w_plus: Tensor, source_age: Tensor, target_age: Tensor
    ) -> Tensor:
        """Returns the age encoder's part at the target age; the source age does not enter.

        Otherwise as Prior says.
        """
        self.check_move(crops, w_plus, source_age, target_age)
        return self.networks.encoder(with_age(crops, target_age)).float()

    def decode(self, w_plus: Tensor) -> Tensor:
        """Synthesises crops (B, 3, S, S), about [-1, 1], with the noise maps of the weights."""
        return self.networks.decoder(w_plus).float()


def with_age(crops: Tensor, age: Tensor) -> Tensor:
    """Appends the age (B,), years, to crops (B, 3, R, R) as a fourth channel, age / 100."""
    plane = (age.to(crops.dtype) / 100)[:, None, None, None]
    return torch.cat([crops, plane.expand(-1, 1, *crops.shape[2:])], dim=1)


def load_sam_prior(folder: Path, described: dict[str, Any], judges: Judges) -> SamPrior:
    """Loads SAM in evaluation mode, gradients off; the weights stay in their file until used.

    Args:
        folder: Holds weights.safetensors.
        described: From `read_description` of that folder.
        judges: Tell age and likeness.

    Raises:
        PriorError: The description or the weights are not of SAM.
    """
    try:
        config = sam_config_from_dict(described["config"])
    except (KeyError, TypeError) as error:
        raise PriorError(
            f"{folder / CONFIG_NAME}: got a key missing or unknown: {error}"
        ) from error
    with torch.device("meta"):
        networks = SamNetworks(config)
    weights = folder / WEIGHTS_NAME
    try:
        load_state(networks, read_tensors(weights), place=str(weights), assign=True)
    except CheckpointError as error:
        raise PriorError(str(error)) from error
    prior = SamPrior(config, networks, judges, digest=described["digest"])
    return prior.eval().requires_grad_(False)


def sam_config_from_dict(fields: dict[str, Any]) -> SamConfig:
    """Builds a config from what `dataclasses.asdict` and JSON made of it."""
    plain: dict[str, Any] = tuples(fields)
    encoder, generator = plain["encoder"], plain["generator"]
    return SamConfig(
        **plain
        | {
            "encoder": EncoderConfig(**encoder | {"trunk": IRSEConfig(**encoder["trunk"])}),
            "generator": GeneratorConfig(
                synthesis=SynthesisConfig(**generator["synthesis"]),
                mapping=MappingConfig(**generator["mapping"]),
            ),
        }
    )
