from dataclasses import replace

import cv2
import numpy as np
import pytest

from reage.compositing import Layer, Regrain, composite, layer_matte
from reage.geometry import Similarity, warp_to_crop
from reage.grain.measuring import GrainMeter
from reage.image import Image
from reage.matte import FACE_OVAL, INNER_LIPS

WIDTH, HEIGHT = SIZE = (160, 120)
CROP = 48
CONSTANT = (0.08, -0.05, 0.03)


def face_at(x, y, *, height=50.0):
    """Landmarks whose oval is an ellipse about (x, y), lips closed."""
    points = np.tile(np.array([x, y + 0.3 * height]), (478, 1))
    around = np.linspace(0, 2 * np.pi, len(FACE_OVAL), endpoint=False)
    points[list(FACE_OVAL), 0] = x + 0.37 * height * np.sin(around)
    points[list(FACE_OVAL), 1] = y - 0.5 * height * np.cos(around)
    points[9] = (x, y - 0.2 * height)
    across = np.linspace(-0.1, 0.1, len(INNER_LIPS)) * height
    points[list(INNER_LIPS), 0] = x + across
    return points


def layer_at(x, y, *, change=CONSTANT, scale=2.0, height=50.0, **settings):
    """A constant change in a crop that is centred on the face and reaches well beyond it."""
    centre = np.array([x, y]) - scale * (CROP - 1) / 2
    settings = {"opacity": 1.0, "feather": 0.25, "expand": 0.0, **settings}
    return Layer(
        change=np.full((CROP, CROP, 3), change, np.float32),
        plate_from_crop=Similarity.from_parts(scale=scale, angle_deg=0.0, shift=centre),
        landmarks=face_at(x, y, height=height),
        **settings,
    )


@pytest.fixture
def plate():
    codes = np.random.default_rng(4).integers(12000, 50000, (HEIGHT, WIDTH, 3), np.uint16)
    return Image.from_integer(codes)


@pytest.fixture
def hdr_plate():
    """Scene-linear, with grain, a lamp of 40 beside the face and one of 12 on it."""
    rng = np.random.default_rng(5)
    pixels = rng.normal(0.18, 0.02, (HEIGHT, WIDTH, 3)).astype(np.float32)
    pixels[5:15, 5:15] = 40.0
    pixels[58:62, 78:82] = 12.0
    pixels[100, 100] = -0.01
    return Image(pixels, "acescg", None)


def test_composite_leaves_pixels_outside_the_matte_bit_identical(plate):
    result, matte = composite(plate, [layer_at(80, 60)])
    outside = matte == 0
    assert 0.05 < (~outside).mean() < 0.5
    assert np.array_equal(result.pixels[outside], plate.pixels[outside])
    assert np.array_equal(result.to_uint16()[outside], plate.to_uint16()[outside])
    assert (result.pixels[matte > 0.5] != plate.pixels[matte > 0.5]).all()


def test_composite_of_a_constant_change_shows_that_constant_inside(plate):
    result, matte = composite(plate, [layer_at(80, 60)])
    well_inside = matte == 1
    assert well_inside.sum() > 300
    shown = (result.pixels - plate.pixels)[well_inside]
    # The crop is resampled twice; a constant must come back to a tenth of a code of 8 bits.
    np.testing.assert_allclose(shown, np.broadcast_to(CONSTANT, shown.shape), atol=4e-4)


def test_composite_carries_the_change_to_where_the_crop_lies(plate):
    layer = layer_at(80, 60)
    layer.change[:] = 0
    layer.change[25:29, 18:22] = 0.2  # left of the crop's middle and below it
    result, _ = composite(plate, [layer])
    moved = np.abs(result.pixels - plate.pixels).sum(axis=2)
    weights = moved / moved.sum()
    centre = (weights.sum(axis=0) @ np.arange(WIDTH), weights.sum(axis=1) @ np.arange(HEIGHT))
    expected = layer.plate_from_crop.apply(np.array([[19.5, 26.5]]))[0]
    np.testing.assert_allclose(centre, expected, atol=0.05)


def test_composite_of_no_change_is_the_plate_exactly(plate, hdr_plate):
    for image in (plate, hdr_plate):
        result, matte = composite(image, [layer_at(80, 60, change=0.0)])
        assert matte.max() == 1
        assert np.array_equal(result.pixels, image.pixels)


def test_composite_at_opacity_0_is_the_plate_with_an_empty_matte(plate):
    result, matte = composite(plate, [layer_at(80, 60, opacity=0.0)])
    assert not matte.any()
    assert np.array_equal(result.pixels, plate.pixels)


def test_composite_without_layers_is_the_plate(plate):
    result, matte = composite(plate, [])
    assert matte.shape == (HEIGHT, WIDTH)
    assert not matte.any()
    assert np.array_equal(result.pixels, plate.pixels)


def test_opacity_scales_matte_and_change_alike(plate):
    whole, matte = composite(plate, [layer_at(80, 60)])
    half, half_matte = composite(plate, [layer_at(80, 60, opacity=0.5)])
    np.testing.assert_allclose(half_matte, 0.5 * matte, atol=1e-6)
    np.testing.assert_allclose(
        half.pixels - plate.pixels, 0.5 * (whole.pixels - plate.pixels), atol=1e-6
    )


