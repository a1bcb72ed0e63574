import io
import logging
import struct
import zlib
from datetime import date

import cv2
import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image as PillowImage
from skimage.color import lab2rgb

from reage.errors import PhotographError, StorageError
from reage.photograph import MAX_PIXELS, date_taken, decode_photograph, read_photograph
from tests.colour_profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    GAMMA,
    SRGB,
    cmyk_profile,
    rgb_profile,
)

WIDTH, HEIGHT = 48, 32


def picture():
    """A smooth picture in which no turn or mirror looks like another; uint8, (32, 48, 3)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([40 + 3 * x, 60 + 4 * y, 200 - 2 * x - y], axis=2).astype(np.uint8)


def encoded(pixels, kind, **options):
    """The bytes of a file that PIL writes."""
    image = pixels if isinstance(pixels, PillowImage.Image) else PillowImage.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(*, orientation=None, taken=None):
    tags = PillowImage.Exif()
    if orientation is not None:
        tags[0x0112] = orientation
    if taken is not None:
        tags.get_ifd(0x8769)[0x9003] = taken
    return tags


def decode(data, **options):
    return decode_photograph(data, place="a.jpg", **options)


def stored(upright, orientation):
    """What a camera writes so that `orientation` brings it upright."""
    turns = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }
    return np.ascontiguousarray(turns[orientation](upright))


def assert_shows(photograph, expected, *, within=0.5):
    """Within so many 8-bit codes everywhere."""
    assert photograph.pixels.dtype == np.float32
    assert photograph.pixels.shape == expected.shape
    assert np.abs(photograph.pixels * 255 - expected).max() <= within


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_photograph_of_8_bits_is_read_exactly(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode(encoded(picture(), kind, **options))
    assert_shows(found, picture(), within=1e-4)
    assert np.array_equal(found.display, picture())
    assert found.size == (WIDTH, HEIGHT)
    assert found.taken is None


def test_photograph_from_a_telephone_is_read():
    buffer = io.BytesIO()
    pillow_heif.from_pillow(PillowImage.fromarray(picture())).save(
        buffer, quality=95, exif=exif(taken="2014:05:06 07:08:09").tobytes()
    )
    found = decode(buffer.getvalue())
    # What the codec and its halved chroma lose.
    assert_shows(found, picture(), within=10)
    assert found.taken == date(2014, 5, 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_is_turned_upright_and_dated(orientation):
    upright = picture()
    data = encoded(
        stored(upright, orientation),
        "JPEG",
        quality=98,
        subsampling=0,
        exif=exif(orientation=orientation, taken="1999:12:31 23:59:59"),
    )
    found = decode(data)
    assert_shows(found, upright, within=6)  # what JPEG loses
    assert found.size == (WIDTH, HEIGHT)
    assert found.taken == date(1999, 12, 31)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7, 8])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_tiff_of_either_depth_is_turned_upright(tmp_path, orientation, depth):
    upright = picture().astype(depth) * (257 if depth is np.uint16 else 1)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        stored(upright, orientation),
        photometric="rgb",
        extratags=[(0x0112, "H", 1, orientation, True)],
    )
    assert_shows(read_photograph(path), picture(), within=1e-3)


@pytest.mark.parametrize(
    "written", ["0000:00:00 00:00:00", "2001:02:30 10:00:00", "yesterday", "1000:01:01 00:00:00"]
)
def test_date_that_no_camera_was_at_is_none(written):
    assert decode(encoded(picture(), "JPEG", exif=exif(taken=written))).taken is None


def test_date_is_told_without_the_picture():
    large = np.repeat(picture(), 40, axis=0)
    data = encoded(large, "JPEG", exif=exif(taken="2010:11:12 13:14:15"))
    assert date_taken(data[: len(data) // 2], place="a.jpg") == date(2010, 11, 12)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_kept(suffix, channels):
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 65536, (HEIGHT, WIDTH, channels), np.uint16)
    _, data = cv2.imencode(suffix, codes[..., ::-1] if channels == 3 else codes)
    found = decode(data.tobytes()).pixels
    assert np.array_equal(np.rint(found * 65535), np.broadcast_to(codes, (HEIGHT, WIDTH, 3)))


def test_16_bits_go_through_a_profile_without_being_rounded_to_8(tmp_path):
    ramp = np.linspace(20000, 22000, WIDTH).astype(np.uint16)
    codes = np.broadcast_to(ramp[None, :, None], (HEIGHT, WIDTH, 3))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, codes, photometric="rgb", iccprofile=rgb_profile(ADOBE_RGB))
    found = read_photograph(path).pixels[0, :, 1]
    assert len(np.unique(found)) > 40, "8 bits have 9 codes here"
    assert np.abs(found * 255 - in_srgb(codes[0] / 65535, ADOBE_RGB)[:, 1]).max() < 1.0


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "I;16"])
def test_grey_palette_and_alpha_become_rgb(mode):
    grey = picture()[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    if mode == "I;16":
        image = PillowImage.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = PillowImage.fromarray(expected).convert(mode)
    found = decode(encoded(image, "PNG"))
    if mode == "1":
        assert set(np.unique(found.pixels)) == {0.0, 1.0}
    else:
        assert_shows(found, np.asarray(image.convert("RGB")) if mode == "P" else expected, within=1)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_what_is_transparent_lies_over_mid_grey(depth):
    top = np.iinfo(depth).max
    rgba = np.zeros((HEIGHT, WIDTH, 4), depth)
    rgba[..., 2] = top
    rgba[:, : WIDTH // 2, 3] = top
    _, data = cv2.imencode(".png", rgba)
    found = decode(data.tobytes()).pixels
    assert np.array_equal(found[0, 0], [1, 0, 0]), "BGR to OpenCV"
    assert np.abs(found[0, -1] - 0.5).max() < 1e-6


def test_palette_with_a_transparent_colour_lies_over_mid_grey():
    image = PillowImage.new("P", (WIDTH, HEIGHT), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (0, 0, WIDTH // 2, HEIGHT))
    found = decode(encoded(image, "PNG", transparency=0)).pixels
    assert np.array_equal(found[0, 0], [0, 1, 0])
    assert np.array_equal(found[0, -1], [0.5, 0.5, 0.5])


def in_srgb(rgb, colorants):
    """Colours of a gamma profile in sRGB codes, 0-255, by the profile's own numbers."""
    linear = np.clip(np.asarray(rgb) ** GAMMA @ colorants.T @ np.linalg.inv(SRGB).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("colorants", [ADOBE_RGB, DISPLAY_P3])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_wide_colours_are_converted_to_srgb(kind, colorants):
    skin = np.zeros((HEIGHT, WIDTH, 3), np.uint8) + np.array([180, 140, 120], np.uint8)
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    found = decode(encoded(skin, kind, icc_profile=rgb_profile(colorants), **options))
    expected = in_srgb(skin / 255, colorants)
    assert np.abs(expected - skin).max() > 5
    assert_shows(found, expected, within=2)


def test_profile_that_says_srgb_changes_nothing():
    data = encoded(picture(), "PNG", icc_profile=rgb_profile(SRGB, name="sRGB IEC61966-2.1"))
    assert_shows(decode(data), picture(), within=1e-4)


@pytest.mark.parametrize("profile", [b"nonsense", rgb_profile(ADOBE_RGB)[:200]])
def test_damaged_profile_is_warned_about_and_taken_for_srgb(profile, caplog):
    with caplog.at_level(logging.WARNING):
        found = decode(encoded(picture(), "PNG", icc_profile=profile))
    assert_shows(found, picture(), within=1e-4)
    assert "colour profile ignored place=a.jpg" in caplog.text


def inks(c, m, y, k):
    """Muted inks, all within sRGB."""
    if k:
        return (8, 0, 0)
    return (96 - 30 * c - 24 * m - 6 * y, -14 * c + 34 * m, -16 * c - 2 * m + 42 * y)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("ink", range(4))
def test_cmyk_is_converted_by_its_own_profile(kind, ink):
    codes = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    codes[..., ink] = 255
    image = PillowImage.frombytes("CMYK", (WIDTH, HEIGHT), codes.tobytes())
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    found = decode(encoded(image, kind, icc_profile=cmyk_profile(inks), **options))
    expected = 255 * lab2rgb(np.array(inks(*(i == ink for i in range(4))), float))
    # Lab of D50 against D65 without adaptation, 8-bit Lab, JPEG.
    assert_shows(found, np.broadcast_to(expected, (HEIGHT, WIDTH, 3)), within=9)


def test_cmyk_without_a_profile_is_read_with_a_warning(caplog):
    image = PillowImage.fromarray(picture()).convert("CMYK")
    with caplog.at_level(logging.WARNING):
        found = decode(encoded(image, "JPEG", quality=98, subsampling=0))
    assert_shows(found, picture(), within=8)
    assert "CMYK without a colour profile" in caplog.text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "png16"])
