"""How a head is turned, and how far an effect on its face may show.

Works on arrays over the frames of one track; knows nothing of pictures or files. Yaw is positive
when the face looks to the right of the picture, pitch when it looks up; both are 0 for a face that
looks into the camera.

T frames, K landmarks.
"""

import numpy as np
from numpy.typing import NDArray

_RIGHT_SIDE, _LEFT_SIDE = (234, 127, 33, 61), (454, 356, 263, 291)  # mirror images of one another
_TOP, _BOTTOM = 10, 152
_FRONTAL_TILT_DEG = 0.0  # of the line from forehead to chin in a face that looks into the camera

_YAW_FULL_DEG, _YAW_NONE_DEG = 55.0, 75.0
_OUTSIDE_FULL, _OUTSIDE_NONE = 0.04, 0.30  # share of the landmarks beyond the picture's edge
_PRESENCE_FULL, _PRESENCE_NONE = 0.9, 0.5
_SHORT_GAP = 3  # frames: a gap the interpolation bridges without anyone seeing


def head_pose(
    landmarks: NDArray[np.float64], depths: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns yaw and pitch of each frame, degrees, (T,) each.

    Args:
        landmarks: (T, K, 2) pixels.
        depths: (T, K), pixels of the same scale, growing away from the camera.

    The directions come from the mesh's own depth, which is rough: within some degrees up to about
    45, too small beyond. Roll is taken out first.
    """
    points = np.concatenate([landmarks, depths[..., None]], axis=2)
    across = points[:, _LEFT_SIDE].mean(axis=1) - points[:, _RIGHT_SIDE].mean(axis=1)
    down = points[:, _BOTTOM] - points[:, _TOP]
    normal = np.cross(across, down)  # points away from the camera for a frontal face
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    up = -down[:, :2] / np.maximum(np.linalg.norm(down[:, :2], axis=1, keepdims=True), 1e-9)
    right = np.stack([-up[:, 1], up[:, 0]], axis=1)
    towards = -normal  # where the face looks
    sideways = (towards[:, :2] * right).sum(axis=1)
    upwards = (towards[:, :2] * up).sum(axis=1)
    yaw = np.degrees(np.arctan2(sideways, -towards[:, 2]))
    pitch = np.degrees(np.arcsin(np.clip(upwards, -1.0, 1.0)))
    return yaw, pitch - _FRONTAL_TILT_DEG


def fade(
    landmarks: NDArray[np.float64],
    yaw_deg: NDArray[np.float64],
    presence: NDArray[np.float64],
    *,
    picture_size: tuple[int, int],
    appears: bool,
    vanishes: bool,
    ramp_frames: int = 6,
) -> NDArray[np.float64]:
    """Returns how far the effect may show on each frame, 0-1, (T,), never jumping.

    Args:
        landmarks: (T, K, 2) pixels, interpolated where the face was not seen.
        yaw_deg: (T,).
        presence: (T,) belief that the face is there, 0-1; 0 where it was not seen.
        picture_size: (w, h) pixels.
        appears: The face enters after the take's first frame, so the effect starts from 0.
        vanishes: Likewise at the end.
        ramp_frames: Half the length of a ramp; a ramp never rises by more than
            1 / (ramp_frames + 1) a frame.

    It is full for a face that is seen, inside the picture and at most 55 degrees from frontal, and
    0 where it is lost for more than three frames, turned beyond 75 degrees or cut by the edge. The
    ramps begin beforehand, so that it is never above what a frame by itself would allow.
    """
    if ramp_frames < 1:
        raise ValueError(f"fade.ramp_frames: got {ramp_frames}, expected at least 1")
    allowed = _falling(np.abs(yaw_deg), _YAW_FULL_DEG, _YAW_NONE_DEG)
    allowed *= _falling(_share_outside(landmarks, picture_size), _OUTSIDE_FULL, _OUTSIDE_NONE)
    seen = presence > 0
    certain = 1.0 - _falling(presence, _PRESENCE_NONE, _PRESENCE_FULL)
    allowed *= np.where(seen | short_gaps(seen), np.where(seen, certain, 1.0), 0.0)
    reach = 2 * ramp_frames
    before = np.full(reach, 0.0 if appears else allowed[0])
    after = np.full(reach, 0.0 if vanishes else allowed[-1])
    padded = np.concatenate([before, allowed, after])
    window = 2 * ramp_frames + 1
    lowest = np.lib.stride_tricks.sliding_window_view(padded, window).min(axis=1)
    kernel = np.hanning(window + 2)[1:-1]  # a cosine ramp when run over a step
    smooth = np.convolve(lowest, kernel / kernel.sum(), mode="valid")
    smooth[smooth < 1e-9] = 0.0  # the convolution's rounding, so that full and none are exact
    smooth[smooth > 1.0 - 1e-9] = 1.0
    return smooth


def short_gaps(seen: NDArray[np.bool_], *, longest: int = _SHORT_GAP) -> NDArray[np.bool_]:
    """Returns which unseen frames lie in a gap of at most `longest` frames, (T,) bool."""
    found = np.zeros(len(seen), bool)
    for first, last in runs(~seen):
        if last - first + 1 <= longest and first > 0 and last < len(seen) - 1:
            found[first : last + 1] = True
    return found


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Returns (first, last) index of each stretch of True, inclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _falling(value: NDArray[np.float64], full: float, none: float) -> NDArray[np.float64]:
    """1 up to `full`, 0 from `none`, half a cosine between."""
    along = np.clip((value - full) / (none - full), 0.0, 1.0)
    return 0.5 + 0.5 * np.cos(np.pi * along)


def _share_outside(
    landmarks: NDArray[np.float64], picture_size: tuple[int, int]
) -> NDArray[np.float64]:
    last = np.array(picture_size) - 0.5
    outside = ((landmarks < -0.5) | (landmarks > last)).any(axis=2)
    return np.asarray(outside.mean(axis=1), np.float64)
