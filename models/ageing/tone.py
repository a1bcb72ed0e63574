"""A face is neither lightened nor tinted as a whole: its mean colour, as seen, stays.

Small as such shifts are, some skins would get more of them than others.

Shapes: B batch, S pixels.
"""

import torch
from torch import Tensor

from models.ageing.crop_regions import border_ramp, face_weight
from models.ops.cielab import cielab

_LEAST_COVERED = 1e-3  # pixels: keeps an empty matte from being divided by
_PROBE = 2e-3  # display units, by which a channel is moved to see what that does
_FALL = 1.75  # power of a matte: its soft edge lies half on what is not face
_MOST = 0.05  # display units, that the second step may take: it makes up for a curve


def tone_kept(change: Tensor, crops: Tensor, faces: Tensor | None = None) -> Tensor:
    """Takes from a change (B, 3, S, S) what lightens or tints the whole face.

    The face's mean CIELAB colour, weighted, is then that of the crop. First the change's own mean
    is taken, then once what the eye's curve leaves of it. No change stays none, and what is taken
    falls to 0 at the crop's border.

    Args:
        change: Display units.
        crops: RGB in [-1, 1], (B, 3, S, S), to which it is to be added.
        faces: Where the faces lie, (B, 1, S, S), 0-1; without them, where faces lie as a rule. In
            an image without a face nothing is taken.
    """
    size = change.shape[-1]
    face = face_weight(size).to(change) if faces is None else faces.to(change)
    taken = face * border_ramp(size).to(change)
    covered = (taken * face).sum(dim=(-2, -1), keepdim=True).clamp_min(_LEAST_COVERED)
    level = change - (change * face).sum(dim=(2, 3), keepdim=True) / covered * taken
    return level - _left(level, crops, face, taken)[:, :, None, None] * taken


@torch.no_grad()
def _left(change: Tensor, crops: Tensor, face: Tensor, taken: Tensor) -> Tensor:
    """Returns how much of `taken` each channel still shifts the face by, (B, 3), display units."""
    skin = face**_FALL
    covered = skin.sum(dim=(-2, -1)).clamp_min(_LEAST_COVERED)

    def colours(added: Tensor) -> Tensor:
        seen = cielab(((crops + 1) / 2 + added).clamp(0, 1))
        # In double precision: what is asked are small differences of large sums.
        return (seen * skin).sum(dim=(2, 3), dtype=torch.float64) / covered

    now = colours(change)
    moved = [colours(change + _PROBE * channel * taken) for channel in _channels(change)]
    slopes = torch.stack([(colour - now) / _PROBE for colour in moved], dim=2)
    off = (now - colours(torch.zeros_like(change)))[:, :, None]
    # Where nothing can be moved, as in an image without a face, nothing is.
    return (torch.linalg.pinv(slopes, rtol=1e-3) @ off)[:, :, 0].clamp(-_MOST, _MOST).to(change)


def _channels(like: Tensor) -> Tensor:
    """Returns three pictures (3, 3, 1, 1) of which each has one channel."""
    return torch.eye(3, dtype=like.dtype, device=like.device)[:, :, None, None]
