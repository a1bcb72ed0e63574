"""The demo plate: a short take made from one public-domain photograph.

A portrait of the astronaut Eileen Collins (NASA, public domain; it ships inside scikit-image's
wheel) is filmed by an imagined camera that drifts and pushes in, while the head turns as a solid
would. An exposure blink and film grain give tracking, flicker and grain measurements something to
bite on.

Depth is a smooth field over the photograph: backdrop 0, torso in between, head nearest and rounded
by an ellipsoid with a nose. Displacements follow the depth and fade out in the plain backdrop
around the head, so that the head shifts against it without a cut-out edge; nothing tears because
the field never folds (asserted).

All coordinates are pixel centres; *photograph* pixels are 512 by 512, *plate* pixels are `size`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from reage.colour import luma
from reage.video import open_writer

FIRST_FRAME = 1001
FRAME_RATE = Fraction(24)
START_TIMECODE = "01:00:00:00"

_MASTER_SCALE = 3  # the photograph is enlarged once, sharpened, and only then filmed
_GRID_STEP = 8  # plate pixels between the points where the warp is solved; it is smooth
_BLINK_AT, _BLINK_WIDTH, _BLINK_STOPS = 0.62, 1.3, -0.45  # share of the take, frames, stops


@dataclass(frozen=True, kw_only=True)
class _Pose:
    """Camera and head at one instant; `zoom` is plate pixels per photograph pixel."""

    centre: tuple[float, float]
    zoom: float
    roll_deg: float
    parallax: tuple[float, float]  # shift of the nearest point against the backdrop
    yaw_deg: float
    pitch_deg: float
    exposure_stops: float


@dataclass(frozen=True, kw_only=True)
class _Head:
    """Ellipsoid fitted by hand to the photograph's head, hair included (photograph pixels)."""

    centre: tuple[float, float] = (225.0, 118.0)
    radii: tuple[float, float, float] = (78.0, 96.0, 72.0)
    nose: tuple[float, float] = (223.5, 128.0)
    nose_radius: float = 9.0
    nose_height: float = 11.0


_HEAD = _Head()
_TORSO = ((0, 330), (30, 285), (62, 240), (104, 212), (112, 178), (140, 158), (190, 150),
          (262, 150), (298, 172), (310, 225), (350, 262), (372, 330))  # fmt: skip


