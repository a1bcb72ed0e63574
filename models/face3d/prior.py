"""A 3D prior: encoder, tri-plane generator and the ageing path of its codes.

Shapes: B batch, R crop size, L style layers, D latent size.
"""

from dataclasses import dataclass, field

from torch import Tensor, nn

from models.ageing.path import AgeingPath
from models.eg3d.config import TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.face3d.encoder import FaceEncoder, FaceEncoderConfig

ONE_CELL = 1  # the path is the same for everybody


@dataclass(frozen=True, kw_only=True)
class Face3DConfig:
    """Sizes of all networks of a 3D prior.

    Attributes:
        licence: Of the weights.
        generator: Of w+ -> face.
        encoder: Of crop -> w+.
        min_age, max_age: Of the ageing path, years.
        path_knots, path_components: Of the ageing path.
    """

    licence: str
    generator: TriPlaneConfig
    encoder: FaceEncoderConfig = field(default_factory=FaceEncoderConfig)
    min_age: float = 18.0
    max_age: float = 90.0
    path_knots: int = 25
    path_components: int = 24

    @property
    def crop_size(self) -> int:
        """R: pixels of the pictures that the generator makes."""
        return self.generator.superresolution.resolution


class Face3DPrior(nn.Module):
    """Turns photographs into faces that can be looked at from the side, and aged."""

    def __init__(self, config: Face3DConfig) -> None:
        super().__init__()
        self.config = config
        layers, size = config.generator.num_layers, config.generator.latent_size
        self.encoder = FaceEncoder(config.encoder, num_layers=layers, latent_size=size)
        self.generator = TriPlaneGenerator(config.generator)
        self.path = AgeingPath(
            num_cells=ONE_CELL,
            num_layers=layers,
            latent_size=size,
            num_components=config.path_components,
            min_age=config.min_age,
            max_age=config.max_age,
            num_knots=config.path_knots,
        )

    def encode(self, crops: Tensor) -> Tensor:
        """Returns w+ (B, L, D) of crops (B, 3, R, R), [-1, 1]; see reage.head.camera for crops."""
        return self.encoder(crops)

    def aged(self, w_plus: Tensor, source_age: Tensor, target_age: Tensor) -> Tensor:
        """Returns w+ (B, L, D) moved from source_age (B,) to target_age (B,), years."""
        everyone = source_age.new_ones(len(w_plus), ONE_CELL)
        return w_plus + self.path(source_age, target_age, cell_weights=everyone)