def test_two_faces_apart_each_take_their_own_change(plate):
    left = layer_at(40, 60, change=0.1, scale=1.5)
    right = layer_at(120, 60, change=-0.1, scale=1.5)
    both, matte = composite(plate, [left, right])
    only_left, left_matte = composite(plate, [left])
    only_right, right_matte = composite(plate, [right])
    assert not (left_matte * right_matte).any()
    assert np.array_equal(matte, np.maximum(left_matte, right_matte))
    assert np.array_equal(both.pixels[:, :80], only_left.pixels[:, :80])
    assert np.array_equal(both.pixels[:, 80:], only_right.pixels[:, 80:])


def test_two_faces_that_overlap_both_change_what_they_share(plate):
    left = layer_at(70, 60, change=0.1)
    right = layer_at(90, 60, change=-0.04)
    both, matte = composite(plate, [left, right])
    shared = (layer_matte(left, SIZE) == 1) & (layer_matte(right, SIZE) == 1)
    assert shared.any()
    np.testing.assert_allclose((both.pixels - plate.pixels)[shared], 0.06, atol=6e-4)
    assert np.array_equal(both.pixels[matte == 0], plate.pixels[matte == 0])


def test_matte_of_the_artist_limits_the_change(plate):
    limit = np.zeros((HEIGHT, WIDTH), np.float32)
    limit[:, 80:] = 1.0
    limit[:, 78:80] = 0.5
    result, matte = composite(plate, [layer_at(80, 60, limit=limit)])
    free, free_matte = composite(plate, [layer_at(80, 60)])
    assert np.array_equal(matte, free_matte * limit)
    assert np.array_equal(result.pixels[:, :78], plate.pixels[:, :78])
    assert np.array_equal(result.pixels[:, 80:], free.pixels[:, 80:])
    assert free_matte[:, :78].any()


def test_matte_of_the_artist_cannot_reach_beyond_the_face(plate):
    everywhere = np.ones((HEIGHT, WIDTH), np.float32)
    result, matte = composite(plate, [layer_at(80, 60, limit=everywhere)])
    free, free_matte = composite(plate, [layer_at(80, 60)])
    assert np.array_equal(matte, free_matte)
    assert np.array_equal(result.pixels, free.pixels)


def test_border_of_a_crop_smaller_than_the_matte_does_not_show():
    grey = Image(np.full((HEIGHT, WIDTH, 3), 0.4, np.float32), "rec709", 16)
    layer = layer_at(80, 60, change=0.2, scale=1.5, height=110.0)  # 72 pixels across a face of 110
    result, matte = composite(grey, [layer])
    change = result.pixels[..., 0] - 0.4
    in_crop = layer.plate_from_crop.inverse().apply(_grid()) - (CROP - 1) / 2
    beyond = np.abs(in_crop).max(axis=1).reshape(HEIGHT, WIDTH) - CROP / 2  # crop pixels
    assert (matte[beyond > 0] == 1).any(), "the crop's border lies well inside the matte"
    assert not change[beyond > 1].any()
    assert change.max() == pytest.approx(0.2, abs=1e-3)
    down_the_middle = np.abs(np.diff(change[:, 80]))
    # A raised cosine over 0.08 of the crop's 72 pixels is at most this steep.
    assert 0.02 < down_the_middle.max() < 0.2 * (np.pi / 2) / (0.08 * 72) * 1.1


def test_highlights_of_a_float_plate_survive(hdr_plate):
    result, matte = composite(hdr_plate, [layer_at(80, 60)])
    assert result.colourspace == "acescg"
    assert result.bit_depth is None
    outside = matte == 0
    assert np.array_equal(result.pixels[outside], hdr_plate.pixels[outside])
    assert result.pixels[10, 10, 0] == 40.0
    lamp = result.pixels[58:62, 78:82]
    assert matte[60, 80] == 1
    assert lamp.min() > 8.0, "a highlight on the face is neither clipped nor lost"
    assert (lamp != 12.0).all()
    assert np.isfinite(result.pixels).all()


def test_grain_under_a_constant_change_survives(plate):
    result, matte = composite(plate, [layer_at(80, 60)])
    inside = matte == 1
    before, after = plate.pixels[inside], result.pixels[inside]
    assert np.corrcoef(before[:, 0], after[:, 0])[0, 1] > 0.999999
    np.testing.assert_allclose(after.std(axis=0), before.std(axis=0), rtol=1e-3)


def soft_fold():
    """A soft dark line across the crop, (CROP, CROP, 3)."""
    rows = np.exp(-0.5 * ((np.arange(CROP) - 23.5) / 1.6) ** 2)
    return np.tile((-0.1 * rows)[:, None, None], (1, CROP, 3)).astype(np.float32)


