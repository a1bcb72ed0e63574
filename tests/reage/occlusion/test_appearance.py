import numpy as np
import pytest

from reage.occlusion.appearance import SIDE, SkinLook, relative_light
from tests.reage.occlusion.charts import SEEN, skin

COVERED = (slice(60, 120), slice(60, 120))


@pytest.fixture(scope="module")
def look():
    """Of twelve frames, three of which something covers in part."""
    textures = [skin(seed, light=1 + 0.02 * seed) for seed in range(12)]
    for texture in textures[:3]:
        texture[COVERED] = (0.2, 0.25, 0.3)
    return SkinLook.of_frames(textures, [SEEN] * 12)


def test_look_of_the_skin_heeds_nothing_that_passes(look):
    ratio = look.colour[COVERED].mean() / look.colour[130:180, 60:120].mean()
    own = skin(99)
    # Grain of 0.008 over the median of a dozen frames, and light told of the rest.
    assert ratio == pytest.approx(own[COVERED].mean() / own[130:180, 60:120].mean(), rel=0.01)


def test_uncovered_skin_in_other_light_is_near(look):
    for texture in (skin(50), skin(51, light=0.6), skin(52, light=1.3), skin(53, slope=0.25)):
        assert look.distance(texture, SEEN).max() < 1.8  # where a cover may grow


def test_skin_that_the_mesh_misplaces_by_two_texels_is_near(look):
    moved = np.roll(skin(50), 2, axis=1)
    assert np.percentile(look.distance(moved, SEEN)[:, 4:], 99) < 1.8


def test_shade_alone_counts_for_less_than_colour(look):
    shaded, tinted = skin(50), skin(50)
    shaded[COVERED] *= 0.92
    tinted[COVERED] *= (0.95, 1.0, 1.09)
    inside = (slice(70, 110), slice(70, 110))
    assert look.distance(shaded, SEEN)[inside].max() < 3.5  # where a cover may begin
    assert look.distance(tinted, SEEN)[inside].min() > 3.5


def test_nothing_is_said_of_skin_that_the_frame_does_not_see(look):
    covered, seen = skin(50), SEEN.copy()
    covered[COVERED] = 0.1
    assert look.distance(covered, seen)[90, 90] > 10
    seen[COVERED] = 0.0
    assert look.distance(covered, seen)[90, 90] == 0


def test_light_is_told_in_spite_of_what_covers_a_third_of_the_face(look):
    texture = skin(50, light=0.7)
    texture[:, : SIDE // 3] = (0.1, 0.1, 0.1)
    dark, bright = (relative_light(t, look.colour, look.known) for t in (texture, skin(50)))
    gain = dark / bright
    np.testing.assert_allclose(gain[:, SIDE // 3 :].mean(), 0.7, rtol=0.03)
