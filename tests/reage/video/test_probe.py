import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from reage.errors import PlateError
from reage.framerange import FrameRange
from reage.video import probe, read_frames
from reage.video.planes import frame_from_codes

RATE = Fraction(24000, 1001)


@pytest.mark.parametrize(
    "name,format,pixel_format,bits",
    [
        ("p.mov", "prores4444", "yuv444p12le", 12),
        ("p.mov", "prores422hq", "yuv422p10le", 10),
        ("p.mp4", "h264", "yuv420p", 8),
        ("p.mkv", "ffv1", "gbrp16le", 16),
    ],
)
def test_probe_describes_what_was_written(write_plate, name, format, pixel_format, bits):
    info = probe(write_plate(name, format, timecode="10:00:00:12"), first_frame=1001)
    assert (info.kind, info.width, info.height) == ("movie", 160, 90)
    assert (info.pixel_format, info.bit_depth, info.is_float) == (pixel_format, bits, False)
    assert (info.frame_rate, info.frames) == (RATE, FrameRange(1001, 1012))
    assert (info.timecode, info.timecode_at(1013)) == ("10:00:00:12", "10:00:01:00")
    assert (info.tags.primaries, info.tags.transfer) == ("bt709", "bt709")
    assert info.tags.matrix == ("rgb" if format == "ffv1" else "bt709")
    assert info.tags.assumed == ()
    assert not info.has_audio


@pytest.mark.parametrize(
    "name,codec,pixel_format",
    [("p.mxf", "prores_ks", "yuv422p10le"), ("p.mkv", "libx264", "yuv420p")],
)
def test_probe_counts_frames_that_the_header_does_not(encode_movie, name, codec, pixel_format):
    info = probe(encode_movie(name, codec, pixel_format))
    assert (info.frames, info.frame_rate) == (FrameRange(1001, 1012), 24)


@pytest.mark.parametrize("height,matrix", [(90, "bt601"), (720, "bt709")])
def test_probe_assumes_the_matrix_of_untagged_movies_by_height(encode_movie, height, matrix):
    info = probe(encode_movie("p.mp4", "libx264", "yuv420p", height=height, count=2))
    assert info.tags.matrix == matrix
    assert info.tags.assumed == ("matrix", "range")


def test_probe_names_variable_frame_rate(encode_movie):
    stamps = np.cumsum([25, 20, 30, 25, 40, 10] * 2).tolist()
    path = encode_movie("p.mp4", "libx264", "yuv420p", stamps=stamps)
    with pytest.raises(PlateError, match=r"p\.mp4: variable frame rate: got frames .* conform"):
        probe(path)


def test_probe_names_missing_frames_of_a_movie(encode_movie):
    stamps = [25 * i for i in range(13) if i != 7]
    path = encode_movie("p.mp4", "libx264", "yuv420p", stamps=stamps)
    with pytest.raises(PlateError, match="frames are missing after the first 7"):
        probe(path)


def test_probe_refuses_another_frame_rate_than_the_manifest_says(write_plate):
    path = write_plate("p.mov", "prores422hq")
    with pytest.raises(PlateError, match="frame rate: got 24000/1001, expected 24 as the manifest"):
        probe(path, frame_rate=Fraction(24))


@pytest.mark.parametrize(
    "name,format", [("p.mov", "prores422hq"), ("p.mp4", "h264"), ("p.mkv", "ffv1")]
)
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_probe_names_a_movie_cut_short(write_plate, name, format, share):
    path = write_plate(name, format)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PlateError, match=r"cannot be opened|damaged or cut short"):
        probe(path)


def test_probe_names_an_mxf_cut_short(encode_movie):
    path = encode_movie("p.mxf", "prores_ks", "yuv422p10le")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PlateError, match=r"frame \d+ of the movie: got .* cut short"):
        probe(path)


def test_probe_names_no_permission_where_the_first_frame_is_damaged(write_plate):
    path = write_plate("p.mov", "prores4444", width=320)
    with av.open(str(path)) as container:
        place = next(container.demux(container.streams.video[0])).pos + 16
    content = bytearray(path.read_bytes())
    content[place] = 0
    path.write_bytes(content)
    complaint = r"frame 1 of the movie: got a frame that does not decode, expected a whole frame;"
    with pytest.raises(PlateError, match=complaint):
        probe(path)


