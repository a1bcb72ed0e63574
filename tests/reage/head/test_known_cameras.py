"""Cameras that are known, of landmarks and of pictures, and found again."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from scipy.spatial import Delaunay

from models.eg3d.camera import posed_label, split_label
from reage.faces import FaceFinder
from reage.geometry import Similarity
from reage.head.camera import FOCAL, HeadCamera, canonical_face, pose_face
from reage.head.crop import crop_similarity, cut_crop
from reage.head.surface import turn_head

PHOTOGRAPH_PX = 420.0  # of the face's crop in the photograph


def turned_apart(one, other):
    """Degrees between two cameras' rotations."""
    between = one[:3, :3].T @ other[:3, :3]
    return np.degrees(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1)))


def photographed(camera, *, roll, shift=(300.0, 250.0)):
    """Landmarks and depths of the mean face in a photograph, and the photograph from the crop."""
    places, depths = camera.project(canonical_face())
    picture_from_crop = Similarity.from_parts(
        scale=PHOTOGRAPH_PX, angle_deg=roll, shift=np.array(shift)
    )
    towards = (depths - depths.mean()) * FOCAL / depths.mean() * PHOTOGRAPH_PX
    return picture_from_crop.apply(places), towards, picture_from_crop


@pytest.mark.parametrize("noise_px", [0.0, 1.5])
def test_camera_of_landmarks_is_found_within_two_degrees(noise_px):
    rng = np.random.default_rng(0)
    for yaw in range(-40, 41, 20):
        for pitch in (-25, -10, 0, 10, 25):
            for roll in (-20, 0, 20):
                camera = HeadCamera.towards(yaw, pitch)
                places, depths, picture_from_crop = photographed(camera, roll=roll)
                places = places + rng.normal(0, noise_px, places.shape)
                found = pose_face(places, depths + rng.normal(0, noise_px, depths.shape))
                apart = turned_apart(found.camera.camera_to_world, camera.camera_to_world)
                assert apart < 2, (yaw, pitch, roll)
                expected = picture_from_crop.inverse()
                assert abs(found.crop_from_picture.angle_deg - expected.angle_deg) < 1
                assert found.crop_from_picture.scale == pytest.approx(expected.scale, rel=0.02)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (30, 0), (-25, 15), (20, -20)])
def test_heads_cameras_are_those_that_the_generator_is_looked_at_with(yaw, pitch):
    camera = HeadCamera.towards(yaw, pitch)
    matrix = camera.camera_to_world
    # The published sampler names positions, ours directions; both look at the pivot without roll.
    x, y, z = matrix[:3, 3]
    azimuth, height = np.arctan2(x, z), y / 2.7
    label = posed_label(
        torch.tensor([azimuth], dtype=torch.float64),
        torch.tensor([-height * np.pi / 2], dtype=torch.float64),
    )
    assert np.abs(label[0].numpy() - camera.label).max() < 1e-5
    assert np.allclose(split_label(torch.from_numpy(camera.label)[None])[0][0], matrix, atol=1e-6)


def test_crop_shows_landmarks_where_the_camera_sees_them():
    camera = HeadCamera.towards(20, -10)
    places, depths, _ = photographed(camera, roll=12)
    face = pose_face(places, depths)
    seen, _ = face.camera.project(canonical_face())
    shown = crop_similarity(face, 64).apply(places)
    assert np.abs((shown + 0.5) / 64 - seen).max() < 0.02


