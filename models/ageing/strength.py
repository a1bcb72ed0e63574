"""How far a personal adapter is followed: from the general prior's latents to the person's.

The person's offset is linear in the last layers of the adapter's heads. Scaling it is therefore the
line in weights on which those layers alone move, from adding nothing to what they are; along it
latents move straight, so that pictures change nearly evenly, whatever the face.

Shapes: B batch, P places of the line, L style layers, D latent size, R crop size, S synthesis size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.ageing.adapter import Adapter
from models.ageing.prior import Prior
from models.shapes import check_shape


def latents_at(general: Tensor, personal: Tensor, place: Tensor) -> Tensor:
    """Returns latents between the general prior's and the person's; exactly these at 0 and 1.

    Args:
        general: (B, L, D).
        personal: Like `general`.
        place: 0 to 1, (B,).
    """
    share = place[:, None, None]
    return (1 - share) * general + share * personal


@torch.no_grad()
def changes_along(
    prior: Prior,
    adapter: Adapter,
    crop: Tensor,
    source_age: Tensor,
    target_age: Tensor,
    *,
    places: Sequence[float],
    at_once: int | None = None,
) -> Tensor:
    """Returns what re-ages one crop at some places of the line, all in one batch.

    Args:
        prior: The general prior.
        adapter: The person's.
        crop: RGB in [-1, 1], (1, 3, R, R).
        source_age: Years, (1,).
        target_age: Years, (1,).
        places: 0 to 1, P of them.
        at_once: Pictures to synthesise at a time, where memory is short.

    Returns:
        (P, 3, S, S), display units, as `Prior.change`.
    """
    check_shape("crop", crop, "B C H W", B=1)
    w_plus = prior.encode(crop)
    asked = torch.cat([source_age, target_age])
    general = w_plus + torch.cat(
        [
            prior.source_offset(crop, w_plus, source_age),
            prior.ageing_offset(crop, w_plus, source_age, target_age),
        ]
    )
    personal = adapter(general, asked)
    along = torch.tensor(list(places), device=general.device).repeat_interleave(2)
    count = len(places)
    latents = latents_at(general.repeat(count, 1, 1), personal.repeat(count, 1, 1), along)
    pictures = torch.cat([prior.decode(w) for w in latents.split(at_once or len(latents))])
    return prior.difference(pictures[0::2], pictures[1::2], crop.expand(count, -1, -1, -1))
