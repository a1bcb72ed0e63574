"""The second door to the face library: where hands are near a face.

The library's palm detector and hand landmarks are run on a square around the face; nothing is
remembered from one picture to the next. A hand is drawn as its palm and fingers, softly.

Source: Zhang et al. 2020, "MediaPipe Hands: On-device Real-time Hand Tracking".
"""

from typing import Self

import cv2
import numpy as np
from mediapipe.python.solutions.hands import Hands
from numpy.typing import NDArray

from reage.faces import without_chatter

_CONFIDENCE = 0.5
_PALM = (0, 1, 5, 9, 13, 17)
_FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
_THICK = 0.24  # of a finger, in widths of the palm
_WHITE = (255,)
_SOFT = 0.08  # deviation of the edge, likewise


class HandFinder:
    """Finds up to three hands in a picture; a context manager, as it holds two networks."""

    def __enter__(self) -> Self:
        with without_chatter():
            self._hands = Hands(
                static_image_mode=True, max_num_hands=3, min_detection_confidence=_CONFIDENCE
            )
            self._hands.process(np.zeros((64, 64, 3), np.uint8))
        return self

    def __exit__(self, *exception: object) -> None:
        self._hands.close()

    def find(self, display: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Draws the hands of a picture, float32, (H, W), 0-1.

        Args:
            display: RGB, uint8, (H, W, 3).
        """
        height, width = display.shape[:2]
        drawn = np.zeros((height, width), np.float32)
        for hand in self._hands.process(display).multi_hand_landmarks or []:
            points = np.array([(p.x * width, p.y * height) for p in hand.landmark]) - 0.5
            drawn = np.maximum(drawn, _drawn(points, (height, width)))
        return drawn


def _drawn(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float32]:
    palm = float(np.linalg.norm(points[5] - points[17]))
    codes = np.zeros(shape, np.uint8)
    places = np.rint(points).astype(np.int32)
    cv2.fillConvexPoly(codes, cv2.convexHull(places[list(_PALM)]), _WHITE)
    thick = max(1, round(_THICK * max(palm, float(np.linalg.norm(points[0] - points[9])) / 2)))
    for finger in _FINGERS:
        cv2.polylines(codes, [places[list(finger)]], isClosed=False, color=_WHITE, thickness=thick)
    cv2.polylines(codes, [places[list(_PALM)]], isClosed=True, color=_WHITE, thickness=thick)
    soft = cv2.GaussianBlur(codes.astype(np.float32) / 255, (0, 0), max(0.5, _SOFT * palm))
    return np.asarray(soft, np.float32)
