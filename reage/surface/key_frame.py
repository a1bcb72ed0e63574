"""Chooses the frame that shows a face best: frontal, sharp, whole, and at rest.

T frames, K landmarks.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.collection.portrait_measures import sharpness_of
from reage.colour import luma
from reage.tracks import Track

_TURNED_DEG = 20.0  # of yaw or pitch, at which a frame counts exp(-1/2)
_MOUTH = (13, 14)  # inner lips, upper and lower
_LIDS = ((159, 145), (386, 374))  # upper and lower, of both eyes
_UPRIGHT = (10, 152)  # top of the forehead and chin
_CROP_SIDE = 128  # pixels at which a crop's sharpness is told: a face is about 120 px high
_PARTED, _OPEN = 0.03, 0.02  # of the face's height: a mouth at which a frame counts half, open lids


def crop_sharpness(crop: NDArray[np.floating]) -> float:
    """Returns how sharp an aligned crop of a face is, display-referred (R, R, 3), in any size."""
    side = (_CROP_SIDE, _CROP_SIDE)
    small = cv2.resize(crop.astype(np.float32), side, interpolation=cv2.INTER_AREA)
    return sharpness_of(luma(np.asarray(small, np.float32)))


def usual_sharpness(sharpness: NDArray[np.floating], fade: NDArray[np.float64]) -> float:
    """Returns what the sharpest tenth of the frames that show the face reach, above 0."""
    shown = sharpness[fade > 0.0]
    return max(float(np.percentile(shown, 90)) if len(shown) else 0.0, 1e-12)


def frame_worth(track: Track, sharpness: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns how well each frame of a track shows the face, 0-1, (T,).

    Args:
        track: Steadied.
        sharpness: (T,) of the face in each frame, in any unit.
    """
    turned = (track.yaw_deg**2 + track.pitch_deg**2) / _TURNED_DEG**2
    sharp = np.clip(sharpness / usual_sharpness(sharpness, track.fade), 0.0, 1.0)
    height = _gap(track.landmarks, *_UPRIGHT)
    parted = _gap(track.landmarks, *_MOUTH) / height
    lids = np.min([_gap(track.landmarks, *pair) for pair in _LIDS], axis=0) / height
    at_rest = _PARTED / (_PARTED + parted) * np.clip(lids / _OPEN, 0.0, 1.0)
    return np.asarray(track.fade * track.presence * np.exp(-0.5 * turned) * sharp * at_rest)


def choose_key_frame(track: Track, sharpness: NDArray[np.floating]) -> int:
    """Returns the number of the frame that shows the face best; as `frame_worth`."""
    return track.frames.first + int(np.argmax(frame_worth(track, sharpness)))


def _gap(landmarks: NDArray[np.float64], first: int, second: int) -> NDArray[np.float64]:
    return np.linalg.norm(landmarks[:, first] - landmarks[:, second], axis=1)
