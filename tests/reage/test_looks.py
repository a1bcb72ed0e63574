"""Looks are told by photographs, and edits by directions, or refused in a sentence."""

import pytest

from reage.looks import Looks, parsed_edits, photo_number

NAMES = ("31_1.jpg", "31_2.jpg", "40_1.jpg")


def test_photograph_is_told_by_name_or_by_number_from_one():
    assert photo_number("40_1.jpg", NAMES, count=3) == 2
    assert photo_number("1", NAMES, count=3) == 0
    assert photo_number("3", (), count=3) == 2


@pytest.mark.parametrize("asked", ["0", "4", "-1", "40_2.jpg", ""])
def test_photograph_that_there_is_not_is_refused_with_those_there_are(asked):
    with pytest.raises(ValueError, match=r"expected a number from 1 to 3 or one of: 31_1.jpg, 31_"):
        photo_number(asked, NAMES, count=3)


def test_name_of_a_version_that_kept_none_is_refused_with_the_cure():
    with pytest.raises(ValueError, match="names were not kept; train the face anew"):
        photo_number("40_1.jpg", (), count=3)


def test_edits_are_read_as_pairs():
    assert parsed_edits(["smile=1.5", "age=-2"]) == {"smile": 1.5, "age": -2.0}
    assert parsed_edits([]) == {}
    for wrong in (["smile"], ["smile=much"], ["=1"], ["smile=1", "smile=2"]):
        with pytest.raises(ValueError, match="edit: got"):
            parsed_edits(wrong)


@pytest.mark.parametrize("amount", [0.0, 11.0, float("nan")])
def test_edit_out_of_range_is_refused(amount):
    with pytest.raises(ValueError, match=r"edit smile: got .*, expected -10 to 10 and not 0"):
        Looks(edits={"smile": amount})


def test_looks_change_when_they_go_somewhere():
    assert not Looks(first="1").changes
    assert Looks(last="1").changes
    assert Looks(edits={"smile": 1.0}).changes
