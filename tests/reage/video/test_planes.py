import av
import numpy as np
import pytest

from reage.errors import PlateError
from reage.video.planes import frame_from_codes, frame_from_pixels, pixels_from_frame
from reage.video.tags import ColourTags

BT709 = ColourTags("bt709", "limited", "bt709", "bt709")
RGB = ColourTags("rgb", "full", "unspecified", "unspecified")


def plane_of(frame, index, dtype=np.uint16):
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]


@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv444p10le", "yuv444p12le", "yuv444p16le"])
def test_planes_444_return_to_their_own_codes(pixel_format):
    bits = int(pixel_format[7:].removesuffix("le").removeprefix("p") or 8)
    generator = np.random.default_rng(1)
    dtype = np.uint8 if bits == 8 else np.uint16
    frame = av.VideoFrame(33, 17, pixel_format)
    step = 2 ** (bits - 8)
    for index in range(3):
        codes = generator.integers(step, 255 * step, (17, 33))
        plane_of(frame, index, dtype)[:] = codes  # super-whites and out-of-gamut codes included
    again = frame_from_pixels(pixels_from_frame(frame, BT709), pixel_format)
    # float32 carries 16-bit codes through two matrices to within one.
    tolerance = 1 if bits == 16 else 0
    for index in range(3):
        difference = plane_of(frame, index, dtype).astype(int) - plane_of(again, index, dtype)
        assert np.abs(difference).max() <= tolerance


def test_planes_red_is_bt709_where_ffmpeg_alone_takes_bt601():
    red = np.zeros((8, 8, 3), np.float32)
    red[..., 0] = 1
    ours = frame_from_pixels(red, "yuv444p")
    theirs = av.VideoFrame.from_ndarray((red * 255).astype(np.uint8), "rgb24")
    theirs = theirs.reformat(format="yuv444p")
    assert plane_of(ours, 0, np.uint8)[0, 0] == 63
    assert plane_of(theirs, 0, np.uint8)[0, 0] == 81


def test_planes_equal_ffmpegs_scaler_told_the_matrix():
    rgb = np.random.default_rng(2).integers(0, 65536, (32, 32, 3)).astype(np.uint16)
    ours = frame_from_pixels(rgb.astype(np.float32) / 65535, "yuv444p10le")
    theirs = frame_from_codes(rgb, "rgb48le").reformat(
        format="yuv444p10le", dst_colorspace="ITU709", dst_color_range="MPEG"
    )
    for index in range(3):
        difference = plane_of(ours, index).astype(int) - plane_of(theirs, index)
        # The scaler takes 65535 for 255.996 of 255: its own white is 943 where BT.709 says 940.
        assert np.abs(difference).max() <= 4


def test_planes_black_and_white_are_at_bt709_levels():
    for value, code in ((0, 64), (1, 940)):
        frame = frame_from_pixels(np.full((8, 8, 3), value, np.float32), "yuv444p10le")
        assert int(plane_of(frame, 0)[0, 0]) == code
        assert int(plane_of(frame, 1)[0, 0]) == 512


@pytest.mark.parametrize("pixel_format", ["yuv422p10le", "yuv420p10le"])
@pytest.mark.parametrize("size", [(16, 32), (17, 33)])
def test_planes_subsampled_chroma_keeps_its_place(pixel_format, size):
    """A straight ramp comes back straight; chroma sited elsewhere would bend or shift it."""
    height, width = size
    pixels = np.full((height, width, 3), 0.5, np.float32)
    pixels[..., 0] = np.linspace(0.3, 0.7, width)
    pixels[..., 2] = np.linspace(0.3, 0.7, height)[:, None]
    back = pixels_from_frame(frame_from_pixels(pixels, pixel_format), BT709)
    assert back.shape == pixels.shape
    inner = np.s_[3:-3, 3:-3]
    # Two 10-bit codes of chroma are 0.004 of red; half a sample of this ramp is 0.006.
    np.testing.assert_allclose(back[inner], pixels[inner], atol=0.004)


@pytest.mark.parametrize("pixel_format", ["rgb48le", "rgb48be", "gbrp16le"])
def test_planes_16_bit_codes_are_exact(pixel_format):
    codes = np.random.default_rng(3).integers(0, 65536, (9, 13, 3)).astype(np.uint16)
    pixels = pixels_from_frame(frame_from_codes(codes, pixel_format), RGB)
    np.testing.assert_array_equal(np.rint(pixels * 65535).astype(np.uint16), codes)


@pytest.mark.parametrize("pixel_format", ["rgb24", "bgr24", "rgba", "bgra", "argb", "gbrp"])
def test_planes_8_bit_layouts_agree(pixel_format):
    codes = np.random.default_rng(4).integers(0, 256, (8, 10, 3)).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(codes, "rgb24").reformat(format=pixel_format)
    np.testing.assert_array_equal(np.rint(pixels_from_frame(frame, RGB) * 255), codes)


@pytest.mark.parametrize("pixel_format", ["nv12", "p010le"])
def test_planes_semi_planar_layouts_equal_planar_ones(pixel_format):
    planar = "yuv420p" if pixel_format == "nv12" else "yuv420p10le"
    # 64 wide: on 16 columns swscale itself leaves part of p010 unwritten now and then.
    pixels = np.random.default_rng(5).uniform(0.2, 0.8, (48, 64, 3)).astype(np.float32)
    frame = frame_from_pixels(pixels, planar)
    np.testing.assert_array_equal(
        pixels_from_frame(frame.reformat(format=pixel_format), BT709),
        pixels_from_frame(frame, BT709),
    )


def test_planes_grey_becomes_three_equal_channels():
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = pixels_from_frame(av.VideoFrame.from_ndarray(codes, "gray"), RGB)
    np.testing.assert_array_equal(np.rint(pixels * 255), np.repeat(codes[..., None], 3, axis=2))


def test_planes_half_floats_are_exact():
    values = np.array([-2.0, 0.1, 1.0, 65504.0], np.float16).reshape(2, 2)
    frame = av.VideoFrame(2, 2, "gbrpf16le")
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.float16).reshape(2, -1)[:, :2] = values
    pixels = pixels_from_frame(frame, RGB)
    np.testing.assert_array_equal(pixels[..., 1], values.astype(np.float32))


def test_planes_unknown_matrix_is_refused_by_name():
    frame = frame_from_pixels(np.zeros((8, 8, 3), np.float32), "yuv444p")
    with pytest.raises(PlateError, match="colour matrix: got unknown-8, expected bt709"):
        pixels_from_frame(frame, ColourTags("unknown-8", "limited", "", ""))
