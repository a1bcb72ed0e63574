"""MobileFace: a small face recogniser, a second opinion on who a face is.

Trained by others on labelled faces. Knows no file and no loss.
Sources: Chen et al. 2018, "MobileFaceNets" (its kind of network); layers as in the published
MobileFace (MIT), whose numbers it gives.

Shapes: B batch, C channels, H W pixels, R crop size, E embedding size (256).
"""

from itertools import pairwise

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.face.chips import Chips
from models.shapes import check_shape

FACE_SIZE, EMBEDDING_SIZE = 112, 256
WIDTHS = (32, 32, 32, 64, 128)  # of the stem and each stage, which halves
FIELD = 4  # pixels across, of the last stage
# Mesh landmarks of both eyes (corners and lids), the nose's tip and the mouth's corners, and where
# the means of the first two groups and the others lie in its chips, pixels.
LANDMARKS = ((33, 133, 159, 145), (362, 263, 386, 374), (4,), (61,), (291,))
CHIP = (
    (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
    (70.7299, 92.2041),
)  # fmt: skip


class MobileFace(nn.Module):
    """Face chips to embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTHS[0], 3, stride=2, padding=1, bias=False)
        self.bend = nn.PReLU(WIDTHS[0])
        self.stages = nn.ModuleList(_Stage(*channels) for channels in pairwise(WIDTHS))
        self.embedding = nn.Linear(WIDTHS[-1] * FIELD**2, EMBEDDING_SIZE)

    def forward(self, chips: Tensor) -> Tensor:
        """Returns embeddings (B, E), not of unit length, of chips (B, 3, 112, 112) in [-1, 1]."""
        check_shape("chips", chips, "B C H W", C=3, H=FACE_SIZE, W=FACE_SIZE)
        x = self.bend(self.stem(chips * (127.5 / 128)))
        for stage in self.stages:
            x = stage(x)
        embedded: Tensor = self.embedding(x.permute(0, 2, 3, 1).flatten(1))
        return embedded


class _Stage(nn.Module):
    """Halves, then adds what two convolutions of each channel by itself find."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.each = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
            for stride in (2, 1, 1)
        )
        self.bends = nn.ModuleList(nn.PReLU(channels) for _ in self.each)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H / 2, W / 2)."""
        x = halved = self.bends[0](self.each[0](self.mix(x)))
        for each, bend in zip(self.each[1:], self.bends[1:], strict=True):
            x = bend(each(x))
        return halved + x


class CropMobileFace(nn.Module):
    """The network, looking at crops that lie as a prior wants them; differentiable.

    Args of the constructor:
        network: Loaded.
        crop_from_chip: Similarity, (2, 3), pixels; takes `CHIP` to where `LANDMARKS` lie in a crop.
        size: R, of the crops.
    """

    def __init__(self, network: MobileFace, crop_from_chip: NDArray[np.float64], size: int) -> None:
        super().__init__()
        self.network = network
        self.chips = Chips(crop_from_chip, size=size, chip_size=FACE_SIZE)

    def forward(self, crops: Tensor) -> tuple[Tensor]:
        """Meets crops (B, 3, R, R), RGB in [-1, 1]: unit embeddings (B, E)."""
        return (F.normalize(self.network(self.chips(crops)), dim=1),)
