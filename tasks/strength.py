"""How evenly an adapter's strength looks, measured on the person's own photographs.

What is seen is what a shot shows: a photograph and the change that is added to it. How far it is
from the general prior's is told by the perceptual metric that the adapter was trained with, its
root, because distances along a way add up and their squares do not.

Shapes: N photographs, P places of the line, R crop size, S synthesis size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ageing.adapter import Adapter
from models.ageing.prior import Prior
from models.ageing.strength import changes_along
from models.landscape.even import departure, even_course
from models.ops.shrink import shrunk
from tasks.photo_set import PhotoSet

NUM_PLACES = 11
BATCH_PIXELS = 1 << 20  # synthesised at once: a decoder's maps take some hundred bytes for each
_FACES = 8  # half of them measured, half asked how well that serves
_AWAY_YEARS = 25.0

Metric = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Evenness:
    """An adapter's even course, and how even it is.

    Attributes:
        course: Where on the line evenly spaced strengths lie, see models/landscape/even.py.
        departure: From a straight line, of what other faces show, 0-1.
        plain_departure: The same of the line as it is.
    """

    course: tuple[float, ...]
    departure: float
    plain_departure: float


def measured_evenness(
    prior: Prior, adapter: Adapter, photos: PhotoSet, *, perceptual: Metric
) -> Evenness:
    """Measures on photographs evenly spread over the ages, each shown older or younger.

    Args:
        perceptual: Distances (B,) that grow as the square, of pictures (B, 3, R, R) in [-1, 1].
    """
    upright = len(photos.ages) // 2
    order = photos.ages[:upright].argsort(stable=True)
    rows = order[torch.linspace(0, upright - 1, min(_FACES, upright)).long()]
    apart = np.stack(
        [_distances(prior, adapter, photos, row, perceptual) for row in rows.tolist()], axis=1
    )
    measured, asked = apart[:, 0::2], apart[:, 1::2] if len(rows) > 1 else apart
    course = even_course(measured)
    return Evenness(
        course=course,
        departure=round(departure(asked, course), 4),
        plain_departure=round(departure(asked), 4),
    )


def _distances(
    prior: Prior, adapter: Adapter, photos: PhotoSet, row: int, perceptual: Metric
) -> NDArray[np.float64]:
    """How far one photograph is from the general prior's at every place, (P,)."""
    crop, age = photos.crops[row : row + 1], photos.ages[row : row + 1]
    target = far_age(prior, float(age))
    places = np.linspace(0, 1, NUM_PLACES).tolist()
    shown = seen_along(prior, adapter, crop, age, torch.full_like(age, target), places=places)
    with torch.no_grad():
        squares = perceptual(shown, shown[:1].expand_as(shown))
    # Of equal pictures some metrics say a little more than 0.
    roots = squares.double().clamp(min=0).sqrt().cpu().numpy()
    return np.asarray(np.where(np.arange(len(roots)) == 0, 0.0, roots))


def seen_along(
    prior: Prior,
    adapter: Adapter,
    crop: Tensor,
    age: Tensor,
    target_age: Tensor,
    *,
    places: Sequence[float],
) -> Tensor:
    """Returns one photograph (1, 3, R, R) re-aged at some places, 0-1, of the line, (P, 3, R, R).

    Ages are years, (1,).
    """
    config = prior.config
    changes = changes_along(
        prior,
        adapter,
        crop,
        age,
        target_age,
        places=places,
        at_once=max(2, BATCH_PIXELS // config.synthesis_size**2),
    )
    return (crop + 2 * shrunk(changes, config.crop_size)).clamp(-1, 1)


def far_age(prior: Prior, age: float) -> float:
    """Returns an age well away from a photograph's, on the side where there is more room, years."""
    low, high = prior.config.min_age, prior.config.max_age
    older = high - age >= age - low
    return min(age + _AWAY_YEARS, high) if older else max(age - _AWAY_YEARS, low)
