"""dlib's face recognition ResNet: faces to embeddings that tell people apart.

Trained by others on some three million labelled faces. Knows no file and no loss.
Sources: He et al. 2016, "Deep Residual Learning for Image Recognition"; network and framing
as in dlib (King 2009, "Dlib-ml"), whose numbers it gives.

Shapes: B batch, C channels, H W pixels, R crop size, E embedding size (128).
"""

from collections.abc import Iterator
from itertools import accumulate

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.face.chips import Chips
from models.shapes import check_shape

FACE_SIZE, EMBEDDING_SIZE = 150, 128
MEAN_COLOUR = (122.782, 117.001, 104.298)  # RGB, 0-255
STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
SUMMARISED = ((1, 2), (2, 3), (3, 3))  # stages whose features are looked at, and fields across
# Mesh landmarks of eye corners and the base of the nose, and where dlib's chips have them, pixels.
LANDMARKS = (263, 362, 33, 133, 2)
CHIP = (
    (110.957, 46.350), (89.606, 47.897), (37.058, 46.373), (58.409, 47.906), (74.011, 87.780),
)  # fmt: skip

Array = NDArray[np.float64]


class _Scaled(nn.Module):
    """A convolution, scaled and shifted; dlib calls the latter affine."""

    def __init__(self, in_channels: int, out_channels: int, size: int, stride: int) -> None:
        super().__init__()
        padding = size // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(in_channels, out_channels, size, stride, padding)
        self.scale = nn.Parameter(torch.ones(out_channels))
        self.shift = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H', W')."""
        return self.conv(x) * self.scale[:, None, None] + self.shift[:, None, None]


class _Residual(nn.Module):
    """Two convolutions around a shortcut; what is smaller of the two is filled up with zeros."""

    def __init__(self, in_channels: int, out_channels: int, *, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.first = _Scaled(in_channels, out_channels, 3, 2 if halves else 1)
        self.second = _Scaled(out_channels, out_channels, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps x (B, C, H, W) to (B, C', H', W')."""
        y = self.second(F.relu(self.first(x)))
        if not self.halves:
            return F.relu(y + x)
        shortcut = F.avg_pool2d(x, 2)
        side, channels = (max(y.shape[axis], shortcut.shape[axis]) for axis in (3, 1))
        return F.relu(_filled(y, channels, side) + _filled(shortcut, channels, side))


def _filled(x: Tensor, channels: int, side: int) -> Tensor:
    return F.pad(x, (0, side - x.shape[3], 0, side - x.shape[2], 0, channels - x.shape[1]))


class DlibResNet(nn.Module):
    """Chips of faces to embeddings; two of one person lie less than 0.6 apart."""

    mean_colour: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Scaled(3, STAGES[0][0], 7, 2)
        blocks, before = [], STAGES[0][0]
        for channels, count, halves in STAGES:
            for number in range(count):
                blocks.append(_Residual(before, channels, halves=halves and number == 0))
                before = channels
        self.blocks = nn.Sequential(*blocks)
        self.embedding = nn.Linear(before, EMBEDDING_SIZE, bias=False)
        self.register_buffer("mean_colour", torch.tensor(MEAN_COLOUR).view(3, 1, 1))

    def forward(self, chips: Tensor) -> Tensor:
        """Embeds chips (B, 3, 150, 150), RGB in [-1, 1], as (B, 128), not of unit length."""
        return self.embed(self.features(chips))

    def embed(self, features: list[Tensor]) -> Tensor:
        """Returns what `features` lead to, (B, 128)."""
        return self.embedding(features[-1].mean(dim=(2, 3)))

    def features(self, chips: Tensor) -> list[Tensor]:
        """Returns what every stage sees of chips (B, 3, 150, 150) in [-1, 1], (B, C, H, W) each."""
        check_shape("chips", chips, "B C H W", C=3, H=FACE_SIZE, W=FACE_SIZE)
        x = ((chips + 1) * 127.5 - self.mean_colour) / 256
        x, seen = F.max_pool2d(F.relu(self.stem(x)), 3, 2), []
        ends = set(accumulate(count for _, count, _ in STAGES))
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in ends:
                seen.append(x)
        return seen

    def in_file_order(self) -> Iterator[tuple[Tensor, ...]]:
        """Yields the parameters as dlib groups them: those of a group lie end to end."""
        for unit in (module for module in self.modules() if isinstance(module, _Scaled)):
            assert unit.conv.bias is not None
            yield unit.conv.weight, unit.conv.bias
            yield unit.scale, unit.shift
        yield (self.embedding.weight.T,)


class CropRecogniser(nn.Module):
    """The network, looking at crops that lie as a prior wants them; differentiable.

    Args of the constructor:
        network: Loaded.
        crop_from_chip: Similarity, (2, 3), pixels; takes `CHIP` to where `LANDMARKS` lie in a crop.
        size: R, of the crops.
    """

    def __init__(self, network: DlibResNet, crop_from_chip: Array, size: int) -> None:
        super().__init__()
        self.network = network
        self.chips = Chips(crop_from_chip, size=size, chip_size=FACE_SIZE)

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Meets crops (B, 3, R, R), RGB in [-1, 1].

        Returns:
            Embeddings (B, 128), and by stage of `SUMMARISED` the mean features of its fields,
            (B, C * fields across ** 2).
        """
        seen = self.network.features(self.chips(crops))
        fields = (F.adaptive_avg_pool2d(seen[stage], across) for stage, across in SUMMARISED)
        return self.network.embed(seen), *(field.flatten(1) for field in fields)
