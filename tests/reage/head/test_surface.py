"""Heads turned on a surface: known landmarks end where the camera sees them."""

import numpy as np
import pytest

from reage.geometry import Similarity
from reage.head.camera import HeadCamera, PosedFace, canonical_face
from reage.head.surface import BACKDROP, head_points, head_triangles, turn_head

NOSE_TIP, LEFT_SIDE, RIGHT_SIDE = 4, 454, 234


def posed(yaw: float = 0.0, pitch: float = 0.0) -> PosedFace:
    return PosedFace(HeadCamera.towards(yaw, pitch), Similarity(np.eye(2, 3)), canonical_face())


def test_from_its_own_camera_a_head_is_the_photograph() -> None:
    face = posed(12.0, 4.0)
    view = turn_head(face, face.camera, size=32)
    ticks = (np.arange(32) + 0.5) / 32
    assert np.allclose(view.places, np.stack(np.meshgrid(ticks, ticks), axis=-1), atol=1e-2)
    assert view.is_seen[8:24, 8:24].all()


@pytest.mark.parametrize("yaw", [-25.0, 20.0])
def test_a_landmark_is_found_where_the_other_camera_sees_it(yaw: float) -> None:
    face, camera, size = posed(), HeadCamera.towards(yaw, 0.0), 128
    view = turn_head(face, camera, size=size)
    place, _ = camera.project(canonical_face()[NOSE_TIP])
    column, row = (place * size).astype(int)
    own, _ = face.camera.project(canonical_face()[NOSE_TIP])
    assert view.is_face[row, column]
    assert np.abs(view.places[row, column] - own).max() < 2 / size
    distance = np.linalg.norm(canonical_face()[NOSE_TIP] - camera.camera_to_world[:3, 3])
    assert view.distance[row, column] == pytest.approx(distance, abs=0.02)


def test_the_far_side_of_a_turned_photograph_is_not_shown() -> None:
    face = posed(40.0)
    view = turn_head(face, HeadCamera.towards(-30.0, 0.0), size=64)
    place, _ = HeadCamera.towards(-30.0, 0.0).project(
        canonical_face()[RIGHT_SIDE] + [0.02, 0, 0.03]
    )
    column, row = (place * 64).astype(int)
    assert not view.is_seen[row, column]


def test_the_nose_is_nearest_and_the_backdrop_farthest() -> None:
    view = turn_head(posed(), posed().camera, size=64)
    row, column = np.unravel_index(view.distance.argmin(), view.distance.shape)
    assert abs(column - 31.5) < 4 and 24 < row < 42
    assert view.distance[0, 0] > view.distance[32, 32] + abs(BACKDROP)
    assert not view.is_face[0, 0]


def test_all_of_a_head_is_one_surface_of_outward_triangles() -> None:
    points, triangles = head_points(canonical_face()), head_triangles()
    assert set(np.unique(triangles)) == set(range(len(points)))
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = (normals * (corners.mean(axis=1) - [0, 0, -0.5])).sum(axis=1) < 0
    assert outward.mean() > 0.9
