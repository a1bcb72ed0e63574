"""The noise that synthesis adds after its convolutions, and the word that chooses it.

Source: Karras et al. 2019, "A Style-Based Generator Architecture", sec. 2.

Shapes: B batch, H W pixels.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Noise = Literal["stored", "none"] | torch.Generator | Sequence[Tensor]


def noise_maps(
    noise: Noise, stored: Sequence[Tensor], *, batch: int
) -> Sequence[Tensor] | list[None]:
    """Returns the noise map of every convolution, not yet scaled by its strength.

    Args:
        noise: "stored" for the maps that belong to the weights, so that the same latent gives the
            same picture; "none" for nothing; a torch.Generator on their device draws new maps
            for every sample; or the maps themselves, (1 or B, 1, H, W) for every convolution.
        stored: (1, 1, H, W) for every convolution.
        batch: B of maps that are drawn.

    Returns:
        `stored`, or (B, 1, H, W) for every convolution, or None for each.

    Raises:
        ValueError: `noise` is another word, or maps of another number or size.
    """
    if isinstance(noise, torch.Generator):
        return [
            torch.randn(batch, 1, *own.shape[-2:], generator=noise, device=own.device)
            for own in stored
        ]
    if noise == "stored":
        return stored
    if noise == "none":
        return [None] * len(stored)
    if not isinstance(noise, str):
        found, wanted = ([tuple(m.shape[-2:]) for m in maps] for maps in (noise, stored))
        if found != wanted:
            raise ValueError(f"synthesis: noise: got maps of {found}, expected {wanted}")
        return noise
    raise ValueError(
        f"synthesis: noise: got {noise!r}, expected 'stored', 'none', a torch.Generator or maps"
    )
