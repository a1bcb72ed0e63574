"""Which of the skin is covered, from how far each texel's look is from the usual.

A cover begins where the look is far off over more than a wrinkle's width, in this frame and in one
beside it, or very far off and broadly in this frame alone, as of what passes fast; on skin that
does not change by itself and well inside the mesh: lips, lids and the edge of the face begin none.
From there it grows over all that is less far off, over lips and edge too, and across gaps between
its own parts.

N side of the chart in texels.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.occlusion.appearance import Pixels

Flags = NDArray[np.bool_]

_FAR, _OFF, _HINT = 3.5, 1.8, 1.0  # spreads at which a cover begins, grows, and closes a gap
_CERTAIN = 7.0  # spreads of what needs no second frame
_BY_A_HAND = 1.6  # how many times more a distance counts where a hand was found
_OF_A_HAND = 0.25  # share of a hand that has to be off for it to be there
_BROAD = 7  # texels: what is narrower is a wrinkle or a glint
_SPECK = 90  # texels, of some 13,000: where less is off, hair has moved under the mesh
_LARGE = 13  # texels: what is certain is broader
_MUCH = 300  # texels of it, of some 13,000: less is a mesh that is off at the end of a track
_FINE = 3  # texels: what is narrower joins nothing
_BRIDGE = 25  # texels across which two parts of a cover are one
_STEP = 9  # texels within which a cover's beginnings are from frame to frame
_EDGE = 1.0  # deviation of a cover's blur, texels


@dataclass(frozen=True, eq=False)
class Skin:
    """The parts of a chart.

    Attributes:
        inner: Well inside the mesh, (N, N).
        changing: Lips, lids and what is between them, (N, N).
    """

    inner: Flags
    changing: Flags

    @property
    def steady(self) -> Flags:
        """Where a cover may begin."""
        return self.inner & ~self.changing


def is_off(distance: Pixels, skin: Skin) -> bool:
    """Returns whether a frame shows anything from which a cover could grow."""
    return bool(((distance > _OFF) & skin.steady).sum() >= _BROAD**2)


def covers(frames: Iterable[tuple[Pixels, Pixels]], skin: Skin) -> Iterator[Pixels]:
    """Yields how far each texel of each frame is covered, (N, N), 0-1.

    Args:
        frames: Of one take, in order: distance of `SkinLook.distance` and where a hand was found,
            0-1, (N, N) each.
        skin: Of the chart.
    """
    before: Flags | None = None
    now: tuple[Pixels, Flags] | None = None
    for distance, hand in frames:
        begun = _begun(distance, hand, skin)
        if now is not None:
            yield _grown(now[0], now[1], [before, begun], skin)
            before = now[1]
        now = distance, begun
    if now is not None:
        yield _grown(now[0], now[1], [before, None], skin)


def _begun(distance: Pixels, hand: Pixels, skin: Skin) -> Flags:
    """Where a frame by itself says that a cover begins."""
    reach = cv2.dilate(hand, _disc(_BROAD))
    far = (distance * np.where(reach > _OF_A_HAND, _BY_A_HAND, 1.0) > _FAR) & skin.steady
    begun = _without_specks(_morphed(far, cv2.MORPH_OPEN, _BROAD))
    palm = (hand > 0.5) & skin.inner
    is_there = (distance[palm] > _OFF).sum() > _OF_A_HAND * palm.sum()
    return begun | palm if is_there else begun


def _grown(distance: Pixels, begun: Flags, beside: list[Flags | None], skin: Skin) -> Pixels:
    near = [_morphed(flags, cv2.MORPH_DILATE, _STEP) for flags in beside if flags is not None]
    off = distance > np.where(skin.inner, _OFF, _FAR)
    if near:
        certain = _morphed((distance > _CERTAIN) & skin.steady, cv2.MORPH_OPEN, _LARGE)
        alone = certain if certain.sum() >= _MUCH else np.zeros_like(certain)
        begun = begun & (np.any(near, axis=0) | alone)
    if len(near) == len(beside):
        begun = begun | (np.all(near, axis=0) & off & skin.inner)  # missed in this frame alone
    if not begun.any():
        return np.zeros_like(distance)
    grown = _joined(begun, _morphed(off, cv2.MORPH_OPEN, _FINE) | begun)
    closed = _morphed(grown, cv2.MORPH_CLOSE, _BRIDGE)
    covered = _filled(grown | (closed & (skin.changing | (distance > _HINT))))
    return np.asarray(cv2.GaussianBlur(covered.astype(np.float32), (0, 0), _EDGE), np.float32)


def _joined(begun: Flags, off: Flags) -> Flags:
    """The connected parts of `off` in which something has begun."""
    _, labels = cv2.connectedComponents(off.astype(np.uint8), connectivity=4)
    return np.isin(labels, np.unique(labels[begun])) & off


def _without_specks(flags: Flags) -> Flags:
    _, labels, figures, _ = cv2.connectedComponentsWithStats(flags.astype(np.uint8), connectivity=4)
    return np.asarray((figures[:, cv2.CC_STAT_AREA] >= _SPECK)[labels] & flags)


def _filled(flags: Flags) -> Flags:
    """The same without holes."""
    beside = 1 - np.pad(flags, 1).astype(np.uint8)
    _, labels = cv2.connectedComponents(beside, connectivity=4)
    return np.asarray((labels != labels[0, 0])[1:-1, 1:-1])


def _morphed(flags: Flags, operation: int, side: int) -> Flags:
    padded = np.pad(flags, side).astype(np.uint8)  # beyond the chart nothing is
    made = cv2.morphologyEx(padded, operation, _disc(side))[side:-side, side:-side]
    return np.asarray(made > 0)


def _disc(side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
