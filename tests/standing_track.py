"""A track of four landmarks that hardly moves, for tests that need no face."""

import numpy as np

from reage.tracks import Track


def track(number, frames, *, left=100.0, **ends):
    """A face that stands at `left`, and further by a pixel a frame."""
    count = len(frames)
    points = np.tile([[0.0, 0.0], [40.0, 0.0], [0.0, 50.0], [40.0, 50.0]], (count, 1, 1))
    points[..., 0] += left + np.arange(count)[:, None]
    return Track(
        track_id=number,
        frames=frames,
        picture_size=(480, 270),
        landmarks=points,
        raw_landmarks=points + 0.25,
        depths=np.full((count, 4), float(number)),
        presence=np.ones(count),
        bridged=np.zeros(count, bool),
        yaw_deg=np.full(count, 5.0),
        pitch_deg=np.zeros(count),
        fade=np.ones(count),
        **{"appears": False, "vanishes": False, **ends},
    )
