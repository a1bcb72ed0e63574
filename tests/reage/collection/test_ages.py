import unicodedata
from datetime import date
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from reage.collection.ages import (
    AgeStatement,
    CollectionTable,
    DatedPhoto,
    Photo,
    age_of_name,
    age_on,
    age_statements,
    contradictions,
    dated_photo,
    files_under,
    minor_refusal,
    photos_among,
    read_table,
    serial_number_warning,
    strangers_among,
    table_key,
)
from reage.errors import CollectionError, StorageError

NO_TABLE = CollectionTable({}, frozenset())
BIRTH = date(1964, 3, 2)


def table(tmp_path, text, *, encoding="utf-8"):
    path = tmp_path / "collection.csv"
    path.write_bytes(text.encode(encoding))
    return read_table(path)


@pytest.mark.parametrize(
    ("name", "age"),
    [
        ("34_1.jpg", 34),
        ("34.jpg", 34),
        ("34 at the fair.jpg", 34),
        ("100_1.jpg", 100),
        ("set/a/56_12.tif", 56),
        ("07_1.jpg", 7),
        ("IMG_0034.jpg", None),
        ("0034_1.jpg", None),
        ("2019_premiere.jpg", None),
        ("34a.jpg", None),
        ("34", None),
        ("34/portrait.jpg", None),
    ],
)
def test_age_of_a_name_is_the_number_it_begins_with(name, age):
    assert age_of_name(name) == age


def test_age_on_a_day_counts_from_birth():
    assert age_on(date(1994, 3, 2), birth_date=BIRTH) == pytest.approx(30, abs=0.01)
    assert age_on(date(1994, 9, 1), birth_date=BIRTH) == pytest.approx(30.5, abs=0.01)


def test_table_outranks_the_name_and_the_name_the_camera():
    known = CollectionTable({"34_1.jpg": 40.5}, frozenset())
    found = age_statements("34_1.jpg", table=known, birth_date=BIRTH, taken=date(2000, 3, 2))
    assert [s.source for s in found] == ["csv", "name", "exif"]
    assert [round(s.age) for s in found] == [40, 34, 36]
    assert found[0].age == 40.5


def test_date_needs_a_birth_date_and_a_sane_clock():
    def exif(taken, birth=BIRTH):
        return age_statements("a.jpg", table=NO_TABLE, birth_date=birth, taken=taken)

    assert len(exif(date(2000, 1, 1))) == 1
    assert exif(date(2000, 1, 1), birth=None) == []
    assert exif(None) == []
    assert exif(date(1960, 1, 1)) == []
    assert exif(date(2070, 1, 1)) == []


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([("name", 17)], "under 18"),
        ([("exif", 17.9)], "under 18"),
        ([("name", 25), ("exif", 16)], "under 18"),
        ([("csv", 17)], "under 18"),
        ([("csv", 19), ("name", 12)], None),
        ([("name", 18)], None),
        ([("estimated", 20)], "age unsure"),
        ([("estimated", 30)], None),
        ([], None),
    ],
)
def test_minors_are_refused_and_doubt_counts_against_a_photograph(statements, reason):
    refusal = minor_refusal("a.jpg", [AgeStatement(age, source) for source, age in statements])
    assert (refusal.reason if refusal else None) == reason


def test_contradictions_are_told_with_what_counts():
    said = [AgeStatement(34, "name"), AgeStatement(38.2, "exif"), AgeStatement(35, "csv")]
    assert contradictions("34_1.jpg", said) == [
        "34_1.jpg: age: got 34 by name, but 38.2 by exif; name counts"
    ]
    [doubt] = contradictions("34_1.jpg", said[:1], estimate=60)
    assert doubt == "34_1.jpg: age: got 34 by name, but the face looks 60; look at it"
    assert contradictions("34_1.jpg", said[:1], estimate=50) == []
    assert contradictions("34_1.jpg", []) == []


def test_names_that_count_photographs_are_suspected():
    counted = [(float(n), 52.0) for n in range(18, 60, 2)]
    dated = [(50.0 + n, 52.0) for n in range(8)]
    assert "got numbers 16" not in (serial_number_warning(counted) or "")
    assert serial_number_warning([(float(n), 60.0) for n in range(18, 40)]) is not None
    assert serial_number_warning(dated) is None
    assert serial_number_warning([(20.0, 70.0)]) is None, "too few to tell"


