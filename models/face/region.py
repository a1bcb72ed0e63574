"""The part of an aligned picture that judges of faces look at.

Source: Richardson et al. 2021, "Encoding in Style": the crop before the identity network, which
the perceptual losses of SAM and MyTimeMachine share.
"""

from typing import NamedTuple

from torch import Tensor


class Region(NamedTuple):
    """Rows top to bottom - 1 and columns left to right - 1 of a picture, pixels."""

    top: int
    bottom: int
    left: int
    right: int

    def cut(self, pictures: Tensor) -> Tensor:
        """Returns the region of pictures (B, C, H, W), a view.

        Raises:
            ValueError: The region is empty or reaches beyond the pictures.
        """
        height, width = pictures.shape[2:]
        fits = 0 <= self.top < self.bottom <= height and 0 <= self.left < self.right <= width
        if not fits:
            raise ValueError(f"region: got {tuple(self)}, expected one inside {height} x {width}")
        return pictures[:, :, self.top : self.bottom, self.left : self.right]


FFHQ_FACE = Region(top=35, bottom=223, left=32, right=220)  # of an FFHQ-aligned picture of 256 px
