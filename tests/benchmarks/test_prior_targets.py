import copy

import pytest

from benchmarks.prior.card import card_section, with_section
from benchmarks.prior.targets import verdicts

WORST = {"figure": "rank1", "group": "asian", "worse": 0.1, "met": True}
GROUP = {name: {"a": 0.9} for name in ("spearman", "age_gain", "rank1", "gender_kept")}
KID = {"unedited": 0.4, "unedited_error": 0.01, "ratio": 0.3}


@pytest.fixture
def facts():
    by_group = {**GROUP, "colour_shift": {"a": None}, "faces": {"a": 7}, "worst": WORST}
    record = {
        "faces": 7,
        "date": "2026-01-02",
        "commit": "abc",
        "machine": "two cores",
        "digest": "0123456789abcdef",
        "weights_mb": 20.0,
        "milliseconds_per_crop": {"encode_decode_float32": 90.0},
        "reconstruction": {"psnr_db": 22.0},
        "kid": {"by_age": {"20": KID, "50": {**KID, "unedited": 0.01, "ratio": 9.0}}},
        "fid": {"decoded": 1.0, "outputs_mean": 2.0},
        "by_group": {"groups": by_group, "genders": by_group},
        "methods": {
            "prior": {
                "spearman": 0.8,
                "judged_age": {"30": 35.0, "50": 50.0, "70": 63.0},
                "direction_right": 0.99,
                "rank1_within_20": 0.96,
                "rank1_by_move": {"35-45": {"mean": 0.82, "count": 5}},
                "colour_shift_mean": 1.0,
            }
        },
    }
    record["targets"] = verdicts(record)
    return record


def _met(facts, tier):
    return {row["what"]: row[tier]["met"] for row in verdicts(facts)}


def test_tiers_differ_where_their_bounds_do(facts):
    assert all(_met(facts, "small").values())
    missed = [what for what, met in _met(facts, "large").items() if not met]
    assert [what.split()[0] for what in missed] == [
        "Spearman",
        "judged",
        "identity",
        "reconstruction",
    ]


def test_an_age_whose_unedited_faces_cannot_be_told_apart_does_not_count(facts):
    kid = "KID to real faces of the age, of unedited: worst"
    assert _met(facts, "small")[kid]
    facts["kid"]["by_age"]["50"]["unedited"] = 0.4
    assert not _met(facts, "small")[kid]


def test_what_was_not_measured_is_not_met(facts):
    facts["methods"]["prior"]["rank1_by_move"]["35-45"]["mean"] = None
    assert not _met(facts, "small")["identity rank-1 of 100, moves of 35-45 years"]


def test_card_section_tells_figures_machine_and_date_and_changes_nothing(facts):
    before = copy.deepcopy(facts)
    section = card_section(facts)
    assert facts == before
    for told in ("2026-01-02", "two cores", "0.80", "at least 0.85: not met", "82.0%", "a (7)"):
        assert told in section


def test_only_what_stands_between_the_marker_lines_is_replaced():
    card = "# Card\n\n<!-- judged -->\nold\n<!-- /judged -->\n\nlimits\n"
    once = with_section(card, "new")
    assert once == "# Card\n\n<!-- judged -->\n\nnew\n\n<!-- /judged -->\n\nlimits\n"
    assert with_section(once, "new") == once
    with pytest.raises(ValueError, match="judged"):
        with_section("# Card\n<!-- /judged -->\n<!-- judged -->\n", "new")
