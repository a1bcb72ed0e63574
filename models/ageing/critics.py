"""Which networks look over an adapter's shoulder while it is trained on a prior.

For the compact prior they are its own: embedder, age regressor and, in LPIPS's place, a distance in
the regressor's features. For SAM they are the prior's judges and LPIPS.

Shapes: B batch, C channels, H W pixels, L style layers, D latent size.
"""

from collections import deque

import torch
from torch import Tensor

from models.ageing.compact_prior import CompactPrior
from models.ageing.objectives import Critics
from models.ageing.prior import Prior
from models.ageing.sam import SamPrior
from models.face.age import AgeRegressor
from models.face.perceptual import LPIPS, feature_metric

_REMEMBERED = 2  # batches: what was made, and what was wanted
_MAPS = 3  # of the regressor's features: its last ones know age and little else


def critics_of(prior: Prior, lpips: LPIPS | None = None) -> Critics:
    """Returns the critics of a prior, frozen as the prior is.

    Args:
        prior: Whose pictures are looked at.
        lpips: The perceptual metric of a prior that has no features of its own.

    Raises:
        ValueError: The prior needs LPIPS and there is none.
    """
    if isinstance(prior, CompactPrior):
        features = _SharedFeatures(prior.regressor)
        return Critics(
            embed=prior.embedder,
            apparent_age=lambda crops: prior.regressor.read(features(crops)).age,
            perceptual=feature_metric(lambda crops: features(crops)[:_MAPS]),
        )
    if lpips is None:
        raise ValueError(
            f"prior {prior.config.name}: lpips: got none, expected the perceptual metric"
        )
    return Critics(embed=prior.embed, apparent_age=prior.estimate_age, perceptual=lpips)


class _SharedFeatures:
    """The regressor's features, made once for pictures that several critics look at."""

    def __init__(self, regressor: AgeRegressor) -> None:
        self._features = regressor.features
        self._seen: deque[tuple[Tensor, bool, list[Tensor]]] = deque(maxlen=_REMEMBERED)

    def __call__(self, crops: Tensor) -> list[Tensor]:
        has_gradients = torch.is_grad_enabled()
        for pictures, had_gradients, features in self._seen:
            if pictures is crops and had_gradients == has_gradients:
                return features
        found = self._features(crops)
        self._seen.append((crops, has_gradients, found))
        return found


def latent_average(prior: Prior) -> Tensor:
    """Returns the mean latent (L, D) of a prior.

    Raises:
        TypeError: The prior does not know it.
    """
    if isinstance(prior, CompactPrior):
        return prior.personal.latent_mean.view(prior.config.num_layers, prior.config.latent_size)
    if isinstance(prior, SamPrior):
        return prior.networks.latent_avg
    raise TypeError(f"prior: got {type(prior).__name__}, expected one with a mean latent")
