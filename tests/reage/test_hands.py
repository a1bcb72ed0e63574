import numpy as np
import skimage.data

from reage.hands import HandFinder, _drawn


def fist(x, y, *, size=40.0):
    """Landmarks of a hand with its fingers up, palm `size` wide."""
    points = np.empty((21, 2))
    points[0] = x, y + size
    for finger in range(5):
        across = x + size * (finger / 4 - 0.5)
        for joint in range(4):
            points[1 + 4 * finger + joint] = across, y - 0.35 * size * joint
    return points


def test_hand_is_drawn_as_palm_and_fingers_with_a_soft_edge():
    drawn = _drawn(fist(100.0, 100.0), (200, 200))
    assert drawn.max() == 1.0
    assert drawn[115, 100] > 0.99, "palm"
    assert drawn[70, 80] > 0.9, "finger"
    assert drawn[20, 100] == 0
    assert not drawn[:, :60].any()
    assert ((drawn > 0.1) & (drawn < 0.9)).any()


def test_photograph_without_hands_has_none():
    face = np.ascontiguousarray(skimage.data.astronaut()[0:256, 110:366])
    with HandFinder() as hands:
        assert not hands.find(face).any()
