"""How a face's skin looks over a take, and how far a frame's look is from that.

On the face's chart (reage/surface) the skin stays where it is. Each texel has a usual colour and a
usual spread over the take, both robust, once a frame's light (a gain that may slope over the face)
is taken out. A texel is compared with all that lies near it, because the mesh is a little off, and
in colour apart from shade, because a face that turns is shaded otherwise.

N side of the chart in texels, T frames. Colours are of the display view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.colour import luma

Pixels = NDArray[np.float32]

SIDE = 192  # N of charts on which skin is compared
SEEN = 0.3  # confidence from which a texel is compared

_LEAST = np.array([0.035, 0.008, 0.008], np.float32)  # spread of luma and colour differences
_NEAR = 5  # texels a side within which the skin may lie elsewhere than the mesh says
_CALM = 1.2  # deviation of the blur that takes grain out, texels
_SPREAD_BLUR = 2.0  # likewise of the spread
_SHADES = 0.4, 2.5  # how many times brighter the look may be than a frame for colour to be told
_BLACK = 0.05  # luma that both have besides, so that black is not all colours
_STEP = 4  # texels between those from which light is told
_FITS = 6  # of a frame's light, each heeding outliers less
_OUTLIER = 0.05  # display units


@dataclass(frozen=True, eq=False)
class SkinLook:
    """The usual look of a face's skin on its chart.

    Attributes:
        colour: (N, N, 3).
        spread: Usual distance from it of luma and both colour differences, (N, N, 3).
        known: Whether some frame has shown the texel, (N, N), 0 or 1.
    """

    colour: Pixels
    spread: Pixels
    known: Pixels

    @classmethod
    def of_frames(cls, textures: Sequence[Pixels], confidences: Sequence[Pixels]) -> Self:
        """Finds the look of some frames, at best spread over the take.

        What covers the skin in less than half of the frames that see it leaves no trace.

        Args:
            textures: On the chart, (N, N, 3) each.
            confidences: How well each frame sees the texels, (N, N), 0-1.
        """
        seen = np.stack(confidences) > SEEN
        colour, even = _median(np.stack(textures), seen), list(textures)
        for _ in range(2):  # light is told from the look, and the look under even light
            even = [
                texture / relative_light(texture, colour, shown)
                for texture, shown in zip(textures, seen.astype(np.float32), strict=True)
            ]
            colour = _median(np.stack(even), seen)
        apart = np.stack([np.abs(_apart(texture, colour)) for texture in even])
        spread = _blurred(1.4826 * _median(apart, seen), _SPREAD_BLUR)
        return cls(colour, np.maximum(spread, _LEAST), seen.any(axis=0).astype(np.float32))

    def distance(self, texture: Pixels, confidence: Pixels) -> Pixels:
        """Returns how many spreads each texel is away from the skin's look, (N, N).

        Args:
            texture: A frame's, (N, N, 3).
            confidence: (N, N), 0-1; less is said of what the frame hardly sees.
        """
        light = relative_light(texture, self.colour, self.known * (confidence > SEEN))
        spreads = _apart(texture, self.colour * light) / self.spread
        told = self.known * np.clip(confidence / SEEN, 0, 1)
        return np.asarray(np.sqrt(np.square(spreads).sum(axis=2)) * told, np.float32)


def relative_light(texture: Pixels, colour: Pixels, weight: Pixels) -> Pixels:
    """Returns by how much a frame is brighter than the look: (N, N, 3), sloping over the chart."""
    seen, look, shown = (values[::_STEP, ::_STEP] for values in (texture, colour, weight))
    slopes = _slopes(seen.shape[0]).reshape(-1, 3)
    gains = np.zeros((3, 3))
    for channel in range(3):
        rows = slopes * look[..., channel].reshape(-1, 1)
        target, trust = seen[..., channel].ravel(), shown.ravel().astype(np.float64)
        for fit in range(_FITS):
            used = 1 if fit == 0 else 3  # the slope only once outliers are known
            weighed = rows[:, :used].T * trust
            normal = weighed @ rows[:, :used] + 1e-6 * np.eye(used)
            gains[channel, :used] = np.linalg.solve(normal, weighed @ target)
            left = target - rows @ gains[channel]
            trust = shown.ravel() / (1 + np.square(left / _OUTLIER)) ** 2
    return np.maximum(_slopes(texture.shape[0]) @ gains.T, 0.2).astype(np.float32)


def _apart(texture: Pixels, colour: Pixels) -> Pixels:
    """How far luma and colour differences are from those of the look nearby, (N, N, 3).

    Colour is compared at the look's own shade; what that amplifies is weighed down again.
    """
    seen, look = _opponent(texture), _opponent(colour)
    shade = np.clip((look[..., :1] + _BLACK) / (seen[..., :1] + _BLACK), *_SHADES)
    seen[..., 1:] *= shade
    near = np.ones((_NEAR, _NEAR))
    away = seen - np.clip(seen, cv2.erode(look, near), cv2.dilate(look, near))
    away[..., 1:] /= np.maximum(shade, 1)
    return _blurred(away, _CALM)


def _median(stack: Pixels, seen: NDArray[np.bool_]) -> Pixels:
    """Median over the frames that see a texel; over all where none does."""
    shown = seen | ~seen.any(axis=0)
    ordered = np.sort(np.where(shown[..., None], stack, np.inf), axis=0)
    middle = (shown.sum(axis=0) - 1) // 2
    return np.take_along_axis(ordered, middle[None, ..., None], axis=0)[0].astype(np.float32)


def _opponent(colour: Pixels) -> Pixels:
    shade = luma(colour)
    return np.stack([shade, colour[..., 0] - shade, colour[..., 2] - shade], axis=-1)


def _slopes(side: int) -> NDArray[np.float64]:
    along = np.linspace(-1, 1, side)
    return np.stack(
        np.broadcast_arrays(np.ones((side, side)), along[None, :], along[:, None]), axis=-1
    )


def _blurred(picture: Pixels, deviation: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation), np.float32)
