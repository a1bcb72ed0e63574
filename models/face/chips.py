"""Cuts from a prior's crops the chips that a network by others was trained on; differentiable.

Shapes: B batch, R crop size, S chip size, K landmarks.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn


class Chips(nn.Module):
    """Crops to chips; beyond a crop its edge goes on.

    Args of the constructor:
        crop_from_chip: Similarity, (2, 3), pixels; takes places in a chip to those in a crop.
        size: R.
        chip_size: S.
    """

    grid: Tensor

    def __init__(self, crop_from_chip: NDArray[np.float64], *, size: int, chip_size: int) -> None:
        super().__init__()
        rows, columns = np.mgrid[:chip_size, :chip_size]
        places = np.stack([columns, rows], axis=-1) @ crop_from_chip[:, :2].T + crop_from_chip[:, 2]
        grid = (places[None] + 0.5) / size * 2 - 1
        self.register_buffer("grid", torch.from_numpy(grid).float(), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Returns chips (B, 3, S, S) of crops (B, 3, R, R), of the same range."""
        grid = self.grid.expand(len(crops), -1, -1, -1)
        return F.grid_sample(crops.float(), grid, padding_mode="border", align_corners=False)
