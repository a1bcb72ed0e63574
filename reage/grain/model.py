"""What a plate's grain is like: how strong at each luminance, in each channel, and how it looks.

Strength is a curve of variances over luma, one a channel, all in the display view. The look is a
bank of kernels that turn white noise into grain of the plate's spectrum, channels going together as
far as they do in the plate.

n points of the curves, k side of the kernels (odd).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Grain:
    """The grain of a plate.

    Attributes:
        lumas: Luma of the curves' points, display view, rising, (n,); none where there is no grain.
        variances: Of each channel there, (n, 3).
        kernels: float32, (3, 3, k, k): from white channel (second) to channel of grain (first),
            each of the three of variance 1 together.
    """

    lumas: NDArray[np.float64]
    variances: NDArray[np.float64]
    kernels: Pixels

    @property
    def is_none(self) -> bool:
        """Whether the plate has no grain to speak of."""
        return not self.variances.any()

    def variance(self, luma: Pixels) -> Pixels:
        """Returns the grain's variance at each luma, (...) to float32 (..., 3)."""
        curves = [np.interp(luma, self.lumas, curve) for curve in self.variances.T]
        return np.stack(curves, axis=-1).astype(np.float32)

    def fresh(self, shape: tuple[int, int], *, seed: tuple[int, ...]) -> Pixels:
        """Draws grain of variance 1 in each channel, float32, (H, W, 3); a seed gives one."""
        reach = self.kernels.shape[-1] // 2
        rows, columns = shape[0] + 2 * reach, shape[1] + 2 * reach
        white = np.random.default_rng(seed).standard_normal((3, rows, columns), np.float32)
        drawn = [
            sum(cv2.filter2D(white[i], -1, kernel) for i, kernel in enumerate(bank))
            for bank in self.kernels
        ]
        inner = (slice(reach, reach + shape[0]), slice(reach, reach + shape[1]))
        return np.stack([np.asarray(channel)[inner] for channel in drawn], axis=-1)

    def save(self, path: Path) -> None:
        """Writes the model as .npz."""
        np.savez(path, lumas=self.lumas, variances=self.variances, kernels=self.kernels)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote."""
        with np.load(path) as stored:
            return cls(**{name: stored[name] for name in ("lumas", "variances", "kernels")})


def no_grain() -> Grain:
    """Returns the model of a plate without grain."""
    return Grain(
        lumas=np.zeros(1), variances=np.zeros((1, 3)), kernels=np.zeros((3, 3, 1, 1), np.float32)
    )
