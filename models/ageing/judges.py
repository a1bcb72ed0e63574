"""Who tells age and likeness for a prior of FFHQ-aligned crops, which has no networks for either.

The published ones, DEX and IR-SE50, or in their stead the compact prior's own, which see the part
of the crop that they were trained on. Which it is stands in the description, never in doubt.

Shapes: B batch, R crop size in pixels, E embedding size.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from models.ageing.compact_prior import CompactPrior
from models.face.dex import DEX
from models.face.irse50 import IRSE50
from models.face.region import Region

FFHQ_SIZE = 256
# What the compact prior's crops show of an FFHQ-aligned picture of 256 px: the square of its
# template's eyes and mouth, by the FFHQ formula, laid over its own crop.
COMPACT_FACE = Region(top=74, bottom=235, left=48, right=209)

_PUBLISHED_NAMES = {"age": "DEX", "likeness": "IR-SE50"}


class Judges(nn.Module):
    """Tells apparent age and identity of FFHQ-aligned crops.

    Args of the constructor:
        age: Tells the age.
        likeness: Tells who it is.
        digests: SHA-256, hex, of their weights, by role: `age` and `likeness`.
    """

    def __init__(
        self, *, age: DEX | CompactPrior, likeness: IRSE50 | CompactPrior, digests: dict[str, str]
    ) -> None:
        super().__init__()
        self.age, self.likeness, self.digests = age, likeness, digests

    @property
    def description(self) -> str:
        """Names both networks and says where one stands in for another."""
        return ", ".join(
            f"{role} by {self._named(role, network)}"
            for role, network in (("age", self.age), ("likeness", self.likeness))
        )

    def _named(self, role: str, network: nn.Module) -> str:
        published, digest = _PUBLISHED_NAMES[role], self.digests[role][:12]
        if isinstance(network, CompactPrior):
            return f"the compact prior {digest}…, standing in for {published}"
        return f"{published} {digest}…"

    def estimate_age(self, crops: Tensor) -> Tensor:
        """Returns apparent ages (B,), years, of crops (B, 3, R, R) in [-1, 1]."""
        if isinstance(self.age, DEX):
            return self.age.apparent_age(crops)
        return self.age.estimate_age(compact_crops(crops, self.age.config.crop_size))

    def embed(self, crops: Tensor) -> Tensor:
        """Returns unit identity embeddings (B, E) of crops (B, 3, R, R) in [-1, 1]."""
        if isinstance(self.likeness, IRSE50):
            return self.likeness.embed(crops)
        return self.likeness.embed(compact_crops(crops, self.likeness.config.crop_size))


def compact_crops(crops: Tensor, size: int) -> Tensor:
    """Cuts the compact prior's view (B, 3, size, size) out of FFHQ-aligned crops (B, 3, R, R)."""
    if crops.shape[2:] != (FFHQ_SIZE, FFHQ_SIZE):
        crops = F.interpolate(crops, (FFHQ_SIZE, FFHQ_SIZE), mode="bilinear", antialias=True)
    face = COMPACT_FACE.cut(crops)
    return F.interpolate(face, (size, size), mode="bilinear", antialias=True)