def test_detail_steepens_a_fold_and_leaves_the_plates_own_finest_band_as_it_is(plate):
    layer = replace(layer_at(80, 60, scale=3.0), change=soft_fold())
    soft, matte = composite(plate, [layer])
    crisp, crisp_matte = composite(plate, [replace(layer, detail=1.0)])
    assert np.array_equal(matte, crisp_matte)
    outside = matte == 0
    assert np.array_equal(crisp.pixels[outside], plate.pixels[outside])
    across = [(x.pixels - plate.pixels)[50:70, 80, 1] for x in (soft, crisp)]
    steepest = [np.abs(np.diff(x)).max() for x in across]
    assert steepest[1] > 1.15 * steepest[0]

    def grain(image):
        luma = image.pixels.mean(axis=2)
        return np.var((luma[1:-1] - (luma[:-2] + luma[2:]) / 2)[matte[1:-1] == 1])

    assert grain(crisp) == pytest.approx(grain(plate), rel=0.01)


def test_detail_of_no_change_is_the_plate_exactly(plate, hdr_plate):
    for image in (plate, hdr_plate):
        result, _ = composite(image, [layer_at(80, 60, change=0.0, detail=1.0)])
        assert np.array_equal(result.pixels, image.pixels)


def test_detail_survives_highlights_and_negative_pixels(hdr_plate):
    pixels = hdr_plate.pixels.copy()
    pixels[60, 70] = -0.02
    image = hdr_plate.with_pixels(pixels)
    layer = replace(layer_at(80, 60), change=soft_fold())
    plain, _ = composite(image, [layer])
    result, matte = composite(image, [replace(layer, detail=1.0)])
    assert matte[60, 70] == 1
    assert np.isfinite(result.pixels).all()
    assert (result.pixels != plain.pixels).any()
    assert result.pixels[58:62, 78:82].min() > 8.0


def test_face_beyond_the_picture_changes_nothing(plate):
    result, matte = composite(plate, [layer_at(-200, 60)])
    assert not matte.any()
    assert np.array_equal(result.pixels, plate.pixels)


def test_face_half_out_of_the_picture_changes_its_half_alone(plate):
    result, matte = composite(plate, [layer_at(0, 60)])
    assert matte[60, 0] == 1
    assert not matte[:, 60:].any()
    np.testing.assert_allclose((result.pixels - plate.pixels)[60, 0], CONSTANT, atol=4e-4)


def test_composite_does_not_touch_what_it_is_given(plate):
    layer = layer_at(80, 60)
    layer = replace(layer, limit=np.ones((HEIGHT, WIDTH), np.float32))
    kept = plate.pixels.copy(), layer.change.copy(), layer.limit.copy()
    composite(plate, [layer])
    for now, before in zip((plate.pixels, layer.change, layer.limit), kept, strict=True):
        assert np.array_equal(now, before)


def _grid():
    x, y = np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def smoothing(plate, layer):
    """A change that smooths what the plate shows in the layer's crop, grain and all."""
    crop_from_plate = layer.plate_from_crop.inverse()
    crop = warp_to_crop(plate.pixels, crop_from_plate, (CROP, CROP))
    return replace(layer, change=cv2.GaussianBlur(crop, (0, 0), 2) - crop)


@pytest.fixture
def grained():
    """Mid-grey under grain of 0.02, and its model."""
    rng = np.random.default_rng(8)
    pictures = [rng.normal(0.5, 0.02, (240, 320, 3)).astype(np.float32) for _ in range(3)]
    meter = GrainMeter()
    meter.add(*pictures[:2])
    return Image(np.ascontiguousarray(pictures[2][:HEIGHT, :WIDTH]), "rec709"), meter.measured()


def test_grain_that_a_change_smoothed_is_put_back_inside_the_matte_only(grained):
    plate, grain = grained
    layer = smoothing(plate, layer_at(80, 60, scale=1.0, expand=0.1))
    bare, _ = composite(plate, [layer])
    result, matte = composite(plate, [layer], Regrain(grain=grain, strength=1.0, seed=1001))
    inner = (slice(50, 75), slice(70, 90))
    assert bare.pixels[inner].std() < 0.65 * plate.pixels[inner].std()
    assert result.pixels[inner].std() == pytest.approx(plate.pixels[inner].std(), rel=0.1)
    assert np.array_equal(result.pixels[matte == 0], plate.pixels[matte == 0])
    again, _ = composite(plate, [layer], Regrain(grain=grain, strength=1.0, seed=1001))
    assert np.array_equal(result.pixels, again.pixels)


def test_grain_stays_as_it_is_under_a_change_that_is_only_added(grained):
    plate, grain = grained
    layers = [layer_at(80, 60)]
    plain, _ = composite(plate, layers)
    result, _ = composite(plate, layers, Regrain(grain=grain, strength=1.0, seed=1001))
    assert np.array_equal(result.pixels, plain.pixels)
    layers = [smoothing(plate, layer_at(80, 60, scale=1.0))]
    plain, _ = composite(plate, layers)
    none, _ = composite(plate, layers, Regrain(grain=grain, strength=0.0, seed=1001))
    assert np.array_equal(none.pixels, plain.pixels)
