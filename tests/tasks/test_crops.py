from pathlib import Path

import numpy as np
import pytest
import torch

from reage.colour import to_display
from reage.framerange import FrameRange
from reage.image import Image
from reage.tracks import load_track
from tasks.crops import (
    Cropper,
    batches,
    chunk_frames,
    over_plate,
    plate_frames,
    to_tensor,
    with_headroom,
)
from tasks.gpu import loaded_prior
from tasks.refs import ChunkRef
from tests.tasks.conftest import HEIGHT, WIDTH, write_frames


@pytest.fixture
def cropper(two_faces, tiny_prior):
    track = load_track(Path(two_faces.tracks.folder) / f"track_{two_faces.astronaut}.npz")
    return Cropper(track, loaded_prior(tiny_prior))


def test_crop_is_the_face_in_the_priors_own_alignment(two_faces, cropper, compact_alignment):
    landmarks = cropper.track.landmarks[0][list(compact_alignment.landmark_indices)]
    placed = cropper.crop_from_plate(1001).apply(landmarks)
    off = np.linalg.norm(placed - np.array(compact_alignment.template), axis=1)
    # A similarity cannot bend one face into another: a few pixels of 96 remain.
    assert off.mean() < 4.0
    assert cropper.crop_from_plate(1001).matrix.dtype == np.float64


def test_crop_shows_the_same_face_in_every_frame(two_faces, cropper):
    crops = [cropper.crop(frame, image) for frame, image in plate_frames(two_faces.frame_set)]
    assert crops[0].shape == (96, 96, 3)
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


@pytest.fixture
def chunk(tmp_path):
    """A chunk of three frames as `composite_chunk` stores it, with super-whites and a matte."""
    stored = (with_headroom(Image(_level(i), "rec709", 16)).to_uint16() for i in range(3))
    path = write_frames(tmp_path / "frames.mkv", stored, first=1003)
    matte = np.zeros((36, 64, 3), np.uint16)
    matte[:, 32:] = 65535
    matte_path = write_frames(tmp_path / "matte.mkv", [matte] * 3, first=1003)
    frames = FrameRange(1003, 1005)
    return ChunkRef(path=str(path), matte_path=str(matte_path), digest="", frames=frames)


def _level(index):
    return np.full((36, 64, 3), (-0.1, 0.5, 1.1)[index], np.float32)


def test_frames_of_a_chunk_bear_the_studios_numbers_and_keep_super_whites(two_faces, chunk):
    found = list(chunk_frames(two_faces.frame_set, chunk))
    assert [frame for frame, _, _ in found] == [1003, 1004, 1005]
    for index, (_, result, matte) in enumerate(found):
        np.testing.assert_allclose(result.pixels, _level(index), atol=1.5 / 65535)
        assert np.array_equal(np.unique(matte[:, :32]), [0.0])
        assert np.array_equal(np.unique(matte[:, 32:]), [1.0])


def test_one_frame_of_a_chunk_can_be_read_alone(two_faces, chunk):
    [(frame, result, _)] = chunk_frames(two_faces.frame_set, chunk, FrameRange(1004, 1004))
    assert frame == 1004
    assert result.pixels[0, 0, 0] == pytest.approx(0.5, abs=1e-4)


def test_plate_is_kept_bit_for_bit_where_the_matte_is_zero():
    rng = np.random.default_rng(3)
    plate, result = (Image(rng.random((4, 6, 3)).astype(np.float32), "rec709") for _ in range(2))
    matte = np.zeros((4, 6), np.float32)
    matte[1:3, 2:5] = 1.0 / 65535
    found = over_plate(plate, result, matte).pixels
    assert np.array_equal(found[matte == 0], plate.pixels[matte == 0])
    assert np.array_equal(found[matte > 0], result.pixels[matte > 0])
