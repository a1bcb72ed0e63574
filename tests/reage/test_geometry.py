import numpy as np
import pytest

from reage.geometry import Roi, Similarity, warp_to_crop, warp_to_plate


def wave(x, y):
    """A smooth picture known at every point; its steepest slope is 0.05 a pixel."""
    red = 0.5 + 0.3 * np.sin(x / 9 + 0.4) * np.cos(y / 13)
    return np.stack([red, 0.4 + 0.2 * np.cos(x / 11 - y / 7), 0.5 + 0.002 * x], axis=-1)


def sampled_wave(width, height):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return wave(x, y).astype(np.float32)


def turned(scale, angle_deg, shift):
    return Similarity.from_parts(scale=scale, angle_deg=angle_deg, shift=np.array(shift))


@pytest.mark.parametrize(("scale", "angle_deg"), [(0.3, 20.0), (1.0, 0.0), (4.0, -170.0)])
def test_fit_recovers_the_transform_that_made_the_points(scale, angle_deg):
    made = turned(scale, angle_deg, [12.3, -4.5])
    points = np.random.default_rng(1).normal(0, 50, (9, 2))
    fitted = Similarity.fit(points, made.apply(points))
    np.testing.assert_allclose(fitted.matrix, made.matrix, atol=1e-12)
    assert fitted.scale == pytest.approx(scale)
    assert fitted.angle_deg == pytest.approx(angle_deg)


def test_fit_never_mirrors():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    fitted = Similarity.fit(points, points * [-1, 1])
    assert np.linalg.det(fitted.matrix[:, :2]) > 0


def test_fit_refuses_points_that_tell_nothing():
    with pytest.raises(ValueError, match="source points: got one place"):
        Similarity.fit(np.zeros((3, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"expected two equal \(N, 2\)"):
        Similarity.fit(np.zeros((3, 2)), np.ones((4, 2)))


def test_product_and_inverse_read_as_composition():
    a, b = turned(2.0, 30, [5, 6]), turned(0.7, -80, [-3, 2])
    points = np.random.default_rng(2).normal(0, 20, (5, 2))
    np.testing.assert_allclose((a @ b).apply(points), a.apply(b.apply(points)), atol=1e-12)
    np.testing.assert_allclose((a @ a.inverse()).matrix, np.eye(2, 3), atol=1e-12)


def test_similarity_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match=r"expected \(2, 3\), all finite"):
        Similarity(np.full((2, 3), np.nan))


@pytest.mark.parametrize("shift", [0.37, 0.5, -0.013])
def test_warp_to_crop_is_exact_to_a_hundredth_of_a_pixel(shift):
    crop = warp_to_crop(sampled_wave(96, 80), turned(1.0, 0.0, [shift, 0.0]), (96, 80))
    x, y = np.meshgrid(np.arange(96), np.arange(80))
    error = np.abs(crop - wave(x - shift, y))[8:-8, 8:-8]
    assert error.max() < 0.05 * 0.01  # slope times a hundredth of a pixel


@pytest.mark.parametrize(("scale", "tolerance"), [(3.1, 1e-3), (1.0, 1e-3), (0.6, 2e-3)])
def test_warp_to_crop_follows_turns_and_scales(scale, tolerance):
    size = (60, 50)
    crop_from_plate = turned(scale, 23.0, [0, 0])
    middle = crop_from_plate.apply(np.array([100.0, 90.0]))
    crop_from_plate = turned(scale, 23.0, np.array([29.5, 24.5]) - middle)
    crop = warp_to_crop(sampled_wave(200, 180), crop_from_plate, size)
    grid = np.stack(np.meshgrid(np.arange(60), np.arange(50)), axis=-1)
    source = crop_from_plate.inverse().apply(grid)
    # A fiftieth of a pixel at the steepest slope; when shrinking, a pixel is a mean over its area.
    assert np.abs(crop - wave(source[..., 0], source[..., 1])).max() < tolerance


def test_warp_to_crop_does_not_alias_when_shrinking():
    x = np.arange(400)
    stripes = np.repeat(((x // 2) % 2)[None].astype(np.float32), 400, axis=0)
    crop = warp_to_crop(stripes, turned(0.11, 0.0, [0, 0]), (40, 40))
    # Picked pixel by pixel, stripes of 2 px would come out as 0 or 1; their mean is one half.
    assert np.abs(crop[4:-4, 4:-4] - 0.5).max() < 0.15
    assert crop[4:-4, 4:-4].std() < 0.06


def test_warp_to_crop_continues_the_edge_beyond_the_plate():
    plate = np.full((20, 30, 3), 0.25, np.float32)
    assert np.allclose(warp_to_crop(plate, turned(1.0, 0, [15, 5]), (40, 40)), 0.25, atol=1e-6)
    assert np.allclose(warp_to_crop(plate, turned(1.0, 0, [900, 0]), (40, 40)), 0.25, atol=1e-6)


def test_warp_to_plate_is_exactly_zero_where_the_crop_is_not():
    crop = np.ones((32, 32, 3), np.float32)
    plate_from_crop = turned(1.7, 31.0, [60.2, 40.7])
    full = warp_to_plate(crop, plate_from_crop, (160, 120)).full((160, 120))
    grid = np.stack(np.meshgrid(np.arange(160), np.arange(120)), axis=-1)
    inside = plate_from_crop.inverse().apply(grid)
    beyond = ((inside < -2.5) | (inside > 33.5)).any(axis=-1)
    within = ((inside > 2) & (inside < 29)).all(axis=-1)
    assert (full[beyond] == 0).all()
    np.testing.assert_allclose(full[within], 1.0, atol=0.01)


def test_warp_to_plate_patch_holds_all_of_the_crop_and_little_more():
    crop = np.ones((32, 32), np.float32)
    patch = warp_to_plate(crop, turned(2.0, 0.0, [500.25, 300.5]), (3840, 2160))
    assert patch.pixels.shape == (patch.roi.height, patch.roi.width)
    assert patch.roi.width < 64 + 16
    assert patch.pixels.sum() == pytest.approx(4 * 31 * 31, rel=1e-3)  # soft last pixels
    border = np.concatenate([patch.pixels[0], patch.pixels[-1], patch.pixels[:, 0]])
    assert np.abs(border).max() < 1e-6


def test_warp_to_plate_beside_the_plate_is_an_empty_patch():
    patch = warp_to_plate(np.ones((8, 8, 3), np.float32), turned(1, 0, [-500, 0]), (64, 48))
    assert patch.pixels.size == 0
    assert (patch.full((64, 48)) == 0).all()


def test_crop_and_back_returns_the_plate():
    plate = sampled_wave(200, 160)
    crop_from_plate = turned(1.3, 12.0, [-60.3, -70.8])
    crop = warp_to_crop(plate, crop_from_plate, (96, 96))
    back = warp_to_plate(crop, crop_from_plate.inverse(), (200, 160))
    grid = np.stack(np.meshgrid(np.arange(200), np.arange(160)), axis=-1)
    inside = crop_from_plate.apply(grid)
    within = ((inside > 4) & (inside < 91)).all(axis=-1)
    assert within.sum() > 3000
    assert np.abs(back.full((200, 160)) - plate)[within].max() < 2e-3


def test_roi_is_clipped_to_the_picture():
    roi = Roi.around(np.array([[-5.0, 10.2], [12.7, 200.0]]), (64, 48), margin=1.0)
    assert roi == Roi(left=0, top=9, width=15, height=39)
