import numpy as np
import pytest

from reage.video.tags import codes_from_rgb, resolve_tags, rgb_from_codes

RED = np.array([1.0, 0, 0, 1])


def resolve(matrix=2, colour_range=0, is_rgb=False, height=1080):
    return resolve_tags(
        matrix, colour_range=colour_range, primaries=2, transfer=2, is_rgb=is_rgb, height=height
    )


# Y of full red at 8 bits, limited range: 16 + 219 * Kr.
@pytest.mark.parametrize("matrix,luma", [("bt709", 62.56), ("bt601", 81.48), ("bt2020", 73.53)])
def test_codes_from_rgb_gives_red_its_luma(matrix, luma):
    forward = codes_from_rgb(matrix, colour_range="limited", bits=8)
    affine = forward[:, :3] @ RED[:3] + forward[:, 3]
    assert affine[0] == pytest.approx(luma, abs=0.01)
    assert affine[2] == pytest.approx(240)


def test_codes_from_rgb_gives_full_range_its_whole_scale():
    forward = codes_from_rgb("bt709", colour_range="full", bits=10)
    white = forward[:, :3] @ np.ones(3) + forward[:, 3]
    np.testing.assert_allclose(white, [1023, 512, 512])


@pytest.mark.parametrize("matrix", ["bt709", "bt601", "bt2020", "smpte240m", "fcc"])
@pytest.mark.parametrize("colour_range", ["limited", "full"])
def test_rgb_from_codes_inverts(matrix, colour_range):
    forward = codes_from_rgb(matrix, colour_range=colour_range, bits=12)
    inverse = rgb_from_codes(matrix, colour_range=colour_range, bits=12)
    rgb = np.random.default_rng(1).uniform(-0.1, 1.1, (3, 50))
    codes = forward[:, :3] @ rgb + forward[:, 3:]
    np.testing.assert_allclose(inverse[:, :3] @ codes + inverse[:, 3:], rgb, atol=1e-12)


@pytest.mark.parametrize("height,matrix", [(719, "bt601"), (720, "bt709")])
def test_resolve_tags_assumes_by_height_and_says_so(height, matrix):
    tags = resolve(height=height)
    assert (tags.matrix, tags.range) == (matrix, "limited")
    assert tags.assumed == ("matrix", "range")


def test_resolve_tags_believes_what_is_tagged():
    tags = resolve(matrix=9, colour_range=2, height=90)
    assert (tags.matrix, tags.range, tags.assumed) == ("bt2020", "full", ())


def test_resolve_tags_knows_that_it_does_not_know():
    tags = resolve(matrix=8)
    assert tags.matrix == "unknown-8"
    assert not tags.is_matrix_known
