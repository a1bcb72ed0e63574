"""Parts a change on a face's chart into what stays on the skin and what follows the expression.

What stays is one picture of the chart for each age of a grid, between which frames lie by the age
they show: a robust mean of all frames, each counting as far as it sees the skin. So it is steadier
than any frame, and no blurred or half-hidden frame spoils it. What is left of a frame is averaged
over its neighbours: it follows the expression and is too slow to boil.

T frames, G ages of the grid, N side of the chart in texels.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

FOLLOWING_FRAMES = 5.0  # standard deviation of the neighbours' weights
REACH_FRAMES = 15  # neighbours further away do not count
_LEFT_BLUR = 1 / 128  # of the chart's side: what is finer stays on the skin or is not drawn
_AGE_STEP = 10.0  # years at most between ages of the grid
_TIE = 0.02  # how strongly neighbouring ages are held together, in frames well seen
_OUTLIER = 0.03  # display units from which a frame's word counts less
_UNSEEN = 0.05  # sum of the neighbours' weights at which what is left counts half


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """A frame's change on the chart.

    Attributes:
        frame: Its number.
        texture: float32, (N, N, 3), display units.
        confidence: float32, (N, N), above 0 up to 1.
        age: The age it shows, years.
    """

    frame: int
    texture: Pixels
    confidence: Pixels
    age: float


@dataclass(frozen=True, eq=False)
class SkinPart:
    """What stays on the skin: textures float32 (G, N, N, 3) at rising ages (G,)."""

    ages: NDArray[np.float64]
    textures: Pixels

    def at(self, age: float) -> Pixels:
        """Returns the texture (N, N, 3) at an age, linear between the grid's."""
        lower, share = _place(self.ages, age)
        if share == 0.0:
            return self.textures[lower]
        mixed = (1 - share) * self.textures[lower] + share * self.textures[lower + 1]
        return np.asarray(mixed, np.float32)


def fit_skin(
    samples: Callable[[], Iterable[Sample]], *, youngest: float, oldest: float
) -> SkinPart:
    """Finds what stays on the skin over a shot; memory does not grow with the shot.

    Args:
        samples: Yields all frames' changes, anew at each call; called twice.
        youngest: The lowest of the samples' ages.
        oldest: The highest.
    """
    count = int(np.ceil((oldest - youngest) / _AGE_STEP)) + 1
    ages = np.linspace(youngest, oldest, count)
    part = None
    for _ in range(2):
        sums: _Sums | None = None
        for sample in samples():
            sums = sums or _Sums(ages, sample.texture.shape[0])
            sums.add(sample, weight=sample.confidence * _credibility(sample, part))
        if sums is None:
            raise ValueError("fit_skin.samples: got none, expected at least one")
        part = sums.solved()
    assert part is not None
    return part


def following(
    samples: Iterable[Sample], part: SkinPart, frames: Iterable[int]
) -> Iterator[tuple[int, Pixels]]:
    """Yields what follows the expression in each of `frames`, float32 (N, N, 3).

    Args:
        samples: Of the frames and of those up to `REACH_FRAMES` on either side, as far as there
            are any, in order.
        part: Of the shot.
        frames: In order.
    """
    left: dict[int, tuple[Pixels, Pixels]] = {}
    coming = iter(samples)
    for frame in frames:
        while not left or max(left) < frame + REACH_FRAMES:
            sample = next(coming, None)
            if sample is None:
                break
            left[sample.frame] = _left_over(sample, part)
        for passed in [number for number in left if number < frame - REACH_FRAMES]:
            del left[passed]
        yield frame, _averaged(left, frame)


def _left_over(sample: Sample, part: SkinPart) -> tuple[Pixels, Pixels]:
    """What the skin's part does not explain, blurred, times its confidence; and that confidence."""
    deviation = _LEFT_BLUR * sample.texture.shape[0]
    weighted = (sample.texture - part.at(sample.age)) * sample.confidence[..., None]
    return _blurred(weighted, deviation), _blurred(sample.confidence, deviation)


def _averaged(left: Mapping[int, tuple[Pixels, Pixels]], frame: int) -> Pixels:
    some, _ = next(iter(left.values()))
    total, weight = np.zeros_like(some), np.zeros(some.shape[:2], np.float32)
    for number, (weighted, confidence) in left.items():
        share = np.float32(np.exp(-0.5 * ((number - frame) / FOLLOWING_FRAMES) ** 2))
        total += share * weighted
        weight += share * confidence
    return np.asarray(total / (weight + np.float32(_UNSEEN))[..., None], np.float32)


def _credibility(sample: Sample, part: SkinPart | None) -> Pixels | np.float32:
    """How far each texel is believed, (N, N), 0-1, by its distance from what is known (Huber)."""
    if part is None:
        return np.float32(1.0)
    apart = np.abs(sample.texture - part.at(sample.age)).max(axis=2)
    return np.asarray(_OUTLIER / np.maximum(apart, _OUTLIER), np.float32)


class _Sums:
    """Least squares of textures at the grid's ages: a small band of equations for each texel."""

    def __init__(self, ages: NDArray[np.float64], side: int) -> None:
        self._ages = ages
        count = len(ages)
        self._own = np.zeros((count, side, side), np.float64)
        self._next = np.zeros((max(count - 1, 0), side, side), np.float64)
        self._seen = np.zeros((count, side, side, 3), np.float64)

    def add(self, sample: Sample, *, weight: Pixels) -> None:
        lower, share = _place(self._ages, sample.age)
        self._own[lower] += (1 - share) ** 2 * weight
        self._seen[lower] += (1 - share) * weight[..., None] * sample.texture
        if share > 0.0:
            self._own[lower + 1] += share**2 * weight
            self._next[lower] += share * (1 - share) * weight
            self._seen[lower + 1] += share * weight[..., None] * sample.texture

    def solved(self) -> SkinPart:
        """Solves the bands by elimination, neighbouring ages tied to one another a little."""
        own, beside, seen = self._own.copy(), self._next - _TIE, self._seen.copy()
        own[:-1] += _TIE * (len(own) > 1)
        own[1:] += _TIE * (len(own) > 1)
        own = np.maximum(own, 1e-12)
        for row in range(1, len(own)):
            factor = beside[row - 1] / own[row - 1]
            own[row] -= factor * beside[row - 1]
            seen[row] -= factor[..., None] * seen[row - 1]
        textures = seen
        textures[-1] /= own[-1][..., None]
        for row in range(len(own) - 2, -1, -1):
            textures[row] -= beside[row][..., None] * textures[row + 1]
            textures[row] /= own[row][..., None]
        return SkinPart(self._ages, textures.astype(np.float32))


def _place(ages: NDArray[np.float64], age: float) -> tuple[int, float]:
    """Which age of the grid lies at or below `age`, and how far towards the next it is, 0-1."""
    position = float(np.interp(age, ages, np.arange(len(ages))))
    lower = min(int(position), max(len(ages) - 2, 0))
    return lower, position - lower


def _blurred(picture: Pixels, deviation: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation), np.float32)
