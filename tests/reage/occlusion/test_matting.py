import cv2
import numpy as np

from reage.occlusion.matting import drawn_edge

SIDE, HEIGHT = 120, 150.0  # px of the picture and of the face


def disc(radius, deviation):
    drawn = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(drawn, (60, 60), radius, 1.0, -1)
    return cv2.GaussianBlur(drawn, (0, 0), deviation)


def painted(matte, front, behind):
    mixed = matte[..., None] * np.float32(front) + (1 - matte[..., None]) * np.float32(behind)
    return mixed + np.random.default_rng(2).normal(0, 0.01, mixed.shape).astype(np.float32)


def test_edge_is_the_pictures_own_though_the_outline_is_two_pixels_off():
    truth = disc(30, 1.5)
    display = painted(truth, (0.2, 0.2, 0.25), (0.7, 0.5, 0.42))
    for radius in (28, 32):
        edge = drawn_edge(disc(radius, 2.0), display, face_height=HEIGHT)
        assert np.abs(edge - truth).mean() < 0.3 * np.abs(disc(radius, 1.5) - truth).mean()


def test_it_is_exactly_all_inside_and_nothing_outside():
    edge = drawn_edge(disc(30, 2.0), painted(disc(30, 1.5), 0.2, 0.6), face_height=HEIGHT)
    assert (edge[45:75, 45:75] == 1).all()
    assert not edge[:20].any()


def test_outline_is_believed_where_both_sides_look_alike():
    alike = painted(disc(30, 1.5), 0.5, 0.5)
    edge = drawn_edge(disc(30, 2.0), alike, face_height=HEIGHT)
    assert ((edge > 0.5) == (disc(30, 2.0) > 0.5)).mean() > 0.98


def test_nothing_in_front_and_everything_in_front_stay_so():
    display = painted(disc(30, 1.5), 0.2, 0.6)
    assert not drawn_edge(np.zeros((SIDE, SIDE), np.float32), display, face_height=HEIGHT).any()
    whole = drawn_edge(np.ones((SIDE, SIDE), np.float32), display, face_height=HEIGHT)
    assert (whole == 1).all()
