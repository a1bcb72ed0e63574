import math

import pytest
import torch

from models.eg3d.camera import (
    FFHQ_FOCAL,
    camera_label,
    cast_rays,
    ffhq_intrinsics,
    frontal_label,
    look_at,
    mirror,
    orbit,
    posed_label,
    split_label,
)
from models.shapes import ShapeError
from tests.tri_planes import some_cameras


def test_frontal_camera_faces_the_face_from_2_7_away():
    matrix, intrinsics = split_label(frontal_label())
    expected = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    expected[2, 3] = 2.7
    torch.testing.assert_close(matrix[0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(intrinsics, ffhq_intrinsics())


def test_label_round_trip():
    label = some_cameras(3)
    assert torch.equal(camera_label(*split_label(label)), label)


def test_cameras_are_right_handed_at_one_distance_and_look_at_the_pivot():
    matrix, _ = split_label(some_cameras(5))
    rotation, origin = matrix[:, :3, :3], matrix[:, :3, 3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(5, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(5))
    torch.testing.assert_close(origin.norm(dim=1), torch.full((5,), 2.7))
    to_pivot = torch.tensor([0.0, 0.0, 0.2]) - origin
    torch.testing.assert_close(rotation[:, :, 2], to_pivot / to_pivot.norm(dim=1, keepdim=True))


def test_polar_measure_is_of_height_not_of_angle():
    polar = torch.tensor([0.25, 0.5, 0.75]) * math.pi
    height = look_at(torch.full((3,), math.pi / 2), polar, radius=1.0)[:, 1, 3]
    torch.testing.assert_close(height, torch.tensor([0.5, 0.0, -0.5]))


def test_positive_yaw_goes_to_the_worlds_right_and_positive_pitch_down():
    turned = posed_label(torch.tensor([0.3, 0.0]), torch.tensor([0.0, 0.3]))
    matrix, _ = split_label(turned)
    assert matrix[0, 0, 3] > 0.5
    assert matrix[1, 1, 3] < -0.4


def test_camera_straight_above_is_finite():
    assert look_at(torch.zeros(1), torch.zeros(1)).isfinite().all()


def test_mirrored_label_sees_mirrored_rays():
    label = some_cameras(2)
    origins, directions = cast_rays(label, 6)
    mirrored_origins, mirrored = cast_rays(mirror(label), 6)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    flipped = directions.unflatten(1, (6, 6)).flip(2).flatten(1, 2) * flip
    torch.testing.assert_close(mirrored, flipped)
    torch.testing.assert_close(mirrored_origins, origins * flip)
    assert torch.equal(mirror(mirror(label)), label)


def test_orbit_goes_once_around_the_frontal_camera():
    labels = orbit(4, yaw=0.2, pitch=0.1)
    expected = posed_label(
        torch.tensor([0.0, 0.2, 0.0, -0.2]), torch.tensor([0.05, -0.05, -0.15, -0.05])
    )
    torch.testing.assert_close(labels, expected)


def test_rays_pass_through_pixel_centres_row_by_row():
    label = frontal_label()
    origins, directions = cast_rays(label, 4)
    torch.testing.assert_close(directions.norm(dim=2), torch.ones(1, 16))
    torch.testing.assert_close(origins[0, 5], torch.tensor([0.0, 0.0, 2.7]), atol=1e-6, rtol=0)
    ray = directions[0, 1] / -directions[0, 1, 2]  # first row, second column
    offset = torch.tensor([-0.125, 0.375]) / FFHQ_FOCAL  # the world's y is up
    torch.testing.assert_close(ray[:2], offset, atol=1e-6, rtol=1e-5)


def test_skew_moves_a_ray_by_its_height():
    label = frontal_label()
    label[:, 17] = 0.5
    _, directions = cast_rays(label, 4)
    y = (0.125 - 0.5) / FFHQ_FOCAL
    expected = (0.125 - 0.5 - 0.5 * y) / FFHQ_FOCAL
    ray = directions[0, 0] / -directions[0, 0, 2]
    assert ray[0].item() == pytest.approx(expected, rel=1e-5)


def test_labels_of_other_sizes_are_refused():
    with pytest.raises(ShapeError, match=r"camera label: got shape \(1, 24\), expected \(B, 25\)"):
        cast_rays(torch.zeros(1, 24), 4)
    with pytest.raises(ShapeError, match="camera label"):
        mirror(torch.zeros(25))
    with pytest.raises(ShapeError, match="intrinsics"):
        camera_label(torch.zeros(2, 4, 4), torch.zeros(1, 3, 3))
    with pytest.raises(ShapeError, match="polar"):
        look_at(torch.zeros(2), torch.zeros(1))
