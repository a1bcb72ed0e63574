import os
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from reage.colour import add_display_change, name_colourspace, to_display
from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.image import Image
from reage.video import open_writer, probe, read_frames
from reage.video.planes import frame_from_codes, frame_from_pixels

RATE = Fraction(24000, 1001)


def read_all(info, frames=None):
    return list(read_frames(info, frames or info.frames, colourspace="rec709"))


def index_of(image, count):
    """Which index a picture of conftest's `smooth_picture` shows."""
    return (float(image.pixels.mean()) - 0.3) / 0.5 * count


MOVIES = [
    ("p.mov", "prores_ks", "yuv422p10le"),
    ("p.mxf", "prores_ks", "yuv422p10le"),
    ("p.mp4", "libx264", "yuv420p"),
    ("p.mkv", "libx264", "yuv420p"),
    ("p.ts", "libx264", "yuv420p"),
    ("p.mp4", "libx265", "yuv420p10le"),
    ("p.mkv", "ffv1", "yuv422p10le"),
]


@pytest.mark.parametrize("name,codec,pixel_format", MOVIES)
def test_read_frames_is_frame_accurate_from_anywhere(encode_movie, name, codec, pixel_format):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    tags = {"colorspace": 1, "color_range": 1}
    path = encode_movie(name, codec, pixel_format, count=24, options=options, tags=tags)
    info = probe(path)
    for first in (1001, 1005, 1006, 1012, 1024):
        frames = FrameRange(first, min(first + 2, 1024))
        read = read_all(info, frames)
        assert [number for number, _ in read] == list(frames)
        for number, image in read:
            # Neighbours are 1 apart.
            assert index_of(image, 24) == pytest.approx(number - 1001, abs=0.25)


def test_read_frames_in_parts_equals_the_whole(write_plate):
    info = probe(write_plate("p.mp4", "h264"))
    whole = [image.pixels for _, image in read_all(info)]
    parts = [image.pixels for part in info.frames.chunks(5) for _, image in read_all(info, part)]
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("matrix,tag", [("bt709", 1), ("bt601", 6), ("bt2020", 9)])
def test_read_frames_uses_the_tagged_matrix(tmp_path, matrix, tag):
    red = np.zeros((90, 160, 3), np.float32)
    red[..., 0] = 0.8
    path = tmp_path / "p.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv444p10le"
        stream.codec_context.colorspace, stream.codec_context.color_range = tag, 1
        frame = frame_from_pixels(red, "yuv444p10le", matrix=matrix)
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe(path)
    assert info.tags.matrix == matrix
    # Half a 10-bit code is 0.0006 of luma and 0.001 of red.
    np.testing.assert_allclose(read_all(info)[0][1].pixels, red, atol=2e-3)


def test_read_frames_keeps_ten_bits_apart(tmp_path):
    """A ramp of 10-bit codes stays one of as many levels: nothing passes through 8 bits."""
    ramp = np.repeat(np.linspace(0, 1, 877, dtype=np.float32)[None, :, None], 3, axis=2)
    ramp = np.repeat(ramp, 16, axis=0)
    path = tmp_path / "p.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 877, 16, "yuv444p10le"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        frame = frame_from_pixels(ramp, "yuv444p10le")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (_, image), *_ = read_all(probe(path))
    np.testing.assert_allclose(image.pixels, ramp, atol=1e-6)
    assert image.bit_depth == 10


def test_read_frames_of_exr_half_equals_the_halves(tmp_path):
    values = np.linspace(-2, 60, 16 * 12 * 3).astype(np.float16).reshape(12, 16, 3)
    frame = frame_from_codes(values.astype(np.float32), "gbrpf32le")
    context = av.CodecContext.create("exr", "w")
    context.width, context.height, context.pix_fmt = 16, 12, "gbrpf32le"
    context.time_base, context.options = Fraction(1, 24), {"format": "half"}
    (tmp_path / "h.1001.exr").write_bytes(b"".join(map(bytes, context.encode(frame))))
    info = probe(tmp_path / "h.####.exr", frame_rate=RATE)
    assert (info.pixel_format, info.is_float) == ("gbrpf16le", True)
    ((_, image),) = read_frames(info, info.frames, colourspace="acescg")
    np.testing.assert_array_equal(image.pixels, values.astype(np.float32))
    assert (image.bit_depth, image.colourspace) == (None, "acescg")


