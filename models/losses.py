"""Losses and penalties of training; none knows a network.

Shapes: B batch, C channels, H W pixels, A age bins, P patches, E embedding size.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models.shapes import check_shape


def pyramid_l1(a: Tensor, b: Tensor, *, levels: int = 4) -> Tensor:
    """Sums the mean absolute differences of two pictures (B, C, H, W) over halved sizes.

    Coarse levels count as much as the finest, so that a wrong shading weighs more than grain.
    """
    check_shape("b", b, "B C H W", B=a.shape[0], C=a.shape[1], H=a.shape[2], W=a.shape[3])
    total = (a - b).abs().mean()
    for _ in range(levels - 1):
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        total = total + (a - b).abs().mean()
    return total


def feature_distance(wanted: Sequence[Tensor], got: Sequence[Tensor]) -> Tensor:
    """Sums mean absolute differences of feature maps (B, C, H, W), in units of a channel's size.

    Gradients flow into `got` only.
    """
    total = torch.zeros((), device=got[0].device)
    for target, feature in zip(wanted, got, strict=True):
        reference = target.detach().float()
        size = (reference.square().mean(dim=(0, 2, 3), keepdim=True) + 1e-4).sqrt()
        total = total + ((reference - feature.float()) / size).abs().mean()
    return total


def age_distribution_loss(
    age_logits: Tensor, expected_age: Tensor, ages: Tensor, *, years: Tensor, spread: float = 2.0
) -> Tensor:
    """Cross entropy against a Gaussian over bins, plus how far the expected age is off.

    Args:
        age_logits: (B, A).
        expected_age: Years, (B,); the mean of the predicted distribution.
        ages: Years, (B,); the labels.
        years: (A,); the bins' ages.
        spread: Standard deviation of the label, years: labels are apparent ages.

    Source: Gao et al. 2017, "Deep Label Distribution Learning With Label Ambiguity".
    """
    target = torch.softmax(-((years - ages[:, None]) ** 2) / (2 * spread**2), dim=1)
    entropy = -(target * age_logits.log_softmax(dim=1)).sum(dim=1).mean()
    return entropy + 0.15 * F.smooth_l1_loss(expected_age, ages, beta=3.0)


def contrastive_loss(embeddings: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Tells each view's twin from all other views (NT-Xent).

    Args:
        embeddings: Unit, (2 B, E); rows b and b + B show the same photograph.

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning".
    """
    check_shape("embeddings", embeddings, "B E")
    count = len(embeddings) // 2
    likeness = embeddings @ embeddings.t() / temperature
    likeness = likeness.masked_fill(
        torch.eye(2 * count, dtype=torch.bool, device=embeddings.device), -1e4
    )
    first = torch.arange(count, device=embeddings.device)
    return F.cross_entropy(likeness, torch.cat([first + count, first]))


def hinge_discriminator_loss(
    real: Tensor, fake: Tensor, mismatched: Tensor, *, mismatched_weight: float = 0.5
) -> Tensor:
    """Hinge loss of a discriminator that sees a condition; logits (B, P).

    Args:
        real: Of real pictures with their own condition.
        fake: Of made pictures with the condition they were made for.
        mismatched: Of real pictures with somebody else's condition, which are negatives too.

    Source: Reed et al. 2016, "Generative Adversarial Text to Image Synthesis" (matching-aware).
    """
    negatives = F.relu(1 + fake).mean() + mismatched_weight * F.relu(1 + mismatched).mean()
    return F.relu(1 - real).mean() + negatives


def total_variation(change: Tensor) -> Tensor:
    """Returns the mean absolute step between neighbouring pixels of a change (B, C, H, W)."""
    down = (change[:, :, 1:] - change[:, :, :-1]).abs().mean()
    return down + (change[..., 1:] - change[..., :-1]).abs().mean()


def chroma(change: Tensor) -> Tensor:
    """Returns how far a change (B, 3, H, W) is from grey: paint is colourful, wrinkles are not."""
    return (change - change.mean(dim=1, keepdim=True)).abs().mean()


def colour_shift_penalty(change: Tensor, *, face: tuple[slice, slice], free: float) -> Tensor:
    """Penalises a change (B, 3, H, W), display units, for tinting or lightening a whole face.

    Args:
        face: Rows and columns that the mean is taken over.
        free: Mean shift of a channel that costs little.
    """
    shift = change[:, :, face[0], face[1]].mean(dim=(2, 3))
    return F.relu(shift.abs() - free).mean() + 10 * shift.square().mean()
