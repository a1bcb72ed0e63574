"""Steadies a change along the plate's own motion.

Landmarks are read frame by frame, so what is drawn on a mesh trembles against the skin by a
fraction of a pixel. How each piece of skin goes from one frame to the next, the plate itself tells
far better: a frame's change becomes a weighted mean of its own and its neighbours', each fetched
along the plate's optical flow, frame by frame, as far as that returns to where it began and finds
what looks alike.

F side of the plate's crops, S side of changes, which show the same square.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.optical_flow import is_consistent, joined, moved, optical_flow, resized

Pixels = NDArray[np.float32]

NEIGHBOURS_FRAMES = 6.0  # standard deviation of the neighbours' weights
AROUND_FRAMES = 12  # neighbours further away do not count
_PATCH, _REFINEMENTS = 12, 30  # of the optical flow; a smooth cheek has little to hold on to
_UNLIKE = 0.05  # display units, by which skin and what it is taken for differ, at exp(-1)
_ALIKE_SMOOTH = 3.0  # deviation over which that is told, pixels of the plate's crops


@dataclass(frozen=True, eq=False, kw_only=True)
class Moment:
    """One frame of a take.

    Attributes:
        frame: Its number.
        plate: Luma of the plate's crop in 8-bit codes, uint8, (F, F).
        change: float32, (S, S, 3).
        credit: How far its change is believed, float32, (S, S), above 0 up to 1.
    """

    frame: int
    plate: NDArray[np.uint8]
    change: Pixels
    credit: Pixels


@dataclass(frozen=True, eq=False)
class _Path:
    """Where a frame's pixels lie in another, (F, F, 2), and how far that is trusted, (F, F)."""

    flow: Pixels
    trust: Pixels

    def then(self, way: "_Path") -> "_Path":
        trust = self.trust * np.clip(moved(way.trust, self.flow), 0.0, 1.0)
        return _Path(joined(self.flow, way.flow), trust)


def steadied(moments: Iterable[Moment], frames: Iterable[int]) -> Iterator[tuple[int, Pixels]]:
    """Yields the change of each of `frames` as it is after steadying, float32 (S, S, 3).

    Args:
        moments: Of the frames and of those up to `AROUND_FRAMES` on either side, as far as there
            are any in the take, in order.
        frames: In order.
    """
    seen: dict[int, Moment] = {}
    ways: dict[tuple[int, int], _Path] = {}
    coming = iter(moments)
    for frame in frames:
        while not seen or max(seen) < frame + AROUND_FRAMES:
            moment = next(coming, None)
            if moment is None:
                break
            seen[moment.frame] = moment
            if moment.frame - 1 in seen:
                ways |= _ways_between(seen[moment.frame - 1], moment)
        for passed in [number for number in seen if number < frame - AROUND_FRAMES]:
            del seen[passed]
            ways = {pair: way for pair, way in ways.items() if passed not in pair}
        yield frame, _mean(seen, ways, frame)


def _ways_between(before: Moment, after: Moment) -> dict[tuple[int, int], _Path]:
    forth, back = (
        optical_flow(here.plate, there.plate, patch=_PATCH, refinements=_REFINEMENTS)
        for here, there in ((before, after), (after, before))
    )
    return {
        (before.frame, after.frame): _Path(forth, _trust(before, after, forth, back)),
        (after.frame, before.frame): _Path(back, _trust(after, before, back, forth)),
    }


def _trust(here: Moment, there: Moment, forth: Pixels, back: Pixels) -> Pixels:
    shown = moved(there.plate.astype(np.float32), forth)
    apart = cv2.GaussianBlur(np.abs(here.plate - shown) / 255, (0, 0), _ALIKE_SMOOTH)
    return is_consistent(forth, back) * np.exp(-np.square(apart / _UNLIKE))


def _mean(seen: Mapping[int, Moment], ways: Mapping[tuple[int, int], _Path], frame: int) -> Pixels:
    own = seen[frame]
    total, weight = own.credit[..., None] * own.change, own.credit
    for step in (-1, 1):
        path: _Path | None = None
        for apart in range(1, AROUND_FRAMES + 1):
            number = frame + step * apart
            if number not in seen:
                break
            way = ways[number - step, number]
            path = way if path is None else path.then(way)
            share = np.float32(np.exp(-0.5 * (apart / NEIGHBOURS_FRAMES) ** 2))
            fetched, credit = _fetched(seen[number], path)
            total = total + share * credit[..., None] * fetched
            weight = weight + share * credit
    return np.asarray(total / weight[..., None], np.float32)


def _fetched(moment: Moment, path: _Path) -> tuple[Pixels, Pixels]:
    """A neighbour's change as it lies in the frame that the path begins in, and its weight."""
    side = moment.change.shape[0]
    flow = resized(path.flow, side)
    trust = cv2.resize(path.trust, (side, side), interpolation=cv2.INTER_LINEAR)
    credit = trust * np.clip(moved(moment.credit, flow), 0.0, 1.0)
    return moved(moment.change, flow), np.asarray(credit, np.float32)
