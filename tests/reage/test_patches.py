import numpy as np
import pytest

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.image import Image
from reage.patches import PatchWriter, read_patches

SIZE = (12, 20)


def _image(seed, low=-0.2, high=16.0):
    rng = np.random.default_rng(seed)
    return Image(rng.uniform(low, high, (*SIZE, 3)).astype(np.float32), "acescg")


def _matte(rows, columns, value=0.25):
    matte = np.zeros(SIZE, np.float32)
    matte[rows, columns] = value
    return matte


@pytest.fixture
def folder(tmp_path):
    with PatchWriter(tmp_path) as patches:
        patches.write(1001, _image(1), _matte(slice(2, 6), slice(3, 9)))
        patches.write(1002, _image(2), np.zeros(SIZE, np.float32))
        patches.write(1003, _image(3), _matte(slice(0, 12), slice(19, 20)))
    return tmp_path


def test_result_is_exact_inside_the_matte_and_the_plate_outside(folder):
    plate = _image(9)
    for index, patch in enumerate(read_patches(folder), 1):
        result, matte = patch.over(plate)
        inside = matte > 0
        np.testing.assert_array_equal(result.pixels[inside], _image(index).pixels[inside])
        np.testing.assert_array_equal(result.pixels[~inside], plate.pixels[~inside])


def test_matte_comes_back_exactly_and_plate_stands_in_its_holes(tmp_path):
    matte = _matte(slice(2, 9), slice(4, 15), 1e-7)
    matte[5, 7] = 0.0
    with PatchWriter(tmp_path) as patches:
        patches.write(7, _image(1), matte)
    [patch] = read_patches(tmp_path)
    result, found = patch.over(_image(9))
    np.testing.assert_array_equal(found, matte)
    np.testing.assert_array_equal(result.pixels[5, 7], _image(9).pixels[5, 7])


def test_patch_is_no_larger_than_the_mattes_support(folder):
    sizes = [(patch.roi.width, patch.roi.height) for patch in read_patches(folder)]
    assert sizes == [(6, 4), (0, 0), (1, 12)]
    assert (folder / "patches.f32").stat().st_size == (6 * 4 + 12) * 4 * 4


def test_frames_can_be_read_alone_by_number(folder):
    assert [p.frame for p in read_patches(folder, FrameRange(1003, 1003))] == [1003]
    with pytest.raises(PlateError, match="got none for frame 1004"):
        list(read_patches(folder, FrameRange(1003, 1004)))


def test_same_frames_give_the_same_bytes(folder, tmp_path_factory):
    again = tmp_path_factory.mktemp("again")
    with PatchWriter(again) as patches:
        patches.write(1001, _image(1), _matte(slice(2, 6), slice(3, 9)))
        patches.write(1002, _image(2), np.zeros(SIZE, np.float32))
        patches.write(1003, _image(3), _matte(slice(0, 12), slice(19, 20)))
    for name in ("patches.f32", "patches.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_interrupted_writing_leaves_no_index(tmp_path):
    with pytest.raises(RuntimeError), PatchWriter(tmp_path) as patches:
        patches.write(1001, _image(1), _matte(slice(2, 6), slice(3, 9)))
        raise RuntimeError
    assert not (tmp_path / "patches.json").exists()
