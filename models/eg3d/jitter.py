"""The chance in a rendering, drawn before it begins, so that a rendering can be repeated.

Samples of a ray are jittered twice: the coarse ones within their interval, the fine ones along the
distribution that the coarse ones found.

Shapes: B batch, M rays, S coarse samples, F fine samples.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from models.eg3d.config import RenderingConfig
from models.shapes import check_shape


@dataclass(frozen=True, eq=False)
class Jitter:
    """Numbers from [0, 1), one per sample.

    Attributes:
        coarse: (B, M, S); 0 leaves a sample where even spacing puts it.
        fine: (B, M, F), in any order.
    """

    coarse: Tensor
    fine: Tensor

    def of(self, rays: slice) -> "Jitter":
        """Returns the numbers of some rays."""
        return Jitter(coarse=self.coarse[:, rays], fine=self.fine[:, rays])


Sampling = Literal["even"] | torch.Generator | Jitter


def jitter_for(sampling: Sampling, config: RenderingConfig, *, rays: Tensor) -> Jitter:
    """Returns the jitter of all rays.

    Args:
        sampling: "even" for none: coarse samples at even distances, fine ones at even shares of
            their distribution, both ends included; a torch.Generator on the rays' device draws it;
            a Jitter is taken as it is.
        config: How rays are sampled.
        rays: (B, M, 3), for their number, device and dtype.

    Raises:
        ShapeError: A Jitter is not of these rays.
        ValueError: `sampling` is another word.
    """
    batch, count = rays.shape[:2]
    like: dict[str, Any] = {"dtype": rays.dtype, "device": rays.device}
    if isinstance(sampling, Jitter):
        check_shape(
            "jitter.coarse", sampling.coarse, "B M S", B=batch, M=count, S=config.num_coarse
        )
        check_shape("jitter.fine", sampling.fine, "B M F", B=batch, M=count, F=config.num_fine)
        return sampling
    if isinstance(sampling, torch.Generator):
        coarse = torch.rand(batch, count, config.num_coarse, generator=sampling, **like)
        fine = torch.rand(batch, count, config.num_fine, generator=sampling, **like)
        return Jitter(coarse=coarse, fine=fine)
    if sampling == "even":
        none = torch.zeros(config.num_coarse, **like)
        even = torch.linspace(0, 1, config.num_fine, **like)
        return Jitter(coarse=none.expand(batch, count, -1), fine=even.expand(batch, count, -1))
    raise ValueError(
        f"rendering: sampling: got {sampling!r}, expected 'even', a torch.Generator or a Jitter"
    )
