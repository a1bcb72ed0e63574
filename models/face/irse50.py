"""The published identity network IR-SE50: faces to unit embeddings.

Knows nothing of losses; the trunk is ops/irse.py's.
Source: Deng et al. 2019, "ArcFace"; the network and its framing as in Richardson et al. 2021,
"Encoding in Style". State-dict names as in the published `model_ir_se50.pth`.

Shapes: B batch, S face size, R picture size in pixels, E embedding size.
"""

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn

from models.face.region import FFHQ_FACE, Region
from models.ops.irse import IRSEConfig, irse_body, irse_stem
from models.shapes import check_shape


@dataclass(frozen=True, kw_only=True, slots=True)
class IRSE50Config:
    """Sizes of the network and how a face is framed for it; the values are the published ones.

    Attributes:
        face_size: S, of the faces that the trunk sees.
        picture_size: R, of the aligned picture that `region` is measured in.
        region: What of the picture is the face.
    """

    trunk: IRSEConfig = field(default_factory=IRSEConfig)
    embedding_size: int = 512
    face_size: int = 112
    picture_size: int = 256
    region: Region = FFHQ_FACE

    def __post_init__(self) -> None:
        step = 1 << len(self.trunk.stages)
        if self.face_size < 1 or self.face_size % step:
            raise ValueError(
                f"IRSE50Config.face_size: got {self.face_size}, expected a multiple of {step}"
            )
        if min(self.embedding_size, self.picture_size) < 1:
            raise ValueError(f"IRSE50Config: sizes: got {self}, expected at least 1 each")


class IRSE50(nn.Module):
    """Faces to unit embeddings; the cosine of two says how alike two people are."""

    def __init__(self, config: IRSE50Config) -> None:
        super().__init__()
        self.config = config
        channels = config.trunk.stages[-1][0]
        cells = (config.face_size >> len(config.trunk.stages)) ** 2
        self.input_layer = irse_stem(config.trunk)
        self.body = irse_body(config.trunk)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(0.6),
            nn.Flatten(),
            nn.Linear(channels * cells, config.embedding_size),
            nn.BatchNorm1d(config.embedding_size),
        )

    def forward(self, faces: Tensor) -> Tensor:
        """Embeds faces that are framed already.

        Args:
            faces: Floating, (B, 3, S, S), RGB in [-1, 1].

        Returns:
            Unit vectors, (B, E).

        Raises:
            ShapeError: `faces` has another shape.
        """
        size, channels = self.config.face_size, self.config.trunk.in_channels
        check_shape("faces", faces, "B C H W", C=channels, H=size, W=size)
        embedding = self.output_layer(self.body(self.input_layer(faces)))
        return embedding / embedding.norm(dim=1, keepdim=True)

    def embed(self, pictures: Tensor) -> Tensor:
        """Embeds aligned pictures of any size.

        Args:
            pictures: Floating, (B, 3, H, W), RGB in [-1, 1], FFHQ-aligned. Other sizes than R are
                averaged down (or repeated up) to R first.

        Returns:
            Unit vectors, (B, E).
        """
        size = self.config.picture_size
        if pictures.shape[2:] != (size, size):
            pictures = F.adaptive_avg_pool2d(pictures, size)
        face = self.config.region.cut(pictures)
        return self(F.adaptive_avg_pool2d(face, self.config.face_size))
