import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from reage.errors import ColourError, PlateError, StorageError
from reage.framerange import FrameRange
from reage.image import Image
from reage.video import open_writer, plate_digest, probe, read_frames

RATE = Fraction(24000, 1001)


def settings_for(format, *, width=160, height=90):
    return {"format": format, "width": width, "height": height, "frame_rate": RATE}


def random_codes(seed=1, *, width=160, height=90):
    return np.random.default_rng(seed).integers(0, 65536, (height, width, 3)).astype(np.uint16)


def read_all(path):
    info = probe(path, frame_rate=RATE)
    return list(read_frames(info, info.frames, colourspace="rec709"))


@pytest.mark.parametrize(
    "name,format",
    [("p.%04d.png", "png16"), ("p.####.tif", "tiff16"), ("p.mkv", "ffv1")],
)
@pytest.mark.parametrize("width,height", [(160, 90), (161, 91)])
def test_writer_16_bit_plate_to_image_to_16_bit_is_bit_identical(
    tmp_path, name, format, width, height
):
    codes = random_codes(width=width, height=height)
    settings = settings_for(format, width=width, height=height)
    with open_writer(tmp_path / "a" / name, **settings) as writer:
        writer.write(1001, codes)
    ((_, image),) = read_all(tmp_path / "a" / name)
    with open_writer(tmp_path / "b" / name, **settings) as writer:
        writer.write(1001, image)
    ((_, again),) = read_all(tmp_path / "b" / name)
    np.testing.assert_array_equal(again.to_uint16(), codes)


def test_writer_exr_keeps_every_float_bit(tmp_path):
    pixels = np.random.default_rng(2).normal(0, 30, (91, 161, 3)).astype(np.float32)
    pixels[0, 0] = (np.inf, -1e30, 1e-40)
    settings = settings_for("exr", width=161, height=91)
    path = tmp_path / "p.%04d.exr"
    with open_writer(path, **settings, colourspace="acescg") as writer:
        writer.write(1001, Image(pixels, "acescg"))
    assert read_all(path)[0][1].pixels.tobytes() == pixels.tobytes()


@pytest.mark.parametrize(
    "name,format,psnr_db",
    [
        ("p.mov", "prores4444", 55),
        ("p.mov", "prores422hq", 45),
        ("p.mov", "dnxhr_hqx", 45),
        ("p.mp4", "h264", 40),
    ],
)
def test_writer_movies_come_back_as_the_picture(write_plate, name, format, psnr_db):
    path = write_plate(name, format, width=256, height=144, count=4)
    (_, image), *rest = read_all(path)
    assert len(rest) == 3
    across, down = np.meshgrid(np.linspace(0, 0.2, 256), np.linspace(0, 0.2, 144))
    picture = 0.2 + np.stack([across, down, (across + down) / 2], axis=2)
    error = np.mean((image.pixels - picture) ** 2)
    assert -10 * np.log10(error) > psnr_db


@pytest.mark.parametrize("format,name", [("prores4444", "p.mov"), ("h264", "p.mp4")])
def test_writer_makes_red_bt709_red(tmp_path, format, name):
    red = np.zeros((96, 160, 3), np.uint8)
    red[..., 0] = 255
    with open_writer(tmp_path / name, **settings_for(format, height=96)) as writer:
        writer.write(1, red)
    with av.open(str(tmp_path / name)) as container:
        frame = next(container.decode(video=0))
        tags = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
        luma = frame.reformat(format="yuv444p").to_ndarray()[0, 48, 80]
    assert tags == (1, 1, 1, 1)
    assert abs(int(luma) - 63) <= 1  # BT.601 would say 81


@pytest.mark.parametrize("format,name", [("prores4444", "p.mov"), ("h264", "p.mp4")])
def test_writer_takes_odd_sizes(write_plate, format, name):
    path = write_plate(name, format, width=161, height=91, count=2)
    info = probe(path)
    expected = (161, 91) if format == "prores4444" else (162, 92)
    assert (info.width, info.height) == expected


def test_writer_refuses_odd_width_for_422(tmp_path):
    with pytest.raises(PlateError, match="width: got 161, expected an even one for 4:2:2"):
        open_writer(tmp_path / "p.mov", **settings_for("prores422hq", width=161))