def test_table_is_read_with_either_separator_and_any_case(tmp_path):
    expected = CollectionTable({"a.jpg": 34.5, "b.jpg": 20.0}, frozenset({"b.jpg", "c.jpg"}))
    rows = ["File, Age, Ignore", "a.jpg, 34.5,", "./b.jpg, 20, yes", "c.jpg,, x"]
    assert table(tmp_path, "\n".join(rows)) == expected
    assert table(tmp_path, "\r\n".join(rows).replace(",", ";"), encoding="utf-8-sig") == expected


def test_table_finds_a_file_by_path_or_bare_name_whatever_the_accents(tmp_path):
    composed = unicodedata.normalize("NFC", "été.jpg")
    known = table(tmp_path, f"file,age\n{composed},40\nset/a.jpg,41\n")
    assert table_key(unicodedata.normalize("NFD", "été.jpg"), known) == composed
    assert table_key(f"set/{composed}", known) == composed
    assert table_key("set/a.jpg", known) == "set/a.jpg"
    assert table_key("a.jpg", known) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,age\na.jpg,3", "line 1: got columns name, age, expected file, age"),
        ("", "line 1: got columns none"),
        ("file,age\na.jpg,old", "line 2: age: got 'old', expected years, 0 to 100"),
        ("file,age\na.jpg,nan", "line 2: age: got 'nan'"),
        ("file,age\na.jpg,140", "line 2: age: got '140'"),
        ("file,age\n,40", "line 2: file: got nothing"),
        ("file,age\na.jpg,40\na.jpg,41", "line 3: file: got a.jpg a second time"),
        ("file,age,ignore\na.jpg,40,perhaps", "line 2: ignore: got 'perhaps', expected yes"),
    ],
)
def test_table_that_says_something_odd_is_refused_with_its_line(tmp_path, text, said):
    with pytest.raises(CollectionError, match=r"collection\.csv: ") as caught:
        table(tmp_path, text)
    assert said in str(caught.value)


def test_table_in_another_encoding_is_refused(tmp_path):
    with pytest.raises(CollectionError, match="text that is not UTF-8"):
        table(tmp_path, "file,age\nété.jpg,40", encoding="latin-1")


def test_files_are_found_at_every_depth_without_what_systems_leave(tmp_path):
    for name in ("a.jpg", "set/b.HEIC", ".hidden.jpg", "set/._b.jpg", "__MACOSX/a.jpg", "x.cr3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    files = files_under(tmp_path)
    assert [photo.name for photo in photos_among(files)] == ["a.jpg", "set/b.HEIC"]
    [stranger] = strangers_among([*files, "notes.txt", "collection.csv", "a.xmp"])
    assert (stranger.name, stranger.reason) == ("x.cr3", "no photograph")


def test_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"none: got no such folder, expected one of photog"):
        files_under(tmp_path / "none")


def test_photograph_is_dated_by_its_header_alone(tmp_path):
    path = tmp_path / "a.jpg"
    tags = PillowImage.Exif()
    tags.get_ifd(0x8769)[0x9003] = "2004:03:02 12:00:00"
    PillowImage.new("RGB", (40, 40)).save(path, exif=tags)
    found = dated_photo(Photo("a.jpg", path), table=NO_TABLE, birth_date=BIRTH)
    assert isinstance(found, DatedPhoto)
    assert found.statements == (AgeStatement(pytest.approx(40, abs=0.01), "exif"),)


def test_photograph_is_refused_unread_when_ignored_broken_or_of_a_minor(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"not a photograph")

    def reason(name="a.jpg", ages=(), ignored=()):
        known = CollectionTable(dict(ages), frozenset(ignored))
        return dated_photo(Photo(name, path), table=known, birth_date=None).reason

    assert reason(ignored=["a.jpg"]) == "ignored"
    assert reason() == "unreadable"
    PillowImage.new("RGB", (40, 40)).save(path)
    assert reason("12_1.jpg") == "under 18"
    with pytest.raises(StorageError, match="No such file"):
        dated_photo(Photo("a", Path(tmp_path / "none")), table=NO_TABLE, birth_date=None)