def drawn(photograph, places, depths, triangles, texture, size):
    """Draws a textured mesh, farthest triangles first, on grey."""
    picture = np.full((size, size, 3), 128, np.uint8)
    for corners in triangles[np.argsort(-depths[triangles].mean(axis=1))]:
        target = places[corners].astype(np.float32)
        low = np.maximum(np.floor(target.min(axis=0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(target.max(axis=0)).astype(int) + 2, size)
        if (high <= low).any():
            continue
        move = cv2.getAffineTransform(
            texture[corners].astype(np.float32), target - low.astype(np.float32)
        )
        width, height = (high - low).tolist()
        piece = cv2.warpAffine(photograph, move, (width, height))
        mask = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(mask, np.rint((target - low) * 16).astype(np.int32), 1, shift=4)
        region = picture[low[1] : high[1], low[0] : high[0]]
        region[mask > 0] = piece[mask > 0]
    return picture


@pytest.fixture(scope="module")
def finder():
    with FaceFinder() as opened:
        yield opened


@pytest.fixture(scope="module")
def photograph():
    return np.ascontiguousarray(skimage.data.astronaut())


def posed(finder, picture):
    found = finder.detect(picture)[0]
    return pose_face(found.landmarks, found.depths)


def test_camera_of_a_turned_photograph_stays_and_its_crop_turns(finder, photograph):
    rest = posed(finder, photograph)
    for roll in (-20, 20):
        turn = cv2.getRotationMatrix2D((222.0, 122.0), -roll, 1.0)  # counted anticlockwise
        found = posed(finder, cv2.warpAffine(photograph, turn, (512, 512)))
        assert turned_apart(found.camera.camera_to_world, rest.camera.camera_to_world) < 2
        own = found.crop_from_picture.angle_deg - rest.crop_from_picture.angle_deg
        assert own == pytest.approx(-roll, abs=2)


def test_camera_of_a_mirrored_photograph_is_mirrored(finder, photograph):
    yaw, pitch = posed(finder, photograph).camera.angles
    found = posed(finder, np.ascontiguousarray(photograph[:, ::-1])).camera.angles
    assert found == pytest.approx((-yaw, pitch), abs=2)


def test_rendered_face_is_seen_to_turn_the_way_it_was_turned(finder, photograph):
    """A photograph on the mean face is a mask without a head, whose turns the mesh reads small.

    By up to 7 degrees at 25; the fit itself adds half a degree, as the tests on landmarks show.
    """
    size, front = 480, canonical_face()
    triangles, texture = Delaunay(front[:, :2]).simplices, finder.detect(photograph)[0].landmarks
    for yaw, pitch in ((0, 0), (15, 0), (-25, 5)):
        known = HeadCamera.towards(yaw, pitch)
        places, depths = known.project(front)
        picture = drawn(photograph, places * size - 0.5, depths, triangles, texture, size)
        found = posed(finder, picture).camera
        assert turned_apart(found.camera_to_world, known.camera_to_world) < 9
        assert np.sign(round(found.angles[0] / 5)) == np.sign(yaw)


@pytest.mark.parametrize("pitch", [-8, 0, 8])
def test_camera_above_or_below_a_rendered_head_is_found_within_two_degrees(
    finder, photograph, pitch
):
    """From aside a head rendered on its own mesh is read as turned a quarter too little."""
    size, found = 320, finder.detect(photograph)[0]
    face = pose_face(found.landmarks, found.depths)
    crop = np.clip(cut_crop(photograph, face, size), 0, 255).astype(np.uint8)
    own_yaw, own_pitch = face.camera.angles
    known = HeadCamera.towards(own_yaw, own_pitch + pitch)
    places = turn_head(face, known, size=size).places * size - 0.5
    picture = cv2.remap(
        crop, places[..., 0], places[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    seen = posed(finder, picture).camera
    assert turned_apart(seen.camera_to_world, known.camera_to_world) < 2


def test_cut_crop_samples_the_photograph_where_the_similarity_says():
    camera = HeadCamera.towards(0, 0)
    places, depths, _ = photographed(camera, roll=0)
    face = pose_face(places, depths)
    columns = np.broadcast_to(np.arange(800, dtype=np.float32)[None, :, None], (800, 800, 3))
    crop = cut_crop(np.ascontiguousarray(columns), face, 32)
    wanted = crop_similarity(face, 32).inverse().apply(np.array([[16.0, 16.0]]))[0, 0]
    assert crop[16, 16, 0] == pytest.approx(wanted, abs=0.6)
