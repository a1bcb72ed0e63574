"""The two passes of a training step: a photograph is aged, and what came of it is brought back.

Whatever is schooled comes in as a callable, so an adapter and a tuned encoder are taught alike.
The general prior's networks run without gradients; only the latents that are learnt, and what is
decoded from them, carry any.
Source: Qu et al. 2025, "MyTimeMachine", sec. 4.2, and its released code; Alaluf et al. 2021, sec. 3
(cycle pass).

Shapes: B batch, L style layers, D latent size, R crop size, S synthesis size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.ageing.adapter import Adapter
from models.ageing.objectives import AgedBatch
from models.ageing.prior import Prior
from models.ageing.targets import AgeMode
from models.ops.shrink import shrunk


@dataclass(frozen=True, eq=False)
class AgedLatents:
    """Latents at the target ages, both (B, L, D): the general prior's, and the person's."""

    general: Tensor
    personal: Tensor


@dataclass(frozen=True, eq=False)
class PhotoBatch:
    """Photographs to be aged.

    Attributes:
        crops: (B, 3, R, R), RGB in [-1, 1].
        ages: Years, (B,).
        codes: Their w_plus where known, (B, L, D); encoded when it is needed otherwise.
        embeddings: Their unit identity embeddings, (B, E), where known.
        anchors: Their anchors, (B, L, D), where the person's own path is followed.
        cameras: Their camera labels, (B, 25), where they are of a face in three dimensions.
    """

    crops: Tensor
    ages: Tensor
    codes: Tensor | None = None
    embeddings: Tensor | None = None
    anchors: Tensor | None = None
    cameras: Tensor | None = None

    def rows(self, rows: Tensor) -> "PhotoBatch":
        """Returns some of them; int64, (R,)."""

        def chosen(known: Tensor | None) -> Tensor | None:
            return None if known is None else known[rows]

        return PhotoBatch(
            crops=self.crops[rows],
            ages=self.ages[rows],
            codes=chosen(self.codes),
            embeddings=chosen(self.embeddings),
            anchors=chosen(self.anchors),
            cameras=chosen(self.cameras),
        )


Personal = Callable[[PhotoBatch, Tensor], AgedLatents]  # photographs, target ages (B,)
# Photographs, target ages (B,), general latents there: to latents to be met, both (B, L, D).
Wanted = Callable[[PhotoBatch, Tensor, Tensor], Tensor]


class AdaptedLatents:
    """Latents of a prior with an adapter: the encoders are frozen."""

    def __init__(self, prior: Prior, adapter: Adapter) -> None:
        self._prior, self._adapter = prior, adapter

    def __call__(self, photos: PhotoBatch, target_age: Tensor) -> AgedLatents:
        """Returns the latents of photographs at target ages (B,), years."""
        general = general_latents(self._prior, photos, target_age)
        return AgedLatents(general, self._adapter(general, target_age))


@torch.no_grad()
def general_latents(prior: Prior, photos: PhotoBatch, target_age: Tensor) -> Tensor:
    """Returns the general prior's latents (B, L, D) at target ages (B,), years."""
    codes = prior.encode(photos.crops) if photos.codes is None else photos.codes
    return codes + prior.ageing_offset(photos.crops, codes, photos.ages, target_age)


def pooled_decode(prior: Prior, w_plus: Tensor) -> Tensor:
    """Decodes w_plus (B, L, D) and brings it to the crop's size, (B, 3, R, R)."""
    return shrunk(prior.decode(w_plus), prior.config.crop_size)


def ageing_pass(
    prior: Prior,
    personal: Personal,
    photos: PhotoBatch,
    target_age: Tensor,
    mode: Tensor,
    *,
    wanted: Wanted | None = None,
) -> AgedBatch:
    """Ages photographs.

    Args:
        prior: The general prior, frozen.
        personal: What is schooled.
        photos: Photographs with their ages.
        target_age: Years, (B,).
        mode: AgeMode of every sample, int64, (B,).
        wanted: The person's own path, which then also says what extrapolated samples are held to;
            None holds them to the general prior's picture of the photograph.
    """
    latents = personal(photos, target_age)
    own = None if wanted is None else wanted(photos, target_age, latents.general)
    return _aged(prior, latents, photos, target_age, mode, own)


def cycle_pass(
    prior: Prior,
    personal: Personal,
    photos: PhotoBatch,
    aged: AgedBatch,
    *,
    keeps_mode: bool,
) -> AgedBatch:
    """Brings aged pictures back to their photographs' ages.

    Args:
        prior: The general prior, frozen.
        personal: What is schooled.
        photos: As given to `ageing_pass`.
        aged: What that returned; no gradient flows back into it.
        keeps_mode: Whether the result is judged by the first pass's mode, as in the released code,
            or as a face that is not to age.

    What is wanted are the photographs' own anchors, where there are any.
    """
    halfway = PhotoBatch(crops=aged.picture.detach().clamp(-1, 1), ages=aged.target_age)
    latents = personal(halfway, photos.ages)
    mode = aged.mode if keeps_mode else torch.full_like(aged.mode, AgeMode.NO_AGEING)
    return _aged(prior, latents, photos, photos.ages, mode, photos.anchors)


def _aged(
    prior: Prior,
    latents: AgedLatents,
    photos: PhotoBatch,
    target_age: Tensor,
    mode: Tensor,
    own: Tensor | None,
) -> AgedBatch:
    held_to = latents.general if own is None else own
    return AgedBatch(
        picture=pooled_decode(prior, latents.personal),
        w_plus=latents.personal,
        source=photos.crops,
        source_age=photos.ages,
        target_age=target_age,
        mode=mode,
        prior_picture=lambda rows: pooled_decode(prior, held_to[rows]),
        source_embedding=photos.embeddings,
        wanted=own,
    )
