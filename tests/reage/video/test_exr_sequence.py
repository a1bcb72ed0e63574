from fractions import Fraction

import numpy as np
import OpenEXR
import pytest

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.geometry import Roi
from reage.image import Image
from reage.video import ExrWriter, open_writer, probe, read_frames

RATE = Fraction(24000, 1001)
DISPLAY = Roi(0, 0, 64, 36)


def box(roi):
    last = (roi.left + roi.width - 1, roi.top + roi.height - 1)
    return np.array([roi.left, roi.top], np.int32), np.array(last, np.int32)


def write_frame(path, data, *, display=DISPLAY, seed=0, **header):
    values = np.random.default_rng(seed).random((3, data.height, data.width)).astype(np.float16)
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    windows = {"dataWindow": box(data), "displayWindow": box(display)}
    channels = dict(zip("RGB", values, strict=True))
    OpenEXR.File({**kind, **windows, **header}, channels).write(str(path))
    return values


@pytest.fixture
def plate(tmp_path):
    """Three frames whose data windows wander; the last is off the display window."""
    windows = [Roi(0, 0, 64, 36), Roi(10, 5, 20, 12), Roi(-8, -4, 80, 50)]
    stored = [
        write_frame(tmp_path / f"p.{1001 + i}.exr", window, seed=i)
        for i, window in enumerate(windows)
    ]
    return tmp_path / "p.####.exr", windows, stored


def test_canvas_holds_every_frames_data_window(plate):
    path, windows, stored = plate
    info = probe(path, frame_rate=RATE)
    assert (info.canvas, info.display_window) == (Roi(-8, -4, 80, 50), DISPLAY)
    assert (info.width, info.height, info.shown) == (80, 50, Roi(8, 4, 64, 36))
    for (_, image), window, values in zip(
        read_frames(info, info.frames, colourspace="acescg"), windows, stored, strict=True
    ):
        inside = window.within(info.canvas).slices
        np.testing.assert_array_equal(image.pixels[inside], values.transpose(1, 2, 0))
        assert image.pixels.sum() == pytest.approx(image.pixels[inside].sum())


def test_frames_that_are_not_meant_have_no_say_in_the_canvas(plate):
    path, _, _ = plate
    (path.parent / "p.1004.exr").write_bytes(b"still being rendered")
    info = probe(path, frame_rate=RATE, frames=FrameRange(1001, 1002))
    assert (info.canvas, info.frames) == (DISPLAY, FrameRange(1001, 1004))
    with pytest.raises(PlateError, match=r"p\.1004\.exr: frame: got a file of another kind"):
        probe(path, frame_rate=RATE)


def test_matte_cropped_to_its_shape_lies_where_it_belongs_on_the_plate(plate, tmp_path):
    (tmp_path / "m").mkdir()
    values = write_frame(tmp_path / "m" / "m.1001.exr", Roi(30, 10, 8, 6))
    info = probe(plate[0], frame_rate=RATE)
    matte = probe(tmp_path / "m" / "m.####.exr", frame_rate=RATE).laid_on(info)
    assert (matte.width, matte.height) == (info.width, info.height)
    [(_, image)] = read_frames(matte, FrameRange(1001, 1001), colourspace="srgb")
    np.testing.assert_array_equal(image.pixels[14:20, 38:46], values.transpose(1, 2, 0))


def test_frame_of_another_display_window_is_named(plate):
    write_frame(plate[0].parent / "p.1002.exr", DISPLAY, display=Roi(0, 0, 32, 18))
    info = probe(plate[0], frame_rate=RATE)
    with pytest.raises(PlateError, match="frame 1002: size: got a display window of 32x18 at 0, 0"):
        list(read_frames(info, info.frames, colourspace="acescg"))


def test_headers_give_rate_timecode_and_pixel_aspect(tmp_path):
    code = OpenEXR.TimeCode()
    code.hours, code.frame = 10, 12
    header = {"framesPerSecond": RATE, "timeCode": code, "pixelAspectRatio": 2.0}
    write_frame(tmp_path / "p.1001.exr", DISPLAY, **header)
    info = probe(tmp_path / "p.####.exr")
    assert (info.frame_rate, info.pixel_aspect) == (RATE, 2)
    assert (info.timecode, info.timecode_at(1013)) == ("10:00:00:12", "10:00:01:00")


def test_timecode_of_a_later_frame_is_counted_back_to_the_first(tmp_path):
    code = OpenEXR.TimeCode()
    code.hours, code.frame = 10, 12
    for number in (1001, 1002, 1003):
        write_frame(tmp_path / f"p.{number}.exr", DISPLAY, timeCode=code)
    info = probe(tmp_path / "p.####.exr", frame_rate=RATE, frames=FrameRange(1003, 1003))
    assert (info.timecode, info.timecode_at(1003)) == ("10:00:00:10", "10:00:00:12")


def test_rate_that_headers_and_manifest_see_differently_is_warned_about(tmp_path, caplog):
    write_frame(tmp_path / "p.1001.exr", DISPLAY, framesPerSecond=RATE)
    assert probe(tmp_path / "p.####.exr", frame_rate=Fraction(25)).frame_rate == 25
    assert "headers say 24000/1001 fps, the manifest 25" in caplog.text


def test_plain_frames_carry_time_and_pixel_aspect(tmp_path):
    settings = {"format": "exr", "width": 16, "height": 12, "frame_rate": RATE}
    settings |= {"timecode": "10:00:00:22", "pixel_aspect": Fraction(2)}
    with open_writer(tmp_path / "p.####.exr", **settings, colourspace="acescg") as writer:
        for number in range(1001, 1005):
            writer.write(number, Image(np.zeros((12, 16, 3), np.float32), "acescg"))
    info = probe(tmp_path / "p.####.exr", frames=FrameRange(1003, 1004))
    assert (info.frame_rate, info.pixel_aspect, info.is_float) == (RATE, 2, True)
    assert info.timecode_at(1003) == "10:00:01:00"


@pytest.mark.parametrize("bits", [8, 10])
def test_codes_of_ten_bits_survive_a_master_of_halves(tmp_path, bits):
    codes = np.arange(2**bits, dtype=np.uint16).repeat(3).reshape(1, -1, 3)
    image = Image.from_integer(codes, bit_depth=bits)
    writer = ExrWriter(
        tmp_path / "p.####.exr",
        width=2**bits,
        height=1,
        colourspace="rec709",
        frame_rate=RATE,
        is_half=True,
    )
    matte = np.zeros((1, 2**bits), np.float32)
    with writer:
        writer.write_change(1001, image, plate=image, matte=matte)
    info = probe(tmp_path / "p.####.exr")
    assert info.pixel_format == "gbrpf16le"
    [(_, back)] = read_frames(info, info.frames, colourspace="rec709")
    np.testing.assert_array_equal(np.rint(back.pixels * (2**bits - 1)), codes)
