from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from reage.colour import name_colourspace, to_display
from reage.framerange import FrameRange
from reage.image import Image
from reage.patches import PatchWriter
from reage.tracks import load_track
from tasks.crops import (
    Cropper,
    batches,
    chunk_frames,
    plate_frames,
    shot_frames,
    to_tensor,
)
from tasks.gpu import loaded_prior
from tasks.refs import ChunkRef
from tests.tasks.conftest import HEIGHT, WIDTH


@pytest.fixture
def cropper(two_faces, tiny_prior):
    track = load_track(Path(two_faces.tracks.folder) / f"track_{two_faces.astronaut}.npz")
    return Cropper(track, loaded_prior(tiny_prior))


def test_crop_is_the_face_in_the_priors_own_alignment(two_faces, cropper, compact_alignment):
    landmarks = cropper.track.landmarks[0][list(compact_alignment.landmark_indices)]
    placed = cropper.crop_from_plate(1001).apply(landmarks)
    off = np.linalg.norm(placed - np.array(compact_alignment.template), axis=1)
    # A similarity cannot bend one face into another.
    assert off.mean() < 0.042 * compact_alignment.size
    assert cropper.crop_from_plate(1001).matrix.dtype == np.float64


def test_crop_shows_the_same_face_in_every_frame(two_faces, cropper, compact_alignment):
    crops = [cropper.crop(frame, image) for frame, image in plate_frames(two_faces.frame_set)]
    assert crops[0].shape == (compact_alignment.size, compact_alignment.size, 3)
    assert crops[0].dtype == np.float32
    # The face moves by a pixel a frame in the plate; in the crop only its grain does.
    assert np.abs(crops[-1] - crops[0]).mean() < 0.02
    assert crops[0].std() > 0.1


def test_crop_of_a_scene_linear_plate_is_its_display_view(cropper):
    codes = np.random.default_rng(2).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    linear = Image(codes * 2.0, "linear_rec709")
    shown = Image(to_display(linear), "srgb")
    assert np.array_equal(cropper.crop(1001, linear), cropper.crop(1001, shown))


def test_tensor_of_crops_is_what_the_networks_take():
    crops = np.zeros((2, 4, 4, 3), np.float32)
    crops[0, 1, 2] = (0.0, 0.5, 1.0)
    crops[1, 0, 0] = (-0.3, 1.7, 0.25)
    tensor = to_tensor(crops).cpu()
    assert tensor.shape == (2, 3, 4, 4)
    assert tensor.dtype == torch.float32
    assert tensor[0, :, 1, 2].tolist() == [-1.0, 0.0, 1.0]
    assert tensor[1, :, 0, 0].tolist() == [-1.0, 1.0, -0.5]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_batches_hold_every_crop_once_and_in_order(count, sizes):
    crops = [np.full((2, 2, 3), i, np.float32) for i in range(count)]
    found = list(batches(iter(crops), 4))
    assert [len(batch) for batch in found] == sizes
    assert [int(crop[0, 0, 0]) for batch in found for crop in batch] == list(range(count))


def test_frames_of_a_chunk_are_the_plate_with_the_patch_where_the_matte_is(two_faces, tmp_path):
    frames = FrameRange(1002, 1004)
    matte = np.zeros((HEIGHT, WIDTH), np.float32)
    matte[10:20, 30:50] = 0.5
    with PatchWriter(tmp_path) as patches:
        for frame, image in plate_frames(two_faces.frame_set, frames):
            patches.write(frame, image.with_pixels(image.pixels + np.float32(0.6)), matte)
    chunk = ChunkRef(folder=str(tmp_path), digest="", frames=frames)
    found = list(chunk_frames(two_faces.frame_set, chunk))
    assert [frame for frame, *_ in found] == list(frames)
    for _, plate, result, shown in found:
        np.testing.assert_array_equal(shown, matte)
        np.testing.assert_array_equal(result.pixels[matte == 0], plate.pixels[matte == 0])
        expected = plate.pixels[matte > 0] + np.float32(0.6)
        np.testing.assert_array_equal(result.pixels[matte > 0], expected)


def test_frames_of_an_anamorphic_plate_are_seen_square_and_changed_on_their_own_grid(
    two_faces, tmp_path
):
    squeezed = replace(two_faces.frame_set, pixel_aspect=Fraction(2), exposure=0.0)
    frames = FrameRange(1002, 1003)
    matte = np.zeros((HEIGHT, 2 * WIDTH), np.float32)
    matte[10:20, 60:100] = 1.0
    with PatchWriter(tmp_path) as patches:
        for frame, image in plate_frames(squeezed, frames):
            assert (image.width, image.height) == (2 * WIDTH, HEIGHT)
            patches.write(frame, image.with_pixels(image.pixels + np.float32(0.25)), matte)
    chunk = ChunkRef(folder=str(tmp_path), digest="", frames=frames)
    plain = dict(plate_frames(two_faces.frame_set, frames))
    for found in shot_frames(squeezed, chunk):
        np.testing.assert_array_equal(found.plate.pixels, plain[found.number].pixels)
        assert found.seen_result.width == 2 * WIDTH
        outside = found.matte == 0
        np.testing.assert_array_equal(found.result.pixels[outside], found.plate.pixels[outside])
        step = (found.result.pixels - found.plate.pixels)[12:18, 32:48]
        np.testing.assert_allclose(step, 0.25, atol=1e-6)


def test_plate_is_seen_under_its_exposure(two_faces):
    log = replace(two_faces.frame_set, colourspace=name_colourspace("ACEScct"))
    frame = FrameRange(1001, 1001)
    [(_, darker)] = plate_frames(log, frame)
    [(_, brighter)] = plate_frames(replace(log, exposure=1.0), frame)
    np.testing.assert_array_equal(darker.pixels, brighter.pixels)
    assert np.median(to_display(brighter) - to_display(darker)) > 0.05


def test_one_frame_of_a_chunk_can_be_read_alone(two_faces, tmp_path):
    frames = FrameRange(1002, 1004)
    with PatchWriter(tmp_path) as patches:
        for frame, image in plate_frames(two_faces.frame_set, frames):
            patches.write(frame, image, np.zeros((HEIGHT, WIDTH), np.float32))
    chunk = ChunkRef(folder=str(tmp_path), digest="", frames=frames)
    [(frame, plate, result, _)] = chunk_frames(two_faces.frame_set, chunk, FrameRange(1003, 1003))
    assert frame == 1003
    np.testing.assert_array_equal(result.pixels, plate.pixels)