@pytest.mark.parametrize("pixel_format,bits", [("gbrp10le", 10), ("rgb48le", 16)])
def test_read_frames_of_dpx_equals_its_codes(tmp_path, pixel_format, bits):
    codes = np.random.default_rng(1).integers(0, 2**bits, (12, 16, 3)).astype(np.uint16)
    frame = frame_from_codes(codes, pixel_format)
    context = av.CodecContext.create("dpx", "w")
    context.width, context.height, context.pix_fmt = 16, 12, pixel_format
    context.time_base = Fraction(1, 24)
    (tmp_path / "d.0100.dpx").write_bytes(b"".join(map(bytes, context.encode(frame))))
    info = probe(tmp_path / "d.%04d.dpx", frame_rate=RATE)
    ((number, image),) = read_all(info)
    assert (number, info.bit_depth) == (100, bits)
    full = np.float32(2**bits - 1)
    np.testing.assert_array_equal(np.rint(image.pixels * full).astype(np.uint16), codes)


def test_dpx_log_plate_has_its_timecode_and_shows_film_density_as_light(tmp_path):
    codes = np.full((12, 16, 3), 445, np.uint16)  # ADX10's middle grey
    frame = frame_from_codes(codes, "gbrp10le")
    context = av.CodecContext.create("dpx", "w")
    context.width, context.height, context.pix_fmt = 16, 12, "gbrp10le"
    context.time_base = Fraction(1, 24)
    data = bytearray(b"".join(map(bytes, context.encode(frame))))
    data[1664:1664] = bytes(384)  # the television header, as scanners write it
    data[4:8] = (2048).to_bytes(4, "little")
    data[1920:1924] = (0x10203007).to_bytes(4, "little")
    (tmp_path / "d.0100.dpx").write_bytes(data)
    info = probe(tmp_path / "d.%04d.dpx", frame_rate=RATE)
    assert (info.timecode, info.bit_depth) == ("10:20:30:07", 10)
    ((_, image),) = read_frames(info, info.frames, colourspace=name_colourspace("ADX10"))
    assert 0.3 < to_display(image).mean() < 0.6
    zero = np.zeros_like(image.pixels)
    back = add_display_change(image, zero, np.ones((12, 16), np.float32))
    assert back.pixels.tobytes() == image.pixels.tobytes()


def test_read_frames_of_dnxhr_from_anywhere(write_plate):
    path = write_plate("p.mov", "dnxhr_hqx", width=320, height=180, timecode="10:00:00:12")
    info = probe(path)
    assert (info.codec, info.pixel_format, info.bit_depth) == ("dnxhd", "yuv422p10le", 10)
    assert info.timecode == "10:00:00:12"
    for first in (1001, 1007, 1012):
        frames = FrameRange(first, 1012)
        found = [
            index_of(image, 12) for _, image in read_frames(info, frames, colourspace="rec709")
        ]
        assert np.allclose(found, np.arange(first - 1001, 12), atol=0.1)


def test_read_frames_refuses_frames_outside_the_plate_at_once(write_plate):
    info = probe(write_plate("p.mov", "prores422hq"))
    with pytest.raises(PlateError, match="frames: got 1000-1002 asked for, expected within 1001-1"):
        read_frames(info, FrameRange(1000, 1002), colourspace="rec709")


def test_read_frames_names_a_missing_frame_at_once(write_plate):
    path = write_plate("p.%04d.exr", "exr", count=4)
    path.with_name("p.1003.exr").unlink()
    info = probe(path, frame_rate=RATE)
    assert len(read_all(info, FrameRange(1001, 1002))) == 2
    with pytest.raises(PlateError, match="frame 1003 is missing"):
        read_frames(info, info.frames, colourspace="rec709")


def test_read_frames_names_a_frame_of_another_size(write_plate):
    path = write_plate("p.%04d.png", "png16", count=2)
    settings = {"format": "png16", "width": 32, "height": 16, "frame_rate": RATE}
    with open_writer(path, **settings) as writer:
        writer.write(1002, np.zeros((16, 32, 3), np.uint8))
    info = probe(path, frame_rate=RATE)
    with pytest.raises(PlateError, match="frame 1002: size: got 32x16, expected 160x90"):
        read_all(info)


