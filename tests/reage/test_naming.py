from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reage.errors import NamingError
from reage.naming import (
    ShotId,
    check_name,
    frame_name,
    is_version,
    movie_name,
    next_version,
    parse_version,
    safe_name,
    version_name,
)

patiently = settings(deadline=None, max_examples=100)  # machines differ, and are shared

SHOT = ShotId("demo", "sq010", "sh0040")
SEPARATORS = ["/", "\\", "..", ".", "\0", "\n", " ", "%2e", ":", "~", "$", "*"]


def is_accepted(text):
    try:
        return check_name(text, what="name") == text
    except NamingError:
        return False


@patiently
@given(st.text(max_size=70) | st.from_regex(r"[a-z0-9_./-]{0,70}", fullmatch=True))
def test_name_that_passes_is_one_path_part_everywhere(text):
    if is_accepted(text):
        assert PurePosixPath("root", text).parts == ("root", text)
        assert PureWindowsPath("root", text).parts == ("root", text)
        assert text.isascii()
        assert text == text.lower()
        assert 1 <= len(text) <= 64
    else:
        assert safe_name(text) != text


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("form", ["{}", "{}a", "a{}", "a{}b"])
def test_name_refuses_what_could_leave_a_folder(separator, form):
    assert not is_accepted(form.format(separator))


@pytest.mark.parametrize("name", ["sh0040", "a", "0", "ada_lovelace-2", "x" * 64])
def test_name_accepts_what_studios_use(name):
    assert is_accepted(name)


@pytest.mark.parametrize("name", ["", "SH0040", "_a", "-rf", "é", "x" * 65, "sh٣", 7, None])
def test_name_refuses_what_could_be_misread(name):
    assert not is_accepted(name)


def test_name_error_says_what_was_named_and_what_would_do():
    with pytest.raises(NamingError, match=r"^shot: got 'SH 0040', expected lower.*; sh_0040 would"):
        check_name("SH 0040", what="shot")


def test_name_error_stays_readable_for_endless_names():
    with pytest.raises(NamingError) as caught:
        check_name("../" * 10_000, what="shot")
    assert len(str(caught.value)) < 300


@patiently
@given(st.text(max_size=100))
def test_safe_name_is_safe_or_nothing(text):
    suggestion = safe_name(text)
    assert suggestion is None or is_accepted(suggestion)


def test_shot_id_builds_code_and_prefix():
    assert SHOT.code == "sq010_sh0040"
    assert SHOT.prefix == "demo/sq010/sh0040"
    assert str(SHOT) == "demo/sq010_sh0040"


def test_shot_id_refuses_a_part_that_escapes():
    with pytest.raises(NamingError, match=r"^sequence: got '\.\.'"):
        ShotId("demo", "..", "sh0040")


@patiently
@given(st.integers(1, 999_999))
def test_version_name_reads_back_as_its_number(number):
    assert parse_version(version_name(number)) == number


@patiently
@given(st.from_regex(r"v?[0-9]{1,7}\n?", fullmatch=True))
def test_version_has_one_spelling_only(text):
    assert is_version(text) == (
        text[:1] == "v"
        and text[1:].isdigit()
        and 1 <= int(text[1:]) <= 999_999
        and version_name(int(text[1:])) == text
    )


def test_versions_look_as_studios_write_them():
    assert [version_name(n) for n in (1, 42, 999, 1000)] == ["v001", "v042", "v999", "v1000"]


@pytest.mark.parametrize("name", ["v3", "v0003", "v000", "V003", "003", "v003 ", "v-01", None])
def test_parse_version_refuses_other_spellings(name):
    with pytest.raises(NamingError, match="expected v and three digits or more, as in v003"):
        parse_version(name)


@pytest.mark.parametrize("number", [0, -1, 1_000_000, True, 1.0])
def test_version_name_refuses_numbers_that_are_none(number):
    with pytest.raises(NamingError, match=r"^version: got"):
        version_name(number)


@patiently
@given(st.sets(st.integers(1, 5000)), st.sets(st.sampled_from(["latest", "v3", ".tmp", "x"])))
def test_next_version_is_above_all_and_passes_over_strays(numbers, strays):
    following = parse_version(next_version([*map(version_name, numbers), *strays]))
    assert following == max(numbers, default=0) + 1


def test_file_names_carry_shot_element_version_and_frame():
    assert frame_name(SHOT, "reage", "v003", 1001, "png") == "sq010_sh0040_reage_v003.1001.png"
    assert movie_name(SHOT, "wipe", "v003", "mp4") == "sq010_sh0040_wipe_v003.mp4"


def test_frame_number_keeps_every_digit_beyond_the_padding():
    assert frame_name(SHOT, "reage", "v003", 7, "exr").endswith(".0007.exr")
    assert frame_name(SHOT, "reage", "v003", 123_456, "exr").endswith(".123456.exr")
    assert frame_name(SHOT, "reage", "v003", 7, "exr", padding=6).endswith(".000007.exr")


@pytest.mark.parametrize(
    ("element", "version", "frame", "extension", "padding"),
    [
        ("../x", "v003", 1, "png", 4),
        ("reage", "next", 1, "png", 4),
        ("reage", "v003", -1, "png", 4),
        ("reage", "v003", 1, "png/x", 4),
        ("reage", "v003", 1, ".png", 4),
        ("reage", "v003", 1, "png", 0),
    ],
)
def test_frame_name_refuses_unfit_parts(element, version, frame, extension, padding):
    with pytest.raises(NamingError, match=r"got .*, expected"):
        frame_name(SHOT, element, version, frame, extension, padding)
