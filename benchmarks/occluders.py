"""Things that pass before a face, with their exact mattes, for benchmarks/occlusion.py.

Each comes in after a third of the shot, and is gone again before its last quarter. H W pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Matte = NDArray[np.float32]
Codes = NDArray[np.uint8]
Painted = tuple[Matte, NDArray[np.floating]]  # matte (H, W), 0-1, and colour (H, W, 3) or (3,)
Draw = Callable[["Scene", float], Painted]

_FROM, _TO = 0.3, 0.75  # parts of the shot between which it is there
_EDGE = 1.0  # deviation of its edge's blur, px
_STRANDS = 60
_WHITE = (1.0,)


@dataclass(frozen=True, eq=False)
class Scene:
    """A frame and where its face is.

    Attributes:
        frame: Display view, (H, W, 3).
        middle: (x, y) of the face in the first frame, px.
        height: Of the face, px.
    """

    frame: NDArray[np.floating]
    middle: NDArray[np.float64]
    height: float

    def empty(self) -> Matte:
        """Returns a matte of nothing."""
        return np.zeros(self.frame.shape[:2], np.float32)

    def skin(self) -> NDArray[np.floating]:
        """Returns the colour of a cheek, (3,)."""
        column, row = (int(value) for value in self.middle)
        reach = max(2, int(0.1 * self.height))
        return np.median(self.frame[row : row + reach, column - reach : column], axis=(0, 1))


def bar(scene: Scene, along: float) -> Painted:
    """A grey post that crosses from left to right."""
    matte, rows = scene.empty(), scene.frame.shape[0]
    x = scene.middle[0] + scene.height * (1.2 * along - 0.6)
    left, right = (round(x + side * 0.08 * scene.height) for side in (-1, 1))
    cv2.rectangle(matte, (left, 0), (right, rows), _WHITE, -1)
    return matte, np.array([0.43, 0.45, 0.47])


def microphone(scene: Scene, along: float) -> Painted:
    """A dark, ribbed head on a stick that rises before the mouth."""
    matte, height = scene.empty(), scene.height
    x = scene.middle[0] + 0.05 * height * np.sin(6 * along)
    y = scene.middle[1] + height * (0.75 - 0.5 * np.sin(np.pi * along))
    cv2.circle(matte, (round(x), round(y)), round(0.16 * height), _WHITE, -1)
    sides = (round(x - 0.04 * height), round(y)), (round(x + 0.04 * height), matte.shape[0])
    cv2.rectangle(matte, sides[0], sides[1], _WHITE, -1)
    down, across = np.mgrid[: matte.shape[0], : matte.shape[1]]
    ribs = 0.14 + 0.05 * np.sin(1.3 * across) * np.sin(1.3 * down)
    return matte, np.repeat(ribs[..., None], 3, axis=2)


def own_colour(scene: Scene, along: float) -> Painted:
    """A smooth blob with fingers, of the face's own colour but for shade, over mouth and cheek."""
    matte, height = scene.empty(), scene.height
    x, y = scene.middle + height * np.array([0.55 - 0.6 * np.sin(np.pi * along), 0.25])
    _ellipse(matte, (x, y), (0.28 * height, 0.2 * height), 20)
    for finger in range(4):
        tip = (x - (0.3 - 0.02 * finger) * height, y + (0.1 * finger - 0.15) * height)
        _ellipse(matte, tip, (0.22 * height, 0.045 * height), 10)
    down = np.clip((np.arange(matte.shape[0]) - y) / (0.3 * height), -1, 1)
    shaded = scene.skin() * (1 - 0.25 * down)[:, None, None]
    return matte, np.broadcast_to(shaded, scene.frame.shape)


def strands(scene: Scene, along: float) -> Painted:
    """Dark hair blown over brow and cheek: thin strands with skin between them."""
    drawn, height, rng = scene.empty(), scene.height, np.random.default_rng(4)
    sway = 0.6 - np.sin(np.pi * along)
    for _ in range(_STRANDS):
        start, bend = rng.uniform(-0.55, -0.1), rng.uniform(-0.1, 0.1)
        down = np.linspace(-0.7, 0.45, 24)
        across = start + sway * 0.5 + 0.3 * (down + 0.7) ** 2 + bend * (down + 0.7)
        points = scene.middle + height * np.stack([across, down], axis=1)
        fixed = np.rint(16 * points).astype(np.int32)
        cv2.polylines(drawn, [fixed], False, _WHITE, max(1, round(0.006 * height)), cv2.LINE_AA, 4)
    return drawn, np.array([0.16, 0.11, 0.08])


OCCLUDERS: dict[str, Draw] = {
    "bar": bar,
    "microphone": microphone,
    "own colour": own_colour,
    "strands": strands,
}


def covered_frames(
    frames: Sequence[Codes], draw: Draw, middle: NDArray[np.float64], height: float
) -> Iterator[tuple[Codes, Matte]]:
    """Yields every frame with the thing in front, and its matte (H, W), 0-1.

    Args:
        frames: RGB, (H, W, 3).
        draw: Of `OCCLUDERS`, or alike.
        middle: (x, y) of the face in the first frame, px.
        height: Of the face, px.
    """
    for index, codes in enumerate(frames):
        along = (index / len(frames) - _FROM) / (_TO - _FROM)
        if not 0 < along < 1:
            yield codes, np.zeros(codes.shape[:2], np.float32)
            continue
        frame = codes.astype(np.float32) / 255
        matte, colour = draw(Scene(frame, middle, height), along)
        soft = np.asarray(cv2.GaussianBlur(matte, (0, 0), _EDGE), np.float32)
        mixed = frame * (1 - soft[..., None]) + colour * soft[..., None]
        yield np.rint(mixed.clip(0, 1) * 255).astype(np.uint8), soft


def _ellipse(matte: Matte, at: tuple[float, float], axes: tuple[float, float], deg: float) -> None:
    centre, radii = ([round(v) for v in pair] for pair in (at, axes))
    cv2.ellipse(matte, centre, radii, deg, 0, 360, _WHITE, -1)
