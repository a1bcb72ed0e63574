import cv2
import numpy as np
import pytest
import skimage.data

from reage.errors import FaceError
from reage.faces import FaceFinder
from reage.ffhq_alignment import (
    FacePoints,
    align_picture,
    crop_from_plate,
    ffhq_quad,
    prepare_picture,
)
from reage.geometry import Similarity, warp_to_crop

UPRIGHT = FacePoints(*(np.array(p, float) for p in ((80, 90), (120, 90), (85, 130), (115, 130))))


def _moved(points, similarity):
    places = (points.left_eye, points.right_eye, points.left_mouth, points.right_mouth)
    return FacePoints(*(similarity.apply(place) for place in places))


def _smooth_picture(height=200, width=240):
    rows, columns = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(rows / a) * np.cos(columns / b) for a, b in ((9, 13), (17, 8))]
    return np.stack([*waves, columns % 256], axis=2).astype(np.uint8)


def test_quad_of_an_upright_face_is_an_upright_square_around_it():
    quad = ffhq_quad(UPRIGHT)
    # Eyes 40 apart, mouth 40 below: half a side is 2 * 40; the middle lies 4 below the eyes.
    np.testing.assert_allclose(quad, [[20, 14], [20, 174], [180, 174], [180, 14]], atol=1e-9)


def test_quad_moves_with_the_face():
    move = Similarity.from_parts(scale=1.7, angle_deg=33.0, shift=np.array([5.0, -70.0]))
    moved = ffhq_quad(_moved(UPRIGHT, move))
    np.testing.assert_allclose(moved, move.apply(ffhq_quad(UPRIGHT)), atol=1e-9)


def test_crop_from_plate_takes_the_quad_to_the_edges_of_the_crop():
    quad = ffhq_quad(_moved(UPRIGHT, Similarity.from_parts(
        scale=0.6, angle_deg=-21.0, shift=np.array([40.0, 90.0])
    )))  # fmt: skip
    corners = crop_from_plate(quad, 256).apply(quad)
    np.testing.assert_allclose(
        corners, [[-0.5, -0.5], [-0.5, 255.5], [255.5, 255.5], [255.5, -0.5]], atol=1e-9
    )


def test_similarity_for_video_agrees_with_the_published_procedure():
    picture = _smooth_picture()
    crop = align_picture(picture, UPRIGHT, size=128)
    ours = warp_to_crop(
        picture.astype(np.float32), crop_from_plate(ffhq_quad(UPRIGHT), 128), (128, 128)
    )
    # Different filters on smooth waves; half a pixel of shift would be 4 codes on average.
    assert np.abs(ours - crop)[8:-8, 8:-8].mean() < 1.0


def test_points_of_68_landmarks_are_eye_means_and_mouth_corners():
    landmarks = np.arange(136).reshape(68, 2)
    points = FacePoints.from_68(landmarks)
    np.testing.assert_array_equal(points.left_eye, [77, 78])
    np.testing.assert_array_equal(points.right_eye, [89, 90])
    np.testing.assert_array_equal(points.left_mouth, landmarks[48])
    np.testing.assert_array_equal(points.right_mouth, landmarks[54])


def test_a_face_beyond_the_border_is_padded_and_keeps_its_place():
    picture = _smooth_picture()
    whole = align_picture(picture, UPRIGHT, size=64)
    cut = align_picture(picture[60:], _moved(UPRIGHT, Similarity(
        np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -60.0]])
    )), size=64)  # fmt: skip
    assert whole.shape == cut.shape == (64, 64, 3)
    np.testing.assert_allclose(cut[34:60].astype(int), whole[34:60], atol=2)


def test_a_large_face_is_shrunk_before_it_is_sampled():
    picture = np.kron(_smooth_picture(), np.ones((4, 4, 1), np.uint8))
    larger = Similarity.from_parts(scale=4.0, angle_deg=0.0, shift=np.array([1.5, 1.5]))
    source, quad = prepare_picture(picture, ffhq_quad(_moved(UPRIGHT, larger)), size=64)
    assert source.width < picture.shape[1] / 4
    assert np.hypot(*(quad[3] - quad[0])) == pytest.approx(160 * 4 / 5)


def test_transform_size_is_reduced_to_the_size_asked_for():
    aligned = align_picture(_smooth_picture(), UPRIGHT, size=64, transform_size=256)
    assert aligned.shape == (64, 64, 3)


def test_alignment_refuses_what_is_no_face():
    same = FacePoints(*[np.zeros(2)] * 4)
    with pytest.raises(FaceError, match="eyes and mouth in one place"):
        ffhq_quad(same)
    tiny = _moved(UPRIGHT, Similarity.from_parts(scale=0.01, angle_deg=0, shift=np.zeros(2)))
    with pytest.raises(FaceError, match=r"side of 1\.6 px, expected at least 8"):
        align_picture(_smooth_picture(), tiny)
    away = _moved(UPRIGHT, Similarity.from_parts(scale=1, angle_deg=0, shift=np.full(2, 900.0)))
    with pytest.raises(FaceError, match=r"expected some of it inside the picture \(240 x 200\)"):
        align_picture(_smooth_picture(), away)
    with pytest.raises(FaceError, match=r"got shape \(5, 2\), expected \(68, 2\)"):
        FacePoints.from_68(np.zeros((5, 2)))


@pytest.mark.parametrize(("angle_deg", "scale"), [(25.0, 1.0), (-15.0, 1.6), (0.0, 0.7)])
def test_quad_from_the_mesh_follows_a_turned_and_scaled_photograph(angle_deg, scale):
    astronaut = np.ascontiguousarray(skimage.data.astronaut())
    matrix = cv2.getRotationMatrix2D((222.0, 122.0), angle_deg, scale)
    turned = cv2.warpAffine(astronaut, matrix, (512, 512), flags=cv2.INTER_CUBIC)
    with FaceFinder() as finder:
        [face], [seen] = finder.detect(astronaut), finder.detect(turned)
    quad = ffhq_quad(FacePoints.from_mesh(face.landmarks))
    found = ffhq_quad(FacePoints.from_mesh(seen.landmarks))
    apart = np.linalg.norm(found - Similarity(matrix).apply(quad), axis=1)
    # Measured over 40 such moves: at most 0.6 % of the side (docs/alignment.md).
    assert apart.max() < 0.015 * np.linalg.norm(found[3] - found[0])