@pytest.mark.parametrize("content", [b"", b"not a picture at all", None])
def test_read_frames_names_a_damaged_frame_of_a_sequence(write_plate, content):
    path = write_plate("p.%04d.png", "png16", count=2)
    victim = path.with_name("p.1002.png")
    victim.write_bytes(victim.read_bytes()[:200] if content is None else content)
    info = probe(path, frame_rate=RATE)
    with pytest.raises(PlateError, match=r"p\.1002\.png: "):
        read_all(info)


@pytest.mark.parametrize("name,format", [("p.mov", "prores422hq"), ("p.mkv", "ffv1")])
def test_read_frames_names_the_frame_where_a_movie_breaks_off(write_plate, name, format):
    """The movie was whole when it was probed and is cut short afterwards."""
    path = write_plate(name, format)
    info = probe(path)
    content = path.read_bytes()
    start = int(len(content) * 0.6)
    path.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(PlateError, match=r"cannot be opened|frame 10\d\d: got "):
        read_all(info)


def test_read_frames_names_damaged_data_inside_a_movie(write_plate):
    path = write_plate("p.mov", "prores4444")
    info = probe(path)
    damage_frame(path, 6, offset=0, length=64)
    with pytest.raises(PlateError, match=r"frame 1007: got .*copy it again"):
        read_all(info)


@pytest.mark.parametrize("offset,length", [(16, 1), (8, 64), (0, 64)])
def test_read_frames_names_no_permission_where_a_movie_is_damaged(write_plate, offset, length):
    """Decoders answer these with -1, EINVAL and AVERROR_INVALIDDATA."""
    path = write_plate("p.mov", "prores4444", width=320)
    info = probe(path)
    damage_frame(path, 6, offset=offset, length=length)
    with pytest.raises(PlateError) as caught:
        read_all(info)
    assert str(caught.value) == (
        f"{path}: frame 1007: got a frame that does not decode, expected a frame that decodes; "
        "the file is damaged or cut short, copy it again"
    )
    with pytest.raises(PlateError, match="frame 1007: got a frame that does not decode, expected"):
        read_all(info, FrameRange(1007, 1008))


def damage_frame(path, index, *, offset, length):
    """Zeroes bytes of a movie's packet, from an offset in it."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
        place = packets[index].pos + offset
    content = bytearray(path.read_bytes())
    content[place : place + length] = bytes(length)
    path.write_bytes(content)


def test_read_frames_closes_the_plate_when_left_early(write_plate):
    info = probe(write_plate("p.mov", "prores422hq"))
    before = len(os.listdir("/proc/self/fd"))
    reading = read_frames(info, info.frames, colourspace="rec709")
    next(reading)
    assert len(os.listdir("/proc/self/fd")) > before
    reading.close()
    assert len(os.listdir("/proc/self/fd")) == before


_MEASURE = """
import resource, sys
from reage.video import open_writer, probe, read_frames
info = probe(sys.argv[1])
settings = dict(width=info.width, height=info.height, frame_rate=info.frame_rate)
with open_writer(sys.argv[2], format="prores4444", **settings) as writer:
    for number, image in read_frames(info, info.frames, colourspace="rec709"):
        writer.write(number, image)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_read_and_write_memory_does_not_grow_with_the_shot(write_plate, tmp_path):
    peaks_kib = []
    for count in (48, 480):
        path = write_plate(f"p{count}.mov", "prores422hq", count=count)
        result = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(path), str(tmp_path / "o.mov")],
            capture_output=True,
            check=True,
            text=True,
        )
        peaks_kib.append(int(result.stdout))
    # 432 more frames held would be 73 MiB of float32.
    assert peaks_kib[1] - peaks_kib[0] < 12 * 1024


def test_read_frames_marks_images_with_the_plates_depth_and_colourspace(write_plate):
    info = probe(write_plate("p.mov", "prores422hq", count=1))
    ((_, image),) = read_frames(info, info.frames, colourspace="srgb")
    assert isinstance(image, Image)
    assert (image.colourspace, image.bit_depth) == ("srgb", 10)
