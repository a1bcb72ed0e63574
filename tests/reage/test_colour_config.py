import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest

from reage.colour import (
    COLOURSPACES,
    add_display_change,
    find_colourspace,
    name_colourspace,
    to_display,
)
from reage.colour_config import DEFAULT_CONFIG, config_digest, in_words, own_name
from reage.errors import ColourError
from reage.image import Image

LOGS = ["ARRI LogC3 (EI800)", "ARRI LogC4", "ACEScct", "S-Log3 S-Gamut3.Cine", "ADX10"]

STUDIO = """\
ocio_profile_version: 2
search_path: luts
roles:
  default: raw
  scene_linear: show_linear
  aces_interchange: show_linear
colorspaces:
  - !<ColorSpace>
    name: raw
    isdata: true
  - !<ColorSpace>
    name: show_linear
    encoding: scene-linear
  - !<ColorSpace>
    name: show_log
    encoding: log
    from_scene_reference: !<GroupTransform>
      children:
        - !<LogAffineTransform> {base: 10, log_side_slope: 0.25, log_side_offset: 0.4, \
lin_side_slope: 5.5, lin_side_offset: 0.05}
        - !<FileTransform> {src: grade.spi1d, direction: inverse}
displays:
  sRGB:
    - !<View> {name: Raw, colorspace: raw}
"""
LUT = "Version 1\nFrom 0.0 1.0\nLength 2\nComponents 1\n{\n0.0\n%s\n}\n"


@pytest.fixture(autouse=True)
def no_config_of_the_machine(monkeypatch):
    monkeypatch.delenv("OCIO", raising=False)


@pytest.fixture
def studio(tmp_path):
    """A show's own configuration, with a LUT in it."""
    (tmp_path / "luts").mkdir()
    (tmp_path / "luts" / "grade.spi1d").write_text(LUT % "1.0")
    (tmp_path / "show.ocio").write_text(STUDIO)
    return str(tmp_path / "show.ocio")


def log_plate(name, *, exposure=0.0):
    codes = np.random.default_rng(5).uniform(0.2, 0.7, (24, 32, 1)).astype(np.float32)
    codes = codes + np.random.default_rng(6).normal(0, 0.02, (24, 32, 3)).astype(np.float32)
    return Image(codes.astype(np.float32), name_colourspace(name), 10, exposure)


@pytest.mark.parametrize("name", [*LOGS, "ACEScg"])
@pytest.mark.parametrize("exposure", [0.0, 1.5])
def test_zero_change_leaves_every_half_bit_identical(name, exposure):
    plate = log_plate(name, exposure=exposure)
    pixels = plate.pixels.astype(np.float16).astype(np.float32)
    pixels[0, 0], pixels[1, 1] = (np.inf, np.nan, -np.inf), (-0.5, 60000, 0)
    plate = plate.with_pixels(pixels)
    matte = np.ones(pixels.shape[:2], np.float32)
    back = add_display_change(plate, np.zeros_like(pixels), matte)
    assert back.pixels.astype(np.float16).tobytes() == pixels.astype(np.float16).tobytes()


@pytest.mark.parametrize("name", LOGS)
def test_change_and_its_opposite_return_to_the_half_that_was_there(name):
    plate = log_plate(name)
    plate = plate.with_pixels(plate.pixels.astype(np.float16).astype(np.float32))
    change = np.random.default_rng(7).normal(0, 0.05, plate.pixels.shape).astype(np.float32)
    matte = np.ones(change.shape[:2], np.float32)
    changed = add_display_change(plate, change, matte)
    assert np.abs(changed.pixels - plate.pixels).max() > 0.01
    back = add_display_change(changed, to_display(plate) - to_display(changed), matte)
    np.testing.assert_array_equal(back.pixels.astype(np.float16), plate.pixels.astype(np.float16))


@pytest.mark.parametrize("name", LOGS)
def test_change_moves_the_view_by_what_was_asked(name):
    plate = log_plate(name, exposure=0.5)
    change = np.full(plate.pixels.shape, (0.05, -0.03, 0.02), np.float32)
    matte = np.full(change.shape[:2], 0.5, np.float32)
    moved = to_display(add_display_change(plate, change, matte)) - to_display(plate)
    np.testing.assert_allclose(moved, 0.5 * change, atol=3e-4)  # float32 through two logarithms


def test_grey_card_of_every_log_is_shown_where_a_linear_one_is():
    # 18 % grey in each log's published code values.
    for name, code in (
        ("ARRI LogC3 (EI800)", 0.391),
        ("ACEScct", 0.4135884),
        ("ARRI LogC4", 0.278),
    ):
        grey = np.full((1, 1, 3), code, np.float32)
        shown = to_display(Image(grey, name_colourspace(name)))
        np.testing.assert_allclose(shown, 0.46136, atol=2e-3)