def test_probe_names_what_is_not_a_movie(tmp_path, write_plate):
    empty, text, playlist = (tmp_path / name for name in ("e.mov", "t.mov", "l.m3u8"))
    empty.touch()
    text.write_text("not a movie" * 100)
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nfile.ts\n")
    still = write_plate("s.%04d.png", "png16", count=1).with_name("s.1001.png")
    for path, complaint in [
        (empty, "got an empty file"),
        (text, "got a file that cannot be opened"),
        (playlist, "expected a"),
        (still, "got a png_pipe file.*given as a pattern"),
        (tmp_path / "gone.mov", "got no such file"),
        (tmp_path, r"got a folder.*give the pattern .*s\.####\.png"),
    ]:
        with pytest.raises(PlateError, match=complaint) as caught:
            probe(path)
        assert str(caught.value).startswith(f"{path}: plate: ")


def test_probe_names_a_movie_without_pictures(tmp_path):
    path = tmp_path / "sound.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 480), np.int16), "s16", "mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
    with pytest.raises(PlateError, match="got no video stream, expected one"):
        probe(path)


@pytest.mark.parametrize(
    "name,format,bits,is_float",
    [
        ("p.####.png", "png16", 16, False),
        ("p.%04d.tif", "tiff16", 16, False),
        ("p.%04d.exr", "exr", 32, True),
    ],
)
def test_probe_describes_an_image_sequence(write_plate, name, format, bits, is_float):
    path = write_plate(name, format, count=3)
    info = probe(path, frame_rate=RATE)
    assert (info.kind, info.frames, info.frame_rate) == (
        "image_sequence",
        FrameRange(1001, 1003),
        RATE,
    )
    assert (info.width, info.height, info.bit_depth, info.is_float) == (160, 90, bits, is_float)
    assert info.tags.matrix == "rgb"


def test_probe_warns_when_it_assumes_a_frame_rate(write_plate, caplog):
    assert probe(write_plate("p.%04d.png", "png16", count=1)).frame_rate == 24
    assert "without frame rate, 24 assumed" in caplog.text


def test_probe_lists_missing_frames_of_an_image_sequence(write_plate):
    path = write_plate("p.%04d.exr", "exr", count=5)
    path.with_name("p.1003.exr").unlink()
    info = probe(path, frame_rate=RATE)
    assert (info.frames, info.missing) == (FrameRange(1001, 1005), (1003,))


def test_probe_refuses_sequences_of_other_files(tmp_path):
    with pytest.raises(PlateError, match=r"got \.jpg files, expected one of dpx, exr"):
        probe(tmp_path / "p.%04d.jpg")


def turn_clockwise(path, quarters):
    """Has an MP4 or MOV say that it is to be shown turned."""
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarters]
    one = 0x10000
    rows = (cosine * one, sine * one, 0, -sine * one, cosine * one, 0, 0, 0, 0x40000000)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 36] = struct.pack(">9i", *rows)
    path.write_bytes(content)


def test_probe_stands_a_sideways_movie_upright(write_plate):
    path = write_plate("p.mp4", "h264", count=2)
    stored = next(read_frames(probe(path), FrameRange(1001, 1001), colourspace="rec709"))[1]
    turn_clockwise(path, 1)
    info = probe(path)
    assert (info.width, info.height) == (90, 160)
    upright = next(read_frames(info, FrameRange(1001, 1001), colourspace="rec709"))[1]
    np.testing.assert_array_equal(upright.pixels, np.rot90(stored.pixels, -1))


@pytest.mark.parametrize(
    "quarters,size,aspect",
    [
        (0, (160, 90), Fraction(2)),
        (1, (90, 160), Fraction(1, 2)),
        (2, (160, 90), Fraction(2)),
        (3, (90, 160), Fraction(1, 2)),
    ],
)
@pytest.mark.parametrize("name,format", [("p.mov", "prores422hq"), ("p.mp4", "h264")])
def test_probe_turns_pixels_with_the_picture(write_plate, name, format, quarters, size, aspect):
    path = write_plate(name, format, count=1, pixel_aspect=Fraction(2))
    turn_clockwise(path, quarters)
    info = probe(path)
    assert ((info.width, info.height), info.pixel_aspect) == (size, aspect)


def test_probe_warns_of_an_alpha_channel(tmp_path, caplog):
    frame = frame_from_codes(np.zeros((8, 8, 3), np.uint16), "rgb48le").reformat(format="rgba64be")
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt = 8, 8, "rgba64be"
    context.time_base = Fraction(1, 24)
    (tmp_path / "a.0001.png").write_bytes(b"".join(map(bytes, context.encode(frame))))
    assert probe(tmp_path / "a.%04d.png", frame_rate=RATE).bit_depth == 16
    assert "alpha channel, which is not carried" in caplog.text
