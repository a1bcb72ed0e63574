"""A person's photographs as the networks of a training see them.

Shapes: N photographs, B batch, R crop size, L layers, D latent size, E embedding size.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ageing.anchors import Anchors, anchor_latents
from models.ageing.objectives import Critics
from models.ageing.personal_pass import PhotoBatch
from models.ageing.personal_path import PersonalPath
from models.ageing.prior import Prior
from models.ageing.reference_set import ReferenceSet
from models.ageing.targets import AgeRange
from models.training import to_crops
from tasks.gpu import device

_ENCODED_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """A person's photographs as the networks see them, each also mirrored.

    Attributes:
        crops: float32, (2 N, 3, R, R), [-1, 1]; row n + N mirrors row n.
        ages: Years, (2 N,).
        codes: w_plus, (2 N, L, D).
        embeddings: Unit, (2 N, E).
        anchors: (2 N, L, D), where the person's own path is to be followed.
        covers: Ages that count as known, where they are more than those of these photographs.
    """

    crops: Tensor
    ages: Tensor
    codes: Tensor
    embeddings: Tensor
    anchors: Tensor | None = None
    covers: AgeRange | None = None

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        prior: Prior,
        critics: Critics,
        crops: NDArray[np.uint8],
        ages: NDArray[np.floating],
        *,
        with_anchors: bool = False,
        covers: AgeRange | None = None,
    ) -> "PhotoSet":
        """Encodes crops (N, R, R, 3) with ages (N,), years, once for the whole training."""
        upright = to_crops(crops).to(device())
        both = torch.cat([upright, upright.flip(3)])
        parts = both.split(_ENCODED_AT_ONCE)
        years = torch.from_numpy(np.asarray(ages, np.float32)).to(device()).repeat(2)
        codes = torch.cat([prior.encode(part) for part in parts])
        return cls(
            crops=both,
            ages=years,
            codes=codes,
            embeddings=torch.cat([critics.embed(part) for part in parts]),
            anchors=anchor_latents(prior, both, codes, years) if with_anchors else None,
            covers=covers,
        )

    @property
    def range(self) -> AgeRange:
        """The ages that are known of the person: those that the photographs cover, or more."""
        return self.covers or AgeRange.covering(self.ages.tolist())

    def batch(self, rows: Tensor) -> PhotoBatch:
        """Returns some rows."""
        whole = PhotoBatch(
            crops=self.crops,
            ages=self.ages,
            codes=self.codes,
            embeddings=self.embeddings,
            anchors=self.anchors,
        )
        return whole.rows(rows)

    def references(self) -> ReferenceSet:
        """Returns the photographs as they are, not the mirrored ones, for the personal loss."""
        half = len(self.ages) // 2
        return ReferenceSet(self.embeddings[:half], self.ages[:half])

    def path(self, prior: Prior, *, window_years: float) -> PersonalPath | None:
        """Returns the person's own path; None where there are no anchors."""
        if self.anchors is None:
            return None
        anchors = Anchors(self.anchors, self.ages)
        return PersonalPath(prior, anchors, self.range, window_years)