def test_writer_refuses_a_size_the_codec_cannot_take(tmp_path):
    with (
        pytest.raises(PlateError, match="size: got 16x16, expected one that dnxhd takes"),
        open_writer(tmp_path / "p.mov", **settings_for("dnxhr_hqx", width=16, height=16)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", ["24000/1001", "24", "25", "30000/1001", "50", "60000/1001"])
@pytest.mark.parametrize("format,name", [("prores422hq", "p.mov"), ("ffv1", "p.mkv")])
def test_writer_keeps_the_frame_rate_exact(write_plate, rate, format, name):
    path = write_plate(name, format, rate=Fraction(rate), width=64, height=32)
    assert probe(path).frame_rate == Fraction(rate)


def test_writer_keeps_drop_frame_timecode(write_plate):
    rate = Fraction(30000, 1001)
    path = write_plate("p.mov", "prores422hq", rate=rate, timecode="00:00:59;28")
    info = probe(path)
    assert (info.timecode, info.timecode_at(1003)) == ("00:00:59;28", "00:01:00;02")


def test_writer_keeps_pixel_aspect(write_plate):
    path = write_plate("p.mov", "prores422hq", count=1, pixel_aspect=Fraction(15, 16))
    assert probe(path).pixel_aspect == Fraction(15, 16)


def test_writer_h264_can_start_playing_before_it_is_all_there(write_plate):
    content = write_plate("p.mp4", "h264").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize(
    "name,format",
    [("p.mov", "prores4444"), ("p.mp4", "h264"), ("p.mkv", "ffv1"), ("p.%04d.exr", "exr")],
)
def test_writer_gives_the_same_bytes_twice(write_plate, name, format):
    digests = []
    for folder in ("a", "b"):
        path = write_plate(f"{folder}/{name}", format, count=5)
        info = probe(path, frame_rate=RATE)
        digests.append(plate_digest(info, info.frames))
    assert digests[0] == digests[1]


def test_writer_movie_appears_only_when_whole(tmp_path):
    path = tmp_path / "p.mov"
    with open_writer(path, **settings_for("prores4444")) as writer:
        writer.write(1001, random_codes())
        assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.mov"]


@pytest.mark.parametrize("name,format", [("p.mov", "prores4444"), ("p.mp4", "h264")])
def test_writer_movie_vanishes_on_error_and_spares_the_old_one(tmp_path, name, format):
    (tmp_path / name).write_bytes(b"the old one")
    with (
        pytest.raises(RuntimeError, match="stop"),
        open_writer(tmp_path / name, **settings_for(format)) as writer,
    ):
        writer.write(1001, random_codes())
        raise RuntimeError("stop")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"the old one"


def test_writer_refuses_a_movie_without_frames(tmp_path):
    with (
        pytest.raises(ValueError, match="frames: got 0 written, expected at least 1"),
        open_writer(tmp_path / "p.mov", **settings_for("prores4444")),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


_FILL = """
import resource, sys
import numpy as np
from fractions import Fraction
from reage.errors import StorageError
from reage.video import open_writer
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
settings = dict(format=sys.argv[2], width=160, height=90, frame_rate=Fraction(24))
generator = np.random.default_rng(1)
try:
    with open_writer(sys.argv[1], **settings) as writer:
        for number in range(1001, 1001 + int(sys.argv[3])):
            codes = generator.integers(0, 65536, (90, 160, 3)).astype(np.uint16)
            writer.write(number, codes)
except StorageError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize(
    "name,format,count",
    [
        ("p.mov", "prores4444", 12),
        ("p.mov", "prores4444", 1),
        ("p.mp4", "h264", 12),
        ("p.mkv", "ffv1", 12),
        ("p.%04d.png", "png16", 1),
        ("p.%04d.exr", "exr", 1),
    ],
)
def test_writer_says_when_the_file_cannot_grow_and_leaves_nothing(tmp_path, name, format, count):
    result = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path / name), format, str(count)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3, result.stderr
    assert "writing: got " in result.stdout
    assert "make room or choose another place" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_writer_says_when_the_folder_is_a_file(tmp_path):
    (tmp_path / "taken").touch()
    for name, format in (("p.mov", "prores4444"), ("p.%04d.png", "png16")):
        with (
            pytest.raises(StorageError, match="writing: got "),
            open_writer(tmp_path / "taken" / name, **settings_for(format)),
        ):
            pass


def test_writer_refuses_frames_out_of_order(tmp_path):
    with (
        pytest.raises(ValueError, match="frame: got 1003, expected 1002"),
        open_writer(tmp_path / "p.mov", **settings_for("prores4444")) as writer,
    ):
        writer.write(1001, random_codes())
        writer.write(1003, random_codes())


@pytest.mark.parametrize("format,name", [("png16", "p.%04d.png"), ("prores4444", "p.mov")])
def test_writer_refuses_what_does_not_fit(tmp_path, format, name):
    def attempt(picture):
        with open_writer(tmp_path / name, **settings_for(format)) as writer:
            writer.write(1001, picture)

    with pytest.raises(
        ValueError, match=r"picture: got shape \(8, 8, 3\), expected \(90, 160, 3\)"
    ):
        attempt(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="picture: got float64, expected an Image, uint8 or uint1"):
        attempt(np.zeros((90, 160, 3)))
    with pytest.raises(ColourError, match="colourspace: got 'acescg', expected 'rec709'; convert"):
        attempt(Image(np.zeros((90, 160, 3), np.float32), "acescg"))
    assert list(tmp_path.iterdir()) == []


def test_writer_refuses_scene_linear_movies(tmp_path):
    with pytest.raises(ColourError, match="expected an encoded one for a movie"):
        open_writer(tmp_path / "p.mov", **settings_for("prores4444"), colourspace="acescg")


def test_writer_refuses_unknown_formats_and_extensions(tmp_path):
    with pytest.raises(ValueError, match="format: got 'gif', expected one of prores4444"):
        open_writer(tmp_path / "p.gif", **settings_for("gif"))
    with pytest.raises(PlateError, match=r"extension: got \.jpg, expected \.png"):
        open_writer(tmp_path / "p.%04d.jpg", **settings_for("png16"))


def test_writer_8_bit_codes_arrive_exactly(tmp_path):
    codes = np.random.default_rng(5).integers(0, 256, (90, 160, 3)).astype(np.uint8)
    with open_writer(tmp_path / "p.%04d.png", **settings_for("png16")) as writer:
        writer.write(7, codes)
    info = probe(tmp_path / "p.%04d.png", frame_rate=RATE)
    assert info.frames == FrameRange(7, 7)
    ((_, image),) = read_frames(info, info.frames, colourspace="rec709")
    np.testing.assert_array_equal(image.to_uint16(), codes.astype(np.uint16) * 257)
