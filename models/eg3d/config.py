"""Sizes of a tri-plane generator; the published FFHQ512-128 ones by default.

Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks".
"""

from dataclasses import dataclass, field

from models.ops.implementation import Implementation, check_implementation
from models.stylegan2.config import MappingConfig, SynthesisConfig

NUM_PLANES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderingConfig:
    """How rays are sampled.

    Attributes:
        near, far: Where sampling along a ray begins and ends, world units from the camera.
        box_size: Side of the cube, centred at the origin, that the planes span; world units.
        num_coarse: Samples of the first pass, evenly spaced but for their jitter.
        num_fine: Samples of the second pass, placed where the first found matter.
        chunk_rays: So many rays are rendered at a time; bounds the memory, changes no result.
    """

    near: float = 2.25
    far: float = 3.3
    box_size: float = 1.0
    num_coarse: int = 48
    num_fine: int = 48
    chunk_rays: int = 512

    def __post_init__(self) -> None:
        if not 0 <= self.near < self.far:
            raise ValueError(
                f"RenderingConfig: near, far: got {self.near}, {self.far}, expected 0 <= near < far"
            )
        if self.box_size <= 0:
            raise ValueError(f"RenderingConfig.box_size: got {self.box_size}, expected above 0")
        if self.num_coarse < 4:
            raise ValueError(
                f"RenderingConfig.num_coarse: got {self.num_coarse}, expected at least 4"
            )
        for name in ("num_fine", "chunk_rays"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"RenderingConfig.{name}: got {getattr(self, name)}, expected at least 1"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class SuperresolutionConfig:
    """Sizes of the network from rendered features to the picture.

    Attributes:
        input_size: Pixels; features rendered at another size are resized to it.
        channels: Of the resolutions, each twice the one before; the first is 2 input_size.
        clamp: Largest magnitude of a feature or colour inside.
    """

    input_size: int = 128
    channels: tuple[int, ...] = (256, 128)
    clamp: float = 256.0

    def __post_init__(self) -> None:
        if self.input_size < 1:
            raise ValueError(
                f"SuperresolutionConfig.input_size: got {self.input_size}, expected at least 1"
            )
        if not self.channels or min(self.channels) < 1:
            raise ValueError(
                f"SuperresolutionConfig.channels: got {self.channels}, expected positive counts"
            )
        if self.clamp <= 0:
            raise ValueError(f"SuperresolutionConfig.clamp: got {self.clamp}, expected above 0")

    @property
    def resolution(self) -> int:
        """Width and height of the picture in pixels."""
        return self.input_size << len(self.channels)


def _published_planes() -> SynthesisConfig:
    return SynthesisConfig(channels=(512, 512, 512, 512, 512, 256, 128), image_channels=96)


@dataclass(frozen=True, kw_only=True, slots=True)
class TriPlaneConfig:
    """Sizes of all networks of a tri-plane generator.

    Attributes:
        mapping: Of (z, camera label) -> w; z and w have one size.
        planes: Of w+ -> the three planes, which are its picture: 3 F channels.
        hidden_size: Of the decoder's inner layer.
        superresolution: Of features -> picture.
        rendering: How rays are sampled.
        render_size: Of the rendered features, pixels, where no other is asked for.
        implementation: "reference" follows the formulas step by step; "fast" gives the same up to
            rounding.
    """

    mapping: MappingConfig = field(default_factory=lambda: MappingConfig(depth=2))
    planes: SynthesisConfig = field(default_factory=_published_planes)
    hidden_size: int = 64
    superresolution: SuperresolutionConfig = field(default_factory=SuperresolutionConfig)
    rendering: RenderingConfig = field(default_factory=RenderingConfig)
    render_size: int = 128
    implementation: Implementation = "fast"

    def __post_init__(self) -> None:
        check_implementation("TriPlaneConfig", self.implementation)
        if self.mapping.latent_size != self.planes.latent_size:
            raise ValueError(
                f"TriPlaneConfig.mapping.latent_size: got {self.mapping.latent_size}, "
                f"expected that of the planes ({self.planes.latent_size})"
            )
        channels = self.planes.image_channels
        if channels % NUM_PLANES or channels < 3 * NUM_PLANES:
            raise ValueError(
                f"TriPlaneConfig.planes.image_channels: got {channels}, "
                f"expected a multiple of {NUM_PLANES}, at least {3 * NUM_PLANES}"
            )
        for name in ("hidden_size", "render_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"TriPlaneConfig.{name}: got {getattr(self, name)}, expected at least 1"
                )

    @property
    def num_layers(self) -> int:
        """L of w+ (14 at the published sizes)."""
        return self.planes.num_layers

    @property
    def latent_size(self) -> int:
        """D of z, w and w+."""
        return self.planes.latent_size

    @property
    def num_features(self) -> int:
        """F: features of a plane, of a sample and of a rendered pixel."""
        return self.planes.image_channels // NUM_PLANES
