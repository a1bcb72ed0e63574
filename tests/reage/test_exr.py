from fractions import Fraction

import numpy as np
import OpenEXR
import pytest

from reage.errors import PlateError
from reage.exr import new_frame, read_exr, read_exr_windows, timing_attributes, write_exr
from reage.geometry import Roi

HEIGHT, WIDTH = 40, 60
DATA = Roi(-8, 4, WIDTH, HEIGHT)
CANVAS = Roi(-8, -2, 72, 50)


def halves(seed, *, low=-2.0, high=60.0):
    values = np.random.default_rng(seed).uniform(low, high, (HEIGHT, WIDTH))
    return values.astype(np.float16)


def box(roi):
    last = (roi.left + roi.width - 1, roi.top + roi.height - 1)
    return np.array([roi.left, roi.top], np.int32), np.array(last, np.int32)


def code():
    timecode = OpenEXR.TimeCode()
    timecode.hours, timecode.minutes, timecode.seconds, timecode.frame = 10, 20, 30, 7
    return timecode


HEADER = {
    "compression": OpenEXR.PIZ_COMPRESSION,
    "type": OpenEXR.scanlineimage,
    "dataWindow": box(DATA),
    "displayWindow": box(Roi(0, 0, 64, 48)),
    "pixelAspectRatio": 2.0,
    "framesPerSecond": Fraction(24000, 1001),
    "timeCode": code(),
    "owner": "a show",
    "camera:iso": 800,
    "worldToCamera": np.arange(16, dtype=np.float32).reshape(4, 4),
    "takes": ["a", "b"],
}


@pytest.fixture
def plate(tmp_path):
    """A frame of half floats with alpha, depth, ids and a data window off the display window."""
    channels = {name: halves(i) for i, name in enumerate("RGBA")}
    channels["R"][0, :4] = (np.inf, np.nan, -np.inf, 65504)
    channels["Z"] = np.random.default_rng(9).random((HEIGHT, WIDTH)).astype(np.float32)
    channels["crypto.id"] = np.arange(HEIGHT * WIDTH, dtype=np.uint32).reshape(HEIGHT, WIDTH)
    path = tmp_path / "plate.1001.exr"
    OpenEXR.File(HEADER, channels).write(str(path))
    return path


def channels_of(path):
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: c.pixels.copy() for name, c in file.channels().items()}, dict(file.header())


def test_read_exr_lays_the_data_window_on_the_canvas(plate):
    frame = read_exr(plate)
    assert (frame.picture.windows.data, frame.is_half) == (DATA, True)
    assert (frame.pixel_aspect, frame.frame_rate) == (2, Fraction(24000, 1001))
    assert frame.timecode == "10:20:30:07"
    pixels = frame.pixels(CANVAS)
    stored = np.stack([channels_of(plate)[0][name] for name in "RGB"], axis=2)
    np.testing.assert_array_equal(pixels[6:46, :60], stored.astype(np.float32))
    assert not pixels[:6].any() and not pixels[46:].any() and not pixels[:, 60:].any()


def test_read_exr_takes_of_a_larger_data_window_what_lies_on_the_canvas(plate):
    whole, part = read_exr(plate).pixels(CANVAS), read_exr(plate).pixels(Roi(0, 10, 20, 10))
    np.testing.assert_array_equal(part, whole[12:22, 8:28])


def test_windows_come_from_the_header_alone(plate):
    assert read_exr_windows(plate) == read_exr(plate).picture.windows


def test_unchanged_frame_is_written_bit_for_bit_with_all_that_is_in_it(plate, tmp_path):
    write_exr(tmp_path / "copy.exr", read_exr(plate))
    (before, said), (after, says) = channels_of(plate), channels_of(tmp_path / "copy.exr")
    assert set(before) == set(after)
    for name in before:
        assert before[name].tobytes() == after[name].tobytes(), name
        assert before[name].dtype == after[name].dtype
    for name in set(HEADER) - {"compression"}:
        assert repr(said[name]) == repr(says[name]), name
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_change_leaves_every_bit_outside_the_matte_and_adds_matte_and_delta(plate, tmp_path):
    frame = read_exr(plate)
    pixels = frame.pixels(CANVAS)
    matte = np.zeros((CANVAS.height, CANVAS.width), np.float32)
    matte[20:30, 20:40] = 0.5
    matte[:6] = 1.0  # where the plate has no pixels, nothing can change
    result = np.where(matte[..., None] > 0, pixels + np.float32(0.25), pixels)
    changed = frame.with_change(result, plate=pixels, matte=matte, canvas=CANVAS)
    write_exr(tmp_path / "m.exr", changed.with_attributes({"reage:version": "v003"}))
    (before, _), (after, header) = channels_of(plate), channels_of(tmp_path / "m.exr")
    assert set(after) == {*before, "matte.A", "delta.R", "delta.G", "delta.B"}
    inside = matte[6:46, :60] > 0
    for name in before:
        assert before[name][~inside].tobytes() == after[name][~inside].tobytes()
    assert before["Z"].tobytes() == after["Z"].tobytes()
    assert after["R"].dtype == after["matte.A"].dtype == after["delta.G"].dtype == np.float16
    np.testing.assert_array_equal(after["matte.A"], matte[6:46, :60].astype(np.float16))
    expected = (before["G"][inside].astype(np.float32) + 0.25).astype(np.float16)
    np.testing.assert_array_equal(after["G"][inside], expected)
    assert (after["delta.B"][inside] == 0.25).all() and not after["delta.B"][~inside].any()
    assert header["reage:version"] == "v003" and header["owner"] == "a show"
    assert repr(header["dataWindow"]) == repr(HEADER["dataWindow"])