def test_acescg_of_the_built_in_configuration_is_reages_own():
    pixels = np.random.default_rng(8).uniform(-0.2, 8, (8, 8, 3)).astype(np.float32)
    own = to_display(Image(pixels, "acescg"))
    theirs = to_display(Image(pixels, name_colourspace("ACEScg", ocio=DEFAULT_CONFIG)))
    np.testing.assert_allclose(theirs, own, atol=2e-5)


def test_reages_own_names_need_no_configuration(monkeypatch):
    monkeypatch.setenv("OCIO", "/nowhere/config.ocio")
    assert [name_colourspace(name) for name in COLOURSPACES] == list(COLOURSPACES)
    with pytest.raises(ColourError, match=r"got '/nowhere/config\.ocio', which is not there"):
        name_colourspace("ACEScct")


def test_exposure_of_a_log_plate_is_in_stops():
    darker = log_plate("ACEScct")
    linear = find_colourspace(darker.colourspace).to_rec709(darker.pixels, exposure=1.0)
    seen = to_display(replace(darker, exposure=1.0))
    np.testing.assert_array_equal(seen, to_display(Image(linear, "linear_rec709")))


def test_configuration_of_a_studio_is_found_by_path_and_by_environment(studio, monkeypatch):
    by_path = name_colourspace("show_log", ocio=studio)
    monkeypatch.setenv("OCIO", studio)
    assert name_colourspace("show_log") == by_path
    assert (in_words(by_path), own_name(by_path)) == ("show_log (show.ocio)", "show_log")
    assert not find_colourspace(by_path).is_linear
    assert find_colourspace(name_colourspace("scene_linear", ocio=studio)).is_linear
    grey = np.full((1, 1, 3), 0.25 * np.log10(0.18 * 5.5 + 0.05) + 0.4, np.float32)
    np.testing.assert_allclose(to_display(Image(grey, by_path)), 0.46136, atol=1e-4)


def test_digest_follows_the_configuration_and_its_luts_and_not_where_they_lie(studio, tmp_path):
    digest = config_digest(name_colourspace("show_log", ocio=studio))
    grey = Image(np.full((1, 1, 3), 0.4, np.float32), name_colourspace("show_log", ocio=studio))
    before = to_display(grey)
    (tmp_path / "luts" / "grade.spi1d").write_text(LUT % "0.90")
    assert config_digest(name_colourspace("show_log", ocio=studio)) != digest
    assert (to_display(grey) < before).all(), "nor is the former LUT taken for the new one"
    assert len(digest) == len(hashlib.sha256().hexdigest())


def test_changed_configuration_is_not_taken_for_the_former(studio, tmp_path):
    name = name_colourspace("show_log", ocio=studio)
    before = to_display(Image(np.full((1, 1, 3), 0.4, np.float32), name))
    (tmp_path / "show.ocio").write_text(
        STUDIO.replace("log_side_offset: 0.4", "log_side_offset: 0.39")
    )
    assert (to_display(Image(np.full((1, 1, 3), 0.4, np.float32), name)) > before).all()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ARRI LogC", "got 'ARRI LogC', expected one of the .*did you mean ARRI LogC"),
        ("sRGB - Display", "a display's, expected a scene-referred one"),
        ("Raw", "numbers that are no colour"),
    ],
)
def test_what_is_no_plates_colourspace_is_one_sentence(name, sentence):
    with pytest.raises(ColourError, match=sentence):
        find_colourspace(name_colourspace(name))


def test_configuration_that_cannot_be_read_is_one_sentence(tmp_path):
    (tmp_path / "bad.ocio").write_text("hello: [")
    for place in (str(tmp_path / "bad.ocio"), str(tmp_path / "none.ocio"), "ocio://nothing"):
        with pytest.raises(ColourError, match=r"OpenColorIO configuration: got .*, expected") as e:
            name_colourspace("ACEScg", ocio=place)
        assert "\n" not in str(e.value)


def test_lut_that_is_gone_is_named(studio, tmp_path):
    name = name_colourspace("show_log", ocio=studio)
    find_colourspace(name)
    lut = tmp_path / "luts" / "grade.spi1d"
    lut.unlink()
    with pytest.raises(ColourError, match=re.escape(f"got {str(lut)!r}, which is not there")):
        find_colourspace(name)


def test_configuration_that_may_not_be_read_says_why(studio, monkeypatch):
    def refusing(path):
        raise PermissionError(13, "Permission denied", path)

    cannot = f"got {studio!r}, which cannot be read (Permission denied), expected a file"
    with monkeypatch.context() as patch, pytest.raises(ColourError, match=re.escape(cannot)):
        patch.setattr("reage.colour_config.os.stat", refusing)
        name_colourspace("show_log", ocio=studio)


def test_configuration_without_interchange_says_what_it_needs(tmp_path):
    text = STUDIO.replace("  aces_interchange: show_linear\n", "")
    (tmp_path / "show.ocio").write_text(text)
    with pytest.raises(ColourError, match="needs its LUTs and the role aces_interchange"):
        find_colourspace(name_colourspace("show_log", ocio=str(tmp_path / "show.ocio")))
