"""Steadying of landmarks over time without lag: the jitter goes, the motion stays.

A face's motion is taken apart into a similarity (place, size, turn) and what remains (expression,
turning in depth). Each is smoothed by local polynomial fits that look as far ahead as back: long
ones where nothing moves beyond the noise, shorter ones where something does, so that slow drift
becomes smooth and fast motion keeps its amplitude. Works on arrays; knows nothing of pictures.

T frames, K landmarks, N series.

Source: Savitzky & Golay 1964 for the fits; the mixture is an empirical Wiener shrinkage, ours.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import savgol_filter

from reage.geometry import Similarity

_MAD_TO_SIGMA = 1.4826
_REPEAT_MIN_STEP_PX = 0.8
_LONGEST_WINDOW = 101
_LONGEST_KERNEL = 4 * _LONGEST_WINDOW + 1
# Forehead, temples, eye corners, nose, cheekbones: what moves with the skull, not with the mouth.
_RIGID = (
    10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 67, 109, 338, 297, 103, 332, 54, 284, 21, 251, 162,
    389, 127, 356, 234, 454, 33, 133, 362, 263, 130, 359, 243, 463, 116, 345, 117, 346, 118, 347,
    98, 327,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Steadying:
    """How strongly landmarks are steadied.

    Attributes:
        fits: (window, order) of the polynomial fits, calmest first; windows in frames, odd.
        spike_window: Frames whose usual roughness a single frame's spike is held against; odd.
        spike_sigmas: Times that roughness from which it is a spike.
    """

    fits: tuple[tuple[int, int], ...] = ((21, 2), (9, 2), (7, 4))
    spike_window: int = 15
    spike_sigmas: float = 6.0

    def __post_init__(self) -> None:
        for window in (*(window for window, _ in self.fits), self.spike_window):
            if not 5 <= window <= _LONGEST_WINDOW or window % 2 == 0:
                raise ValueError(
                    f"Steadying: window: got {window}, expected an odd number from 5 to "
                    f"{_LONGEST_WINDOW}"
                )
        if self.spike_sigmas <= 0:
            raise ValueError(f"Steadying.spike_sigmas: got {self.spike_sigmas}, expected above 0")


def steady_landmarks(
    landmarks: NDArray[np.float64],
    *,
    reliable: NDArray[np.bool_] | None = None,
    settings: Steadying = Steadying(),
) -> NDArray[np.float64]:
    """Steadies one unbroken stretch of landmarks.

    Args:
        landmarks: (T, K, 2) pixels.
        reliable: (T,) frames to trust; the others are bridged from their neighbours. All if None.
        settings: How strongly.

    Returns:
        (T, K, 2). Stretches of fewer than 5 frames come back as they are. A frame that repeats the
        one before repeats its landmarks.
    """
    trusted = np.ones(len(landmarks), bool) if reliable is None else reliable
    if len(landmarks) < 5:
        return landmarks.copy()
    reference = _mean_shape(landmarks)
    motions = _bridge(_motions(reference, landmarks), trusted)
    kept = ~repeats(motions)
    if kept.sum() < 5:
        return landmarks.copy()
    steadied = _steadied(landmarks[kept], motions[kept], trusted[kept], reference, settings)
    return steadied[np.cumsum(kept) - 1]


def repeats(motions: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns which frames stand still in the midst of a motion, (T,) bool.

    Such are frames shown twice, as when 24 frames a second are carried by 30. They must not take
    part in smoothing: it would slide the landmarks off the picture before and after.

    Args:
        motions: (T, N) pixels.
    """
    found = np.zeros(len(motions), bool)
    steps = np.diff(motions, axis=0)
    speeds = np.linalg.norm(steps, axis=1)
    before, at, after = speeds[:-2], speeds[1:-1], speeds[2:]
    slower = np.minimum(before, after)
    onwards = (steps[:-2] * steps[2:]).sum(axis=1) > 0.5 * before * after
    found[2:-1] = (at < 0.2 * slower) & (slower > _REPEAT_MIN_STEP_PX) & onwards
    return found


def _steadied(
    landmarks: NDArray[np.float64],
    motions: NDArray[np.float64],
    trusted: NDArray[np.bool_],
    reference: NDArray[np.float64],
    settings: Steadying,
) -> NDArray[np.float64]:
    count = len(landmarks)
    trusted = trusted & ~_spikes(motions, settings).any(axis=1)
    motions = _bridge(motions, trusted)
    shapes = np.stack(
        [
            motion.inverse().apply(points)
            for motion, points in zip(_similarities(reference, motions), landmarks, strict=True)
        ]
    ).reshape(count, -1)
    shapes = _bridge(shapes, trusted)
    shapes = _without(shapes, _spikes(shapes, settings))
    calm_motions = smooth(motions, settings=settings)
    calm_shapes = smooth(shapes, settings=settings).reshape(landmarks.shape)
    return np.stack(
        [
            motion.apply(shape)
            for motion, shape in zip(
                _similarities(reference, calm_motions), calm_shapes, strict=True
            )
        ]
    )


