from fractions import Fraction

import pytest

from tests.reage.manifest.shortest_shot import mistakes, shot


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        (24, Fraction(24)),
        ("24", Fraction(24)),
        ("24000/1001", Fraction(24000, 1001)),
        ("60000/1001", Fraction(60000, 1001)),
        (Fraction(25), Fraction(25)),
        (None, None),
    ],
)
def test_frame_rate_is_an_exact_fraction(written, rate):
    assert shot(plate__frame_rate=written).plate.frame_rate == rate


@pytest.mark.parametrize(
    ("written", "cure"),
    [
        (23.976, 'write "24000/1001"'),
        (23.98, 'write "24000/1001"'),
        (29.97, 'write "30000/1001"'),
        (59.94, 'write "60000/1001"'),
        (119.88, 'write "120000/1001"'),
        (25.0, "write 25"),
        (12.5, "write it as a fraction"),
    ],
)
def test_float_frame_rate_is_refused_with_its_fraction(written, cure):
    (mistake,) = mistakes(plate__frame_rate=written)
    assert mistake.startswith(f"plate.frame_rate: got {written}, expected a whole number or a fra")
    assert mistake.endswith(f"; {cure}")


@pytest.mark.parametrize("written", ["23.976", "24/0", "24/", "-24", "", 0, -24, 2000, True, [24]])
def test_frame_rate_refuses_what_is_no_rate(written):
    (mistake,) = mistakes(plate__frame_rate=written)
    assert mistake.startswith("plate.frame_rate: got")


def test_image_sequence_needs_a_frame_rate_and_has_its_own_numbers():
    (mistake,) = mistakes(plate__uri="plate.####.exr")
    assert mistake.startswith("plate.frame_rate: got nothing, expected a frame rate")
    numbered_low = shot(
        **{"plate__uri": "plate.%04d.exr", "plate__frame_rate": 24, "plate__cut_in": 8},
    )
    assert numbered_low.frames.first == 0


def plate(**keys):
    return shot(**{f"plate__{key}": value for key, value in keys.items()}).plate


@pytest.mark.parametrize("name", ["rec709", "srgb"])
def test_exposure_of_what_was_made_for_a_screen_is_refused(name):
    with pytest.raises(ValueError, match=f"expected 0, as {name} is made for a screen"):
        plate(colourspace=name, exposure=0.5)
    assert plate(colourspace=name, ocio="show.ocio", exposure=0.5).exposure == 0.5
    assert plate(colourspace="acescg", exposure=-1.5).exposure == -1.5


@pytest.mark.parametrize(
    ("written", "aspect"), [(2, Fraction(2)), (1.8, Fraction(9, 5)), ("4/3", Fraction(4, 3))]
)
def test_pixel_aspect_is_an_exact_fraction(written, aspect):
    assert plate(pixel_aspect=written).pixel_aspect == aspect


@pytest.mark.parametrize("written", [0, 5, "2:1", True, "1/0"])
def test_pixel_aspect_refuses_what_is_none(written):
    with pytest.raises(ValueError, match="pixel_aspect"):
        plate(pixel_aspect=written)


@pytest.mark.parametrize("place", ["s3://bucket/show.ocio", "ocio://", "ocio://a b"])
def test_colour_configuration_refuses_places_that_are_none(place):
    with pytest.raises(ValueError, match="ocio"):
        plate(colourspace="ACEScct", ocio=place)


def test_handles_may_not_reach_before_the_plate():
    (mistake,) = mistakes(plate__handles=11)
    assert mistake == (
        "plate.handles: got 11, expected at most 10, as the plate begins at frame 1001"
    )


def test_cut_in_positions_from_zero_is_recognised():
    (mistake,) = mistakes(plate__cut_in=0, plate__cut_out=71)
    assert "cut_in and cut_out are frame numbers, not positions from 0" in mistake


@pytest.mark.parametrize(
    "place",
    [
        *("plate.mov", "../plate.mov", "/mnt/plate.mov", "file:///mnt/plate.mov", "~/plate.mov"),
        *("s3://bucket/a/plate.mov", "s3://bu.ck-et/plate.mov", "plates/100%.mov"),
    ],
)
def test_plate_may_lie_in_a_folder_or_a_bucket(place):
    assert shot(plate__uri=place).plate.uri == place


@pytest.mark.parametrize(
    "place",
    [
        *("", " ", "a\0b", "a\nb", "x" * 2000, "http://host/plate.mov", "file://host/plate.mov"),
        *("s3://", "s3:///key", "s3://Bucket/key", "s3://a/key", "s3://bucket//key", "s3://b..c/k"),
        *("s3://bucket/../other", "s3://user:pw@bucket/key", "a.%04d.%04d.exr", "####/a.exr"),
    ],
)
def test_plate_refuses_places_that_are_none(place):
    (mistake,) = mistakes(plate__uri=place)
    assert mistake.startswith("plate.uri: got ")


def test_every_mistake_of_a_plate_is_told_at_once():
    assert len(mistakes(plate__cut_in=1000, plate__cut_out=900)) == 2
    assert len(mistakes(plate__cut_in=-1, plate__handles="8", show="No", prior=3)) == 4
