"""What a personal generator is worth on the increments of a stream.

Reconstruction: held-out photographs, encoded and decoded; perceptual distance (on the prior's own
features, which stand for LPIPS here as in training) and likeness by a judge of others. The paper
first optimises latents for 800 steps; nothing is optimised here, so distances are larger.
Synthesis: random mixes of three of an increment's anchors; kernel distance from all photographs of
the increment, and the best likeness with its held-out ones. Of so few pictures the kernel distance
is unbiased but noisy, and may be below 0.

Shapes: T increments, N M photographs of one, R crop size, E features.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.continual.streams import Stream
from benchmarks.judges import CropJudge
from benchmarks.prior.distances import kid
from models.ageing.compact_prior import CompactPrior
from models.ageing.critics import critics_of
from models.continual.personal_generator import Decode
from models.continual.personal_hull import PersonalHull
from models.ops.shrink import shrunk
from models.training import pictures, to_crops

MEASURES = ("distance", "likeness", "kernel", "synthesis_likeness")
HIGHER_IS_BETTER = {"likeness", "synthesis_likeness"}
SYNTHESISED = 6
_SEED = 2
_AT_ONCE = 20

Figures = dict[str, float]
Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A stream as the networks see it.

    Attributes:
        crops: That teach, (T, N, 3, S, S), [-1, 1], of the size S that is learnt at.
        codes: Theirs, (T, N, L, D).
        asked: Held-out crops, (T, M, 3, S, S).
        asked_codes: Theirs, (T, M, L, D).
    """

    crops: Tensor
    codes: Tensor
    asked: Tensor
    asked_codes: Tensor

    @classmethod
    def of(cls, stream: Stream, prior: CompactPrior, *, size: int) -> "Encoded":
        """Encodes a stream."""
        made = []
        for pixels in (stream.taught, stream.held_out):
            whole = to_crops(pixels.reshape(-1, *pixels.shape[2:]))
            with torch.no_grad():
                codes = torch.cat([prior.encode(part) for part in whole.split(_AT_ONCE)])
            small = shrunk(whole, size)
            made += [x.view(*pixels.shape[:2], *x.shape[1:]) for x in (small, codes)]
        return cls(*made)


class Examiner:
    """Measures generators on one stream."""

    def __init__(
        self, prior: CompactPrior, stream: Stream, encoded: Encoded, judge: CropJudge
    ) -> None:
        self._encoded, self._size = encoded, prior.config.crop_size
        self._perceptual = critics_of(prior).perceptual
        self._regressor = prior.regressor
        self._judge = judge
        self._references = [self._judge.embed(faces) for faces in stream.held_out]
        self._features = [
            np.concatenate([self._features_of(crops) for crops in both])
            for both in zip(encoded.crops, encoded.asked, strict=True)
        ]

    @torch.no_grad()
    def examine(self, decode: Decode, increment: int) -> Figures:
        """Returns the measures of a generator on one increment."""
        asked, codes = self._encoded.asked[increment], self._encoded.asked_codes[increment]
        hull = PersonalHull(self._encoded.codes[increment])
        mixes = hull.draw(SYNTHESISED, generator=torch.Generator().manual_seed(_SEED))
        shown = decode(torch.cat([codes, mixes])).clamp(-1, 1)
        made, drawn = shown[: len(codes)], shown[len(codes) :]
        references, judged = self._references[increment], self._embedded(shown)
        likeness = (judged[: len(codes)] * references).sum(axis=1)
        drawn_likeness = (judged[len(codes) :] @ references.T).max(axis=1)
        return {
            "distance": float(self._perceptual(made, asked).mean()),
            "likeness": float(likeness.mean()),
            "kernel": kid(self._features_of(drawn), self._features[increment]),
            "synthesis_likeness": float(drawn_likeness.mean()),
        }

    @torch.no_grad()
    def _features_of(self, crops: Tensor) -> Floats:
        return np.asarray(self._regressor.features(crops)[-1].mean(dim=(2, 3)).numpy())

    def _embedded(self, made: Tensor) -> Floats:
        size = (self._size, self._size)
        large = [cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in pictures(made)]
        return self._judge.embed(np.stack(large))
