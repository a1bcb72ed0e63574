"""SAM behind the calls of a prior: the published formula, and what the pipeline relies on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.golden_recipe import picture
from benchmarks.published_checkpoints import seeded_state
from models.ageing.judges import Judges, compact_crops
from models.ageing.loading import load_judges, load_prior
from models.ageing.prior import FFHQAlignment, PriorError
from models.ageing.sam import SamNetworks, SamPrior
from models.face.dex import DEX
from models.face.irse50 import IRSE50
from models.published import PUBLISHED
from models.published_file import load_state
from reage.registry.priors import find_prior
from tests.published_files import CROP, SMALL, SYNTHESIS, small_state

GOLDEN = Path(__file__).parents[2] / "assets" / "golden" / "sam.npz"
PRECISION = 1e-5  # float32, sums in another order


def sam_of(sizes, state, judges):
    """A prior of these tensors, without a file."""
    config = sizes.sam(name="sam", licence="none")
    with torch.device("meta"):
        networks = SamNetworks(config)
    load_state(networks, state, place="sam", assign=True)
    return SamPrior(config, networks, judges, digest="d" * 64).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def compact():
    return load_prior(find_prior("compact").folder)


@pytest.fixture(scope="module")
def stand_in(compact):
    digests = {"age": "a" * 64, "likeness": "b" * 64}
    return Judges(age=compact, likeness=compact, digests=digests)


@pytest.fixture(scope="module")
def sam(stand_in):
    return sam_of(SMALL, small_state("sam"), stand_in)


@pytest.fixture
def crops():
    return torch.rand(3, 3, CROP, CROP, generator=torch.Generator().manual_seed(1)) * 2 - 1


def years(*ages):
    return torch.tensor(ages)


def test_latent_at_an_age_is_the_sum_of_both_encoders_and_the_mean(sam, crops):
    w_plus = sam.encode(crops)
    offset = sam.ageing_offset(crops, w_plus, years(30.0, 40.0, 50.0), years(70.0, 18.0, 100.0))
    plane = years(0.7, 0.18, 1.0)[:, None, None, None].expand(-1, 1, CROP, CROP)
    networks = sam.networks
    expected = (
        networks.encoder(torch.cat([crops, plane], dim=1))
        + networks.pretrained_encoder(crops)
        + networks.latent_avg
    )
    torch.testing.assert_close(w_plus + offset, expected, atol=PRECISION, rtol=PRECISION)


def test_picture_is_larger_than_the_crop_and_always_the_same(sam, crops):
    w_plus = sam.encode(crops)
    assert sam.decode(w_plus).shape == (3, 3, SYNTHESIS, SYNTHESIS)
    assert torch.equal(sam.decode(w_plus), sam.decode(w_plus))
    assert (sam.config.crop_size, sam.config.synthesis_size) == (CROP, SYNTHESIS)
    assert sam.alignment == FFHQAlignment(size=CROP)


def test_offset_is_not_zero_where_the_ages_agree_and_the_change_is(sam, crops):
    ages = years(25.0, 47.3, 90.0)
    assert sam.source_offset(crops, sam.encode(crops), ages).abs().min() > 0
    assert not sam.change(crops, ages, ages).any()


def test_change_is_from_the_picture_at_the_source_age_not_from_the_inversion(sam, crops):
    source, target = years(30.0, 30.0, 30.0), years(70.0, 70.0, 70.0)
    w_plus = sam.encode(crops)
    before, after = (
        sam.decode(w_plus + sam.ageing_offset(crops, w_plus, source, age))
        for age in (source, target)
    )
    torch.testing.assert_close(sam.change(crops, source, target), (after - before) / 2)


def test_source_age_beyond_the_range_counts_as_its_end(sam, crops):
    w_plus = sam.encode(crops)
    found = sam.source_offset(crops, w_plus, years(10.0, 50.0, 104.0))
    expected = sam.source_offset(crops, w_plus, years(18.0, 50.0, 100.0))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("age", [17.0, 101.0])
def test_target_age_that_is_no_adults_is_refused(sam, crops, age):
    with pytest.raises(ValueError, match=f"target_age: got {age:g}, expected 18 to 100"):
        sam.change(crops, years(30.0, 30.0, 30.0), years(age, age, age))


def test_judges_that_stand_in_are_named_as_such(sam):
    assert sam.judged_by == (
        "age by the compact prior aaaaaaaaaaaa…, standing in for DEX, "
        "likeness by the compact prior bbbbbbbbbbbb…, standing in for IR-SE50"
    )
    assert sam.judge_digests == {"age": "a" * 64, "likeness": "b" * 64}


def test_judges_that_stand_in_see_what_they_were_trained_on(sam, compact, crops):
    view = compact_crops(crops, compact.config.crop_size)
    assert torch.equal(sam.estimate_age(crops), compact.estimate_age(view))
    assert torch.equal(sam.embed(crops), compact.embed(view))


def test_published_judges_are_asked_with_the_whole_crop(crops):
    torch.manual_seed(3)
    age, likeness = DEX(SMALL.age).eval(), IRSE50(SMALL.identity).eval()
    digests = {"age": "a" * 64, "likeness": "b" * 64}
    prior = sam_of(SMALL, small_state("sam"), Judges(age=age, likeness=likeness, digests=digests))
    assert torch.equal(prior.estimate_age(crops), age.apparent_age(crops))
    assert torch.equal(prior.embed(crops), likeness.embed(crops))
    assert prior.judged_by == "age by DEX aaaaaaaaaaaa…, likeness by IR-SE50 bbbbbbbbbbbb…"


def test_a_judge_that_is_missing_is_named(tmp_path):
    with pytest.raises(PriorError, match="judges: got none of likeness, expected a folder"):
        load_judges({"age": tmp_path})


def test_sam_prior_reproduces_the_published_results(stand_in):
    prior = sam_of(PUBLISHED, seeded_state("sam"), stand_in)
    crops, ages = torch.from_numpy(picture("input.img0", 256))[None], years(25.0)
    with np.load(GOLDEN) as golden, torch.inference_mode():
        w_plus = prior.encode(crops)
        latent = w_plus + prior.ageing_offset(crops, w_plus, ages, ages)
        assert relative(latent, golden["c.sam.latent"][:1]) < 1e-4
        image = prior.decode(latent)
        assert image.shape == (1, 3, 1024, 1024)
        assert relative(image[..., ::16, ::16], golden["c.sam.img.stride16"][:1]) < 1e-4


def relative(found, expected):
    """Relative L2 error."""
    return np.linalg.norm(found.numpy() - expected) / np.linalg.norm(expected)
