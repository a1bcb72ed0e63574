"""Sizes of StyleGAN2 networks.

A network has one resolution per entry of `channels`: base_size, 2 base_size, 4 base_size and so on.
Published networks start at 4; other bases give other sizes (6 * 2**4 = 96).
Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN".
"""

from dataclasses import dataclass

from models.ops.implementation import Implementation, check_implementation

_FFHQ_CHANNELS = {
    4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32,
}  # fmt: skip


def ffhq_channels(resolution: int) -> tuple[int, ...]:
    """Returns the published channels from 4 px to `resolution` px.

    Raises:
        ValueError: `resolution` is not a power of two from 8 to 1024.
    """
    if resolution not in _FFHQ_CHANNELS or resolution == 4:
        raise ValueError(
            f"ffhq_channels: resolution: got {resolution}, expected a power of two from 8 to 1024"
        )
    return tuple(count for size, count in _FFHQ_CHANNELS.items() if size <= resolution)


def _check_counts(place: str, **counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{place}.{name}: got {count}, expected at least 1")


def _check_channels(place: str, channels: tuple[int, ...]) -> None:
    if len(channels) < 2 or min(channels) < 1:
        raise ValueError(f"{place}.channels: got {channels}, expected two or more positive counts")


@dataclass(frozen=True, kw_only=True, slots=True)
class MappingConfig:
    """Sizes of the mapping network z -> w."""

    latent_size: int = 512
    depth: int = 8
    learning_rate_multiplier: float = 0.01

    def __post_init__(self) -> None:
        _check_counts("MappingConfig", latent_size=self.latent_size, depth=self.depth)
        if self.learning_rate_multiplier <= 0:
            raise ValueError(
                "MappingConfig.learning_rate_multiplier: "
                f"got {self.learning_rate_multiplier}, expected above 0"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class SynthesisConfig:
    """Sizes of the synthesis network w_plus -> picture.

    `channels` counts the features of every resolution, from `base_size` upwards.
    """

    channels: tuple[int, ...]
    base_size: int = 4
    latent_size: int = 512
    image_channels: int = 3
    implementation: Implementation = "fast"

    def __post_init__(self) -> None:
        _check_channels("SynthesisConfig", self.channels)
        _check_counts(
            "SynthesisConfig",
            base_size=self.base_size,
            latent_size=self.latent_size,
            image_channels=self.image_channels,
        )
        check_implementation("SynthesisConfig", self.implementation)

    @classmethod
    def ffhq(
        cls, resolution: int = 1024, *, implementation: Implementation = "fast"
    ) -> "SynthesisConfig":
        """Returns the published sizes for faces of 8 to 1024 px."""
        return cls(channels=ffhq_channels(resolution), implementation=implementation)

    @property
    def resolution(self) -> int:
        """Width and height of the picture in pixels."""
        return self.base_size << (len(self.channels) - 1)

    @property
    def num_layers(self) -> int:
        """How many latents a picture takes: L of w_plus (18 at 1024 px)."""
        return 2 * len(self.channels)

    @property
    def noise_sizes(self) -> tuple[int, ...]:
        """Size in pixels of every noise map: one at the base, two at each later resolution."""
        later = (self.base_size << i for i in range(1, len(self.channels)) for _ in range(2))
        return (self.base_size, *later)


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorConfig:
    """Sizes of mapping and synthesis together."""

    synthesis: SynthesisConfig
    mapping: MappingConfig

    def __post_init__(self) -> None:
        if self.mapping.latent_size != self.synthesis.latent_size:
            raise ValueError(
                f"GeneratorConfig.mapping.latent_size: got {self.mapping.latent_size}, "
                f"expected that of synthesis ({self.synthesis.latent_size})"
            )

    @classmethod
    def ffhq(
        cls, resolution: int = 1024, *, implementation: Implementation = "fast"
    ) -> "GeneratorConfig":
        """Returns the published sizes for faces of 8 to 1024 px."""
        return cls(
            synthesis=SynthesisConfig.ffhq(resolution, implementation=implementation),
            mapping=MappingConfig(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscriminatorConfig:
    """Sizes of the discriminator.

    `channels` counts the features of every resolution, from `base_size` upwards as in synthesis.
    `condition_size` above 0 adds a projection head for a condition vector of that size.
    """

    channels: tuple[int, ...]
    base_size: int = 4
    image_channels: int = 3
    stddev_group: int = 4
    condition_size: int = 0
    implementation: Implementation = "fast"

    def __post_init__(self) -> None:
        _check_channels("DiscriminatorConfig", self.channels)
        _check_counts(
            "DiscriminatorConfig",
            base_size=self.base_size,
            image_channels=self.image_channels,
            stddev_group=self.stddev_group,
        )
        if self.condition_size < 0:
            raise ValueError(
                "DiscriminatorConfig.condition_size: "
                f"got {self.condition_size}, expected at least 0"
            )
        check_implementation("DiscriminatorConfig", self.implementation)

    @classmethod
    def ffhq(
        cls, resolution: int = 1024, *, implementation: Implementation = "fast"
    ) -> "DiscriminatorConfig":
        """Returns the published sizes for faces of 8 to 1024 px."""
        return cls(channels=ffhq_channels(resolution), implementation=implementation)

    @property
    def resolution(self) -> int:
        """Width and height of the picture in pixels."""
        return self.base_size << (len(self.channels) - 1)