def test_large_photograph_is_reduced_to_its_mean_by_a_whole_number(kind):
    large = np.repeat(np.repeat(picture(), 20, axis=0), 20, axis=1)
    if kind == "png16":
        data = cv2.imencode(".png", large[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    else:
        data = encoded(large, kind)
    found = decode(data, longest_side=WIDTH * 10)
    assert found.size == (WIDTH * 20, HEIGHT * 20)
    expected = np.repeat(np.repeat(picture(), 10, axis=0), 10, axis=1)
    assert_shows(found, expected, within=8 if kind == "JPEG" else 1)
    assert decode(data, longest_side=WIDTH * 20 - 1).pixels.shape == expected.shape
    assert decode(data, longest_side=WIDTH * 20).pixels.shape == large.shape


def header_of(width, height):
    """The start of a PNG that promises so many pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    start = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 1, 30_000])
def test_picture_of_too_many_pixels_is_refused_before_it_is_decoded(side):
    with pytest.raises(PhotographError, match=r"a\.jpg: size: got .* pixels, expected at most"):
        decode(header_of(side, side))


def test_picture_of_a_few_pixels_is_refused():
    with pytest.raises(PhotographError, match=r"size: got 9 x 9 pixels, expected at least 16"):
        decode(encoded(np.zeros((9, 9, 3), np.uint8), "PNG"))


def test_file_of_too_many_bytes_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    with path.open("wb") as file:
        file.truncate(600 << 20)
    with pytest.raises(PhotographError, match=r"a\.tif: size: got 629145600 bytes, expected at"):
        read_photograph(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "HEIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated_file_is_a_named_error(kind, share):
    data = encoded(np.repeat(picture(), 6, axis=1), kind)
    with pytest.raises(PhotographError, match=r"^a\.jpg: picture: got .*, expected "):
        decode(data[: int(len(data) * share)])


def test_flipped_bytes_never_raise_anything_else():
    rng = np.random.default_rng(5)
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "HEIF"):
        whole = encoded(picture(), kind, exif=exif(orientation=6, taken="2000:01:02 03:04:05"))
        for _ in range(60):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 6):
                data[place] = rng.integers(256)
            try:
                decode(bytes(data))
            except PhotographError as error:
                assert str(error).startswith("a.jpg: ")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%PDF-1.7", b"\0" * 5000])
def test_file_that_is_no_photograph_is_a_named_error(data):
    with pytest.raises(PhotographError, match=r"got \d+ bytes of no known kind, expected JPEG"):
        decode(data)


def test_scene_linear_floats_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((HEIGHT, WIDTH), np.float32))
    with pytest.raises(PhotographError, match=r"colour mode F, expected grey, RGB or CMYK of 8"):
        read_photograph(path)


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"none\.jpg: read: got No such file"):
        read_photograph(tmp_path / "none.jpg")
