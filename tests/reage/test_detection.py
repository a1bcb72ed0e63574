import numpy as np
import pytest

from reage.detection import MESH_SIZE, agrees, iou, padded_square, region_around, tiles


def upright_face(centre, height, angle_deg=0.0):
    """Landmarks on an ellipse, eyes level, then turned."""
    around = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    points = np.column_stack([0.4 * height * np.cos(around), 0.5 * height * np.sin(around)])
    points[33], points[263] = [-0.2 * height, -0.1 * height], [0.2 * height, -0.1 * height]
    turn = np.radians(angle_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ rotation.T + centre


@pytest.mark.parametrize("angle_deg", [0.0, 35.0, -120.0])
def test_region_turns_the_face_upright_and_centres_it(angle_deg):
    landmarks = upright_face([400.0, 300.0], 100.0, angle_deg)
    in_crop = region_around(landmarks).apply(landmarks)
    assert in_crop[33, 1] == pytest.approx(in_crop[263, 1])
    assert in_crop[33, 0] < in_crop[263, 0]
    low, high = in_crop.min(axis=0), in_crop.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, (MESH_SIZE - 1) / 2, atol=1e-9)
    assert (high - low).max() == pytest.approx(MESH_SIZE / 1.6)


def test_region_agrees_with_its_own_face_and_with_no_other():
    landmarks = upright_face([400.0, 300.0], 100.0)
    region = region_around(landmarks)
    assert agrees(region, landmarks + np.array([20.0, 0.0]))
    assert not agrees(region, landmarks + np.array([70.0, 0.0]))
    assert not agrees(region, upright_face([400.0, 300.0], 190.0))
    assert not agrees(region, upright_face([400.0, 300.0], 50.0))


@pytest.mark.parametrize("size", [(1920, 1080), (640, 480), (1080, 1920), (100, 80)])
def test_tiles_cover_the_frame_at_every_scale(size):
    by_side = {}
    for left, top, side in tiles(*size):
        by_side.setdefault(side, np.zeros(size[::-1], bool))[
            top : top + side, left : left + side
        ] = 1
    assert max(size) in by_side
    assert all(covered.all() for covered in by_side.values())


def test_padded_square_keeps_the_tile_and_is_black_beyond():
    square = padded_square(np.full((3, 5, 3), 9, np.uint8), 6)
    assert square.shape == (6, 6, 3)
    assert (square[:3, :5] == 9).all()
    assert square.sum() == 9 * 45


def test_iou_is_shared_over_covered_area():
    a, b = np.array([0.0, 0, 4, 4]), np.array([2.0, 0, 6, 4])
    assert iou(a, b) == pytest.approx(8 / 24)
    assert iou(a, a) == 1.0
    assert iou(a, b + 10) == 0.0
