"""Dual discrimination: a picture, the rendering it was made of, and the camera, judged at once.

The picture and the rendering, resized to it, are six channels of one discriminator, so that
super-resolution cannot invent what the rendered head does not have: views stay consistent. The
camera is its condition, so that a head must be turned as its camera says.
Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4.3.

Shapes: B batch, R pixels of the picture, N of the rendering.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.eg3d.camera import LABEL_SIZE
from models.eg3d.superresolution import COLOURS
from models.ops.equalised import EqualLinear, PixelNorm
from models.ops.shrink import shrunk
from models.shapes import check_shape
from models.stylegan2.config import DiscriminatorConfig
from models.stylegan2.discriminator import Discriminator


@dataclass(frozen=True, kw_only=True)
class DualDiscriminatorConfig:
    """Sizes: features of every resolution from 4 px upwards, and of the embedded camera."""

    channels: tuple[int, ...] = (192, 160, 128, 64, 32, 16)
    condition_size: int = 64

    @property
    def resolution(self) -> int:
        """R: of the pictures that are judged, pixels."""
        return 4 << (len(self.channels) - 1)


@dataclass(frozen=True, eq=False)
class DualPicture:
    """What is judged: a picture (B, 3, R, R) and its rendering (B, 3, N, N), both in [-1, 1]."""

    picture: Tensor
    rendering: Tensor

    def seen_through(self, window: Tensor) -> "DualPicture":
        """Returns both where `window` (B, 1, R, R), 0-1, is 1, and grey elsewhere.

        A photograph does not fill its crop; what stands there must not tell it from a rendering.
        """
        small = shrunk(window, self.rendering.shape[-1])
        return DualPicture(self.picture * window, self.rendering * small)

    def detach(self) -> "DualPicture":
        """Returns the same without gradients."""
        return DualPicture(self.picture.detach(), self.rendering.detach())

    @classmethod
    def of_photographs(cls, crops: Tensor, *, size: int) -> "DualPicture":
        """Takes photographs (B, 3, R, R), shrunk to N = `size` for their own rendering."""
        return cls(crops, shrunk(crops, size))


class DualDiscriminator(nn.Module):
    """Scores pictures with their renderings, given the camera; higher means more real."""

    def __init__(self, config: DualDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        size = config.condition_size
        self.embed = nn.Sequential(
            EqualLinear(LABEL_SIZE, size), PixelNorm(), EqualLinear(size, size, activated=True)
        )
        self.normalise = PixelNorm()
        self.judge = Discriminator(
            DiscriminatorConfig(
                channels=config.channels, image_channels=2 * COLOURS, condition_size=size
            )
        )

    def forward(self, shown: DualPicture, camera: Tensor) -> Tensor:
        """Returns logits (B, 1).

        Args:
            shown: At the resolution of the config.
            camera: Labels, floating, (B, 25).

        Raises:
            ShapeError: A tensor has another shape.
        """
        check_shape("camera label", camera, "B C", B=len(shown.picture), C=LABEL_SIZE)
        size = shown.picture.shape[-2:]
        resized = F.interpolate(shown.rendering, size=size, mode="bilinear", align_corners=False)
        both = torch.cat([shown.picture, resized], dim=1)
        return self.judge(both, self.normalise(self.embed(camera)))

    def gradient_penalty(self, real: DualPicture, camera: Tensor) -> Tensor:
        """Returns R1: the mean squared gradient of the score by picture and rendering.

        Source: Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?".
        """
        picture = real.picture.detach().requires_grad_(True)
        rendering = real.rendering.detach().requires_grad_(True)
        score = self(DualPicture(picture, rendering), camera).sum()
        found = torch.autograd.grad(score, [picture, rendering], create_graph=True)
        return torch.stack([part.square().sum(dim=(1, 2, 3)) for part in found]).sum(0).mean()