def write_demo_plate(
    path: Path,
    *,
    num_frames: int = 72,
    size: tuple[int, int] = (1280, 720),
    seed: int = 7,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Writes the demo take as 10-bit ProRes 422 HQ, 24 fps, frames from 1001, timecode 01:00:00:00.

    Args:
        path: The movie to write, `.mov`.
        num_frames: Length of the take.
        size: Width and height in pixels, both even.
        seed: Of the film grain; the same seed gives the same frames.
        on_progress: Called with the number of frames written and the number in all.

    Returns:
        `path`.

    Raises:
        StorageError: The movie cannot be written.
    """
    width, height = size
    with open_writer(
        path,
        format="prores422hq",
        width=width,
        height=height,
        frame_rate=FRAME_RATE,
        timecode=START_TIMECODE,
        colourspace="rec709",
    ) as writer:
        for index, frame in enumerate(demo_frames(num_frames, size=size, seed=seed)):
            writer.write(FIRST_FRAME + index, frame)
            if on_progress is not None:
                on_progress(index + 1, num_frames)
    return path


def demo_frames(
    num_frames: int, *, size: tuple[int, int] = (1280, 720), seed: int = 7
) -> Iterator[NDArray[np.uint16]]:
    """Yields the take's frames, display-referred Rec.709, uint16, (H, W, 3)."""
    if num_frames < 1:
        raise ValueError(f"demo_frames: num_frames: got {num_frames}, expected at least 1")
    master, depth = _master(), _scene_depth()
    for index in range(num_frames):
        pose = _pose_at(index, num_frames, size=size)
        picture = _film(master, depth, pose, size=size)
        grain = _grain(size, rng=np.random.default_rng([seed, index]))
        yield _expose(picture, grain, stops=pose.exposure_stops)


def _pose_at(index: int, num_frames: int, *, size: tuple[int, int]) -> _Pose:
    """Returns the pose at a frame; periods are in seconds, so a longer take simply goes on."""
    seconds = index / float(FRAME_RATE)
    share = index / max(num_frames - 1, 1)
    sway = np.sin(2 * np.pi * (seconds / 5.3 + 0.08))
    bob = np.sin(2 * np.pi * (seconds / 3.1 + 0.31))
    turn = -np.cos(2 * np.pi * seconds / 3.4)  # one turn there and back in 3.4 s
    framing = max(size[0] / 1280.0, size[1] / 720.0)  # fills the frame, whatever its shape
    blink = np.exp(-0.5 * ((index - _BLINK_AT * num_frames) / _BLINK_WIDTH) ** 2)
    return _Pose(
        centre=(256.0 - 3.5 * sway, 143.0 + 1.6 * bob),
        zoom=framing * (2.60 + 0.12 * (1 - np.cos(np.pi * share)) / 2),
        roll_deg=0.25 * bob,
        parallax=(3.2 * sway, 0.8 * bob),
        yaw_deg=7.0 * turn,
        pitch_deg=2.2 * np.sin(2 * np.pi * (seconds / 4.1 + 0.2)),
        exposure_stops=_BLINK_STOPS * float(blink),
    )


def _master() -> NDArray[np.float32]:
    """Returns the photograph enlarged and sharpened, float32, display-referred 0-1."""
    from skimage.data import astronaut

    photograph = astronaut().astype(np.float32) / 255.0
    side = photograph.shape[0] * _MASTER_SCALE
    large = cv2.resize(photograph, (side, side), interpolation=cv2.INTER_LANCZOS4)
    blurred = cv2.GaussianBlur(large, (0, 0), 0.8 * _MASTER_SCALE)
    return np.clip(large + 0.3 * (large - blurred), 0.0, 1.0).astype(np.float32)


def _scene_depth() -> NDArray[np.float32]:
    """Returns nearness by photograph pixel, 0 (backdrop) to 1 (the head), smooth, float32."""
    y, x = np.mgrid[0:512, 0:512].astype(np.float32)
    torso = np.zeros((512, 512), np.float32)
    outline = np.array([*_TORSO, (372, 511), (0, 511)], np.int32)
    cv2.fillPoly(torso, [outline], (1.0,))
    softened = cv2.GaussianBlur(torso, (0, 0), 11.0)
    return np.maximum(0.55 * softened, _head_weight(x, y)).astype(np.float32)


def _head_weight(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns how far a photograph point moves with the head: 1 on it, 0 in the backdrop."""
    radius = np.hypot(
        (x - _HEAD.centre[0]) / _HEAD.radii[0], (y - _HEAD.centre[1]) / _HEAD.radii[1]
    )
    ramp = np.clip((1.75 - radius) / (1.75 - 1.0), 0.0, 1.0)
    # Below the chin the collar belongs to the torso: the neck takes up the difference.
    below = np.clip((205.0 - y) / 40.0, 0.0, 1.0)
    return ramp * ramp * (3 - 2 * ramp) * below * below * (3 - 2 * below)


def _head_turn(
    x: NDArray[np.float32], y: NDArray[np.float32], pose: _Pose
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the displacement (photograph pixels) of head points turned by yaw and pitch."""
    u, v = x - _HEAD.centre[0], y - _HEAD.centre[1]
    squared = (u / _HEAD.radii[0]) ** 2 + (v / _HEAD.radii[1]) ** 2
    z = _HEAD.radii[2] * np.clip(1.0 - squared, 0.0, None) ** 1.5
    nose = (x - _HEAD.nose[0]) ** 2 + (y - _HEAD.nose[1]) ** 2
    z = z + _HEAD.nose_height * np.exp(-0.5 * nose / _HEAD.nose_radius**2)
    yaw, pitch = np.deg2rad(pose.yaw_deg), np.deg2rad(pose.pitch_deg)
    weight = _head_weight(x, y)
    dx = weight * (u * (np.cos(yaw) - 1.0) + z * np.sin(yaw))
    dy = weight * (v * (np.cos(pitch) - 1.0) - z * np.sin(pitch))
    return dx, dy


def _film(
    master: NDArray[np.float32],
    depth: NDArray[np.float32],
    pose: _Pose,
    *,
    size: tuple[int, int],
) -> NDArray[np.float32]:
    """Returns one picture of the scene without grain, float32, (H, W, 3), 0-1."""
    width, height = size
    grid_size = (width // _GRID_STEP + 3, height // _GRID_STEP + 3)
    gx, gy = np.meshgrid(
        (np.arange(grid_size[0], dtype=np.float32) - 1) * _GRID_STEP,
        (np.arange(grid_size[1], dtype=np.float32) - 1) * _GRID_STEP,
    )
    roll = np.deg2rad(pose.roll_deg)
    u, v = (gx - (width - 1) / 2) / pose.zoom, (gy - (height - 1) / 2) / pose.zoom
    seen_x = pose.centre[0] + np.cos(roll) * u - np.sin(roll) * v
    seen_y = pose.centre[1] + np.sin(roll) * u + np.cos(roll) * v
    x, y = _undisplaced(seen_x.astype(np.float32), seen_y.astype(np.float32), depth, pose)
    assert (np.diff(x, axis=1) > 0).all() and (np.diff(y, axis=0) > 0).all(), "the warp folds"
    maps = [_densify(m * _MASTER_SCALE + (_MASTER_SCALE - 1) / 2, size) for m in (x, y)]
    picture = cv2.remap(
        master, maps[0], maps[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(picture, np.float32)


def _undisplaced(
    seen_x: NDArray[np.float32],
    seen_y: NDArray[np.float32],
    depth: NDArray[np.float32],
    pose: _Pose,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the photograph points that the pose's displacement takes to the points seen.

    Solved by fixed-point iteration; the displacement's slope is below 0.3, so 8 rounds leave a
    few thousandths of a pixel.
    """
    x, y = seen_x, seen_y
    for _ in range(8):
        near = cv2.remap(depth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        dx, dy = _head_turn(x, y, pose)
        x = (seen_x - dx - pose.parallax[0] * near).astype(np.float32)
        y = (seen_y - dy - pose.parallax[1] * near).astype(np.float32)
    return x, y


def _densify(grid: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Interpolates a map from the warp's grid to every plate pixel by a bicubic spline."""
    width, height = size
    spline = RectBivariateSpline(np.arange(grid.shape[0]), np.arange(grid.shape[1]), grid)
    dense = spline(np.arange(height) / _GRID_STEP + 1, np.arange(width) / _GRID_STEP + 1)
    return np.asarray(dense, np.float32)


def _grain(size: tuple[int, int], *, rng: np.random.Generator) -> NDArray[np.float32]:
    """Returns unit-variance film grain, float32, (H, W, 3): slightly clumped, mostly neutral."""
    width, height = size
    layers: list[NDArray[np.float32]] = []
    for sigma in (0.75, 1.1):
        noise = rng.standard_normal((height, width, 1 if not layers else 3), np.float32)
        # A Gaussian of `sigma` leaves white noise with a deviation of 1 / (2 sigma sqrt(pi)).
        gain = 2.0 * sigma * np.sqrt(np.pi)
        layers.append(gain * cv2.GaussianBlur(noise, (0, 0), sigma).reshape(noise.shape))
    return 0.88 * layers[0] + 0.475 * layers[1]


def _expose(
    picture: NDArray[np.float32], grain: NDArray[np.float32], *, stops: float
) -> NDArray[np.uint16]:
    """Applies exposure and grain; grain is strongest in the mid-tones, as on a print."""
    exposed = picture * np.float32(2.0 ** (stops / 2.2))
    shading = np.clip(luma(exposed), 0.0, 1.0)
    strength = 0.0045 + 0.034 * shading * (1.0 - shading)
    lifted = 0.012 + 0.97 * exposed + strength[..., None] * grain
    return np.rint(np.clip(lifted, 0.0, 1.0) * 65535.0).astype(np.uint16)
