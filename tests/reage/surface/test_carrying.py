import cv2
import numpy as np
import pytest
import skimage.data

from reage.faces import FaceFinder
from reage.surface.carrying import render, unwrap
from reage.surface.chart import Chart, visibility

SIZE = 160


@pytest.fixture(scope="module")
def face():
    """Crop, landmarks and depths of a portrait, at SIZE."""
    picture = np.ascontiguousarray(skimage.data.astronaut())
    with FaceFinder() as finder:
        found = finder.detect(picture)[0]
    crop = picture[30:190, 145:305].astype(np.float32) / 255
    return crop, found.landmarks - (145, 30), found.depths


@pytest.fixture(scope="module")
def chart(face):
    _, landmarks, depths = face
    return Chart.of_shot(landmarks[None], depths[None], np.ones(1), side=320)


def turned(landmarks, depths, yaw_deg):
    """Turns a face about the upright axis through its middle."""
    angle, middle = np.radians(yaw_deg), landmarks.mean(axis=0)
    x, z = landmarks[:, 0] - middle[0], depths - depths.mean()
    across = np.cos(angle) * x - np.sin(angle) * z
    return np.column_stack([across + middle[0], landmarks[:, 1]]), np.sin(angle) * x + np.cos(
        angle
    ) * z


def inside(landmarks, margin=0.8):
    hull = cv2.convexHull(landmarks[:468].astype(np.float32))
    middle = hull.mean(axis=0, keepdims=True)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(middle + margin * (hull - middle)).astype(np.int32), 1)
    return mask.astype(bool)


def test_what_was_unwrapped_is_rendered_as_it_was(face, chart):
    crop, landmarks, depths = face
    back = render(unwrap(crop, landmarks, chart), landmarks, depths, chart, SIZE)
    # Two cubic interpolations; lashes and catchlights cost the most.
    assert np.abs(back - crop)[inside(landmarks)].mean() < 0.006


def test_rendering_follows_a_shift_of_a_fraction_of_a_pixel(face, chart):
    crop, landmarks, depths = face
    smooth = cv2.GaussianBlur(crop, (0, 0), 2.0)
    texture, shift = unwrap(smooth, landmarks, chart), (0.37, -0.21)
    drawn = render(texture, landmarks + shift, depths, chart, SIZE)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    wanted = cv2.warpAffine(smooth, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC)
    where = inside(landmarks)
    unmoved = np.abs(smooth - wanted)[where].mean()
    assert np.abs(drawn - wanted)[where].mean() < 0.15 * unmoved


def test_a_mark_stays_on_its_place_of_the_skin_when_the_head_turns(face, chart):
    _, landmarks, depths = face
    marked = np.zeros((SIZE, SIZE, 1), np.float32)
    cheek = landmarks[205]
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    marked[..., 0] = np.exp(-((columns - cheek[0]) ** 2 + (rows - cheek[1]) ** 2) / 8)
    texture = unwrap(marked, landmarks, chart)
    points, deep = turned(landmarks, depths, 25.0)
    drawn = render(texture, points, deep, chart, SIZE)[..., 0]
    seen = np.array([(columns * drawn).sum(), (rows * drawn).sum()]) / drawn.sum()
    assert np.abs(seen - points[205]).max() < 0.6


def test_skin_that_is_turned_away_counts_little(face, chart):
    _, landmarks, depths = face
    front = visibility(landmarks, depths, chart.triangles)
    points, deep = turned(landmarks, depths, 50.0)
    aside = visibility(points, deep, chart.triangles)
    cheeks = [116, 345]
    assert front[cheeks].min() > 0.3
    assert aside[cheeks].max() > front[cheeks].max()
    assert aside[cheeks].min() < 0.1
    assert (front > 0).all()


def test_nothing_is_drawn_where_no_triangle_is(face, chart):
    _, landmarks, depths = face
    full = np.ones((chart.side, chart.side, 1), np.float32)
    far = landmarks * 0.2
    drawn = render(full, far, depths * 0.2, chart, SIZE)
    assert drawn[SIZE // 2 :, SIZE // 2 :].max() == 0.0
    assert drawn.max() > 0.99


def test_a_triangle_seen_edge_on_leaves_no_speck(face, chart):
    _, landmarks, depths = face
    smooth = np.linspace(0.2, 0.8, chart.side, dtype=np.float32)
    texture = np.repeat(smooth[None, :, None], chart.side, axis=0)
    corners = next(t for t in chart.triangles if (t < 468).all() and 4 in t)
    folded = landmarks.copy()
    folded[corners[2]] = folded[corners[:2]].mean(axis=0) + 1e-4
    drawn = render(texture, folded, depths, chart, SIZE)[..., 0]
    plain = render(texture, landmarks, depths, chart, SIZE)[..., 0]
    assert np.abs(drawn - plain)[inside(landmarks)].max() < 0.1