def smooth(
    series: NDArray[np.float64],
    *,
    settings: Steadying = Steadying(),
) -> NDArray[np.float64]:
    """Smooths each of (T, N) series without lag, less where it moves beyond its noise.

    Raises:
        ValueError: Fewer than 5 frames.
    """
    count = len(series)
    if count < 5:
        raise ValueError(f"smooth: series: got {count} frames, expected at least 5")
    fits = [_shortened(fit, count) for fit in settings.fits]
    noise = _noise(series)
    calm = _fit(series, fits[0])
    for calmer, livelier in pairwise(fits):
        difference = _fit(series, livelier) - _fit(series, calmer)
        by_chance = noise**2 * ((_kernel(livelier) - _kernel(calmer)) ** 2).sum()
        seen = gaussian_filter1d(difference**2, sigma=2.5, axis=0, mode="nearest")
        moving = np.clip(1.0 - 2.0 * by_chance / np.maximum(seen, 1e-18), 0.0, 1.0)
        calm += gaussian_filter1d(moving, sigma=2.5, axis=0, mode="nearest") * difference
    return calm


def _fit(series: NDArray[np.float64], fit: tuple[int, int]) -> NDArray[np.float64]:
    window, order = fit
    return np.asarray(savgol_filter(series, window, polyorder=order, axis=0, mode="interp"))


def _kernel(fit: tuple[int, int]) -> NDArray[np.float64]:
    """What a fit makes of a single 1 among zeros."""
    impulse = np.zeros(_LONGEST_KERNEL)
    impulse[_LONGEST_KERNEL // 2] = 1.0
    return _fit(impulse, fit)


def _shortened(fit: tuple[int, int], count: int) -> tuple[int, int]:
    window = min(fit[0], _odd_at_most(count))
    return window, min(fit[1], window - 1)


def _odd_at_most(count: int) -> int:
    return count if count % 2 else count - 1


def _noise(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """White noise of each series, (N,), from high differences, to which motion is all but 0."""
    order = min(6, len(series) - 2)
    differences = np.abs(np.diff(series, n=order, axis=0))
    gain = math.sqrt(math.comb(2 * order, order))
    return np.asarray(_MAD_TO_SIGMA * np.median(differences, axis=0) / gain)


def _spikes(series: NDArray[np.float64], settings: Steadying) -> NDArray[np.bool_]:
    """Which values leave a steady course for one frame and come back to it, (T, N) bool.

    Anything that lasts longer may be a blink or a shout, and stays.
    """
    found = np.zeros(series.shape, bool)
    two_before, before, at, after, two_after = (series[i : len(series) - 4 + i] for i in range(5))
    away = np.abs(at - (4.0 * (before + after) - two_before - two_after) / 6.0)
    usual = _MAD_TO_SIGMA * _running_median(away, settings.spike_window)
    limit = settings.spike_sigmas * np.maximum(usual, np.median(away, axis=0)) + 1e-9
    came, crossed, went = before - two_before, (after - before) / 2, two_after - after
    bend = np.maximum(np.abs(crossed - came), np.abs(went - crossed))
    found[2:-2] = (away > limit) & (bend < 0.5 * away)
    return found


def _running_median(series: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    half = window // 2
    padded = np.pad(series, ((half, half), (0, 0)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    return np.asarray(np.median(windows, axis=-1))


def _bridge(series: NDArray[np.float64], trusted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Replaces untrusted rows by straight lines between their trusted neighbours."""
    if trusted.all() or not trusted.any():
        return series
    frames = np.arange(len(series))
    columns = [np.interp(frames, frames[trusted], column[trusted]) for column in series.T]
    return np.stack(columns, axis=1)


def _without(series: NDArray[np.float64], spikes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Replaces single values by the mean of their neighbours."""
    padded = np.pad(series, ((1, 1), (0, 0)), mode="edge")
    return np.where(spikes, (padded[:-2] + padded[2:]) / 2, series)


def _mean_shape(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The track's shape with motion taken out, centred on 0: two rounds of Procrustes."""
    shape = landmarks[len(landmarks) // 2] - landmarks[len(landmarks) // 2].mean(axis=0)
    for _ in range(2):
        aligned = [_fit_rigid(points, shape).apply(points) for points in landmarks]
        shape = np.mean(aligned, axis=0)
    return np.asarray(shape - shape.mean(axis=0))


def _fit_rigid(source: NDArray[np.float64], target: NDArray[np.float64]) -> Similarity:
    indices = list(_RIGID) if len(source) > max(_RIGID) else slice(None)
    return Similarity.fit(source[indices], target[indices])


def _motions(reference: NDArray[np.float64], landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place x and y, size and turn of each frame in pixels of the face's rim, (T, 4)."""
    fits = [_fit_rigid(reference, points) for points in landmarks]
    radius = np.sqrt((reference**2).sum(axis=1).mean())
    angles = np.unwrap(np.radians([fit.angle_deg for fit in fits]))
    scales = np.log([fit.scale for fit in fits])
    places = np.stack([fit.matrix[:, 2] for fit in fits])
    return np.column_stack([places, radius * scales, radius * angles])


def _similarities(reference: NDArray[np.float64], motions: NDArray[np.float64]) -> list[Similarity]:
    radius = np.sqrt((reference**2).sum(axis=1).mean())
    return [
        Similarity.from_parts(
            scale=float(np.exp(size / radius)),
            angle_deg=float(np.degrees(turn / radius)),
            shift=np.array([x, y]),
        )
        for x, y, size, turn in motions
    ]
