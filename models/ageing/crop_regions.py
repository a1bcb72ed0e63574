"""Where in an aligned crop its border, the eyes, the face and what is beside it lie, as weights.

Shapes: B batch, C channels, S pixels.
"""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # what is kept may be trained with later
def border_ramp(size: int, *, share: float = 0.12) -> Tensor:
    """Returns 1 inside a crop, falling to 0 over `share` of its size at the border; (S, S)."""
    centre = (size - 1) / 2
    distance = size / 2 - (torch.arange(size) - centre).abs()
    ramp = (distance / (share * size)).clamp(0, 1)
    return torch.minimum(ramp[:, None], ramp[None])


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # what is kept may be trained with later
def eye_weight(size: int) -> Tensor:
    """Returns where the eyes of an aligned crop lie, (S, S), of mean 1.

    A discriminator that looks at both sides at once is slow to see that one eye has gone blind.
    """
    x, y = _places(size)
    sides = [
        torch.exp(-0.5 * (((x - centre) / 0.073) ** 2 + ((y - 0.297) / 0.042) ** 2) ** 2)
        for centre in (0.305, 0.695)
    ]
    weight = sides[0] + sides[1]
    return weight / weight.mean()


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # what is kept may be trained with later
def surroundings_weight(size: int) -> Tensor:
    """Returns what of an aligned crop lies beside the face, (S, S), of mean 1.

    Backgrounds tell an age too: left free, the change darkens what is behind an old face's jaw.
    """
    weight = 1 - face_weight(size)
    return weight / weight.mean()


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # what is kept may be trained with later
def face_weight(size: int) -> Tensor:
    """Returns 1 on the face of an aligned crop, falling to 0 beside it; (S, S)."""
    x, y = _places(size)
    radius = torch.hypot((x - 0.5) / 0.46, (y - 0.42) / 0.58)
    return torch.sigmoid((1 - radius) / 0.05)


def _places(size: int) -> tuple[Tensor, Tensor]:
    """Returns where pixels lie across and down a crop, as shares of its size; (S, S) each."""
    shares = (torch.arange(size) + 0.5) / size
    x, y = torch.meshgrid(shares, shares, indexing="xy")
    return x, y