def test_layer_that_the_plate_has_already_is_not_lost(plate):
    frame = read_exr(plate)
    pixels = frame.pixels(DATA)
    matte = np.ones((HEIGHT, WIDTH), np.float32)
    once = frame.with_change(pixels, plate=pixels, matte=matte * 0.5, canvas=DATA)
    twice = once.with_change(pixels, plate=pixels, matte=matte, canvas=DATA)
    assert twice.picture.channels["matte.A"][0, 0] == 0.5
    assert twice.picture.channels["reage_matte.A"][0, 0] == 1.0


def test_what_is_too_bright_for_a_half_stays_finite():
    pixels = np.full((2, 2, 3), 1e6, np.float32)
    pixels[0, 0] = np.inf
    stored = new_frame(pixels, is_half=True).picture.channels["R"]
    assert stored[1, 1] == 65504 and np.isinf(stored[0, 0])


def test_all_parts_of_a_file_go_along(tmp_path):
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    depth = OpenEXR.Part({**kind, "name": "depth"}, {"Z": np.ones((4, 6), np.float32)}, "depth")
    colours = {name: np.full((4, 6), 0.5, np.float16) for name in "RGB"}
    rgb = OpenEXR.Part({**kind, "name": "rgb"}, colours, "rgb")
    OpenEXR.File([depth, rgb]).write(str(tmp_path / "a.exr"))
    frame = read_exr(tmp_path / "a.exr")
    assert (frame.picture_index, frame.colour_names) == (1, ("R", "G", "B"))
    write_exr(tmp_path / "b.exr", frame)
    with OpenEXR.File(str(tmp_path / "b.exr"), separate_channels=True) as file:
        assert [part.name() for part in file.parts] == ["depth", "rgb"]
        assert [sorted(part.channels) for part in file.parts] == [["Z"], ["B", "G", "R"]]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.98, 0.9999])
@pytest.mark.parametrize("read", [read_exr, read_exr_windows])
def test_file_cut_short_is_one_sentence(plate, share, read, capfd):
    data = plate.read_bytes()
    plate.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PlateError, match=r"plate\.1001\.exr: frame: got .*copy it again"):
        read(plate)
    assert capfd.readouterr() == ("", ""), "and nothing else is said"


def test_damaged_pixels_are_one_sentence(tmp_path):
    slope = np.broadcast_to(np.linspace(0, 1, 400, dtype=np.float32)[:, None, None], (400, 300, 3))
    write_exr(tmp_path / "x.exr", new_frame(slope, is_half=False))
    data = bytearray((tmp_path / "x.exr").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff" * 40
    (tmp_path / "x.exr").write_bytes(data)
    with pytest.raises(PlateError, match="got data that do not decode, expected a whole OpenEXR"):
        read_exr(tmp_path / "x.exr")


def test_grey_matte_is_read_into_all_three_channels(tmp_path):
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    values = np.random.default_rng(3).random((4, 6)).astype(np.float16)
    OpenEXR.File(kind, {"A": values}).write(str(tmp_path / "matte.exr"))
    pixels = read_exr(tmp_path / "matte.exr").pixels(Roi(0, 0, 6, 4))
    np.testing.assert_array_equal(pixels, np.repeat(values[..., None], 3, 2).astype(np.float32))


@pytest.mark.parametrize("content", [b"", b"not a picture at all"])
def test_file_of_another_kind_is_one_sentence(tmp_path, content):
    (tmp_path / "x.exr").write_bytes(content)
    with pytest.raises(PlateError, match="expected a whole OpenEXR file"):
        read_exr(tmp_path / "x.exr")


def test_file_without_a_picture_names_its_channels(tmp_path):
    kind = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    values = np.zeros((4, 6), np.float32)
    OpenEXR.File(kind, {"u": values, "v": values}).write(str(tmp_path / "x.exr"))
    with pytest.raises(PlateError, match="channels: got u, v, expected R, G and B"):
        read_exr(tmp_path / "x.exr")


def test_drop_frame_timecode_survives(tmp_path):
    frame = new_frame(np.zeros((2, 2, 3), np.float32), is_half=True)
    attributes = timing_attributes(Fraction(30000, 1001), "01:00:00;02")
    write_exr(tmp_path / "x.exr", frame.with_attributes(attributes))
    back = read_exr(tmp_path / "x.exr")
    assert (back.timecode, back.frame_rate) == ("01:00:00;02", Fraction(30000, 1001))
