import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from reage.errors import NamingError, RegistryError
from reage.registry.adapter_facts import PublishedFacts, TrainedFacts, UpdatedFacts
from reage.registry.adapters import (
    adapter_versions,
    adapters_made_for,
    find_adapter,
    find_published,
    list_adapters,
    register_adapter,
    version_before,
)
from reage.registry.withdrawal import roll_back

FACTS = TrainedFacts(
    prior_name="compact",
    prior_digest="ab" * 32,
    licence="research only",
    collection_digest="cd" * 32,
    num_photographs=50,
    min_age=30.0,
    max_age=70.0,
    consent_document="CONSENT-1",
    network={"num_layers": 8},
    recipe={"preset": "default", "steps": 300},
    metrics={"id": 0.1},
    strength_course=(0.0, 0.4, 1.0),
)

PUBLISHED = PublishedFacts(
    prior_name="sam-ffhq1024",
    prior_digest="ef" * 32,
    licence="of SAM",
    consent_document="CONSENT-2",
    network={"num_layers": 18},
    source="ada.pt",
    source_digest="12" * 32,
)


@pytest.fixture(autouse=True)
def studio_home(tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_registered_adapters_are_versions_and_the_latest_is_the_newest():
    first = register_adapter("ada", b"one", FACTS)
    second = register_adapter("ada", b"two", FACTS)
    assert (first.version, second.version) == ("v001", "v002")
    assert adapter_versions("ada") == ["v001", "v002"]
    assert find_adapter("ada").weights.read_bytes() == b"two"
    assert find_adapter("ada", "v001").weights.read_bytes() == b"one"


@pytest.mark.parametrize("facts", [FACTS, PUBLISHED])
def test_facts_return_as_they_were_given(facts):
    register_adapter("ada", b"one", facts)
    assert find_adapter("ada").facts == facts
    assert type(find_adapter("ada").facts) is type(facts)


def test_registering_the_newest_again_changes_nothing():
    register_adapter("ada", b"one", FACTS)
    again = register_adapter("ada", b"one", FACTS)
    other = register_adapter("ada", b"one", replace(FACTS, consent_document="CONSENT-2"))
    assert (again.version, other.version) == ("v001", "v002")


def test_racing_writers_each_get_a_version():
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda i: register_adapter("ada", bytes([i]), FACTS), range(8)))
    assert sorted(r.version for r in records) == adapter_versions("ada")
    assert {r.weights.read_bytes() for r in records} == {bytes([i]) for i in range(8)}


def test_nothing_half_written_is_a_version(studio_home):
    register_adapter("ada", b"one", FACTS)
    home = studio_home / "registry" / "adapters" / "ada"
    (home / "v002").mkdir()
    (home / "v002" / "weights.safetensors").write_bytes(b"two")
    assert adapter_versions("ada") == ["v001"]
    assert [p.name for p in home.iterdir() if p.name.startswith(".")] == []


def test_card_says_on_what_terms_and_whose_consent():
    card = (register_adapter("ada", b"one", FACTS).folder / "MODEL_CARD.md").read_text()
    assert "research only" in card
    assert "CONSENT-1" in card


def test_card_of_a_published_one_names_file_prior_terms_and_consent():
    record = register_adapter("ada", b"one", PUBLISHED)
    card = (record.folder / "MODEL_CARD.md").read_text()
    for part in (
        f"ada.pt, SHA-256 {'12' * 32}",
        f"sam-ffhq1024, SHA-256 {'ef' * 32}",
        "terms: of SAM; and the consent document CONSENT-2",
        record.digest,
        "Reage does not know what rights you hold",
    ):
        assert part in card


def test_published_file_is_found_again_whatever_came_after_and_whatever_it_is_called():
    first = register_adapter("ada", b"one", PUBLISHED)
    register_adapter("ada", b"two", FACTS)
    assert find_published("ada", replace(PUBLISHED, source="copy.pt")) == first
    assert find_published("ada", replace(PUBLISHED, consent_document="CONSENT-3")) is None
    assert find_published("ada", replace(PUBLISHED, source_digest="34" * 32)) is None
    assert find_published("bob", PUBLISHED) is None


def test_list_shows_everybodys_adapters_or_one_actors_and_reads_no_weights():
    assert list_adapters() == []
    records = [
        register_adapter("ada", b"one", FACTS),
        register_adapter("ada", b"two", PUBLISHED),
        register_adapter("bob", b"one", FACTS),
    ]
    assert list_adapters() == records
    assert list_adapters("ada") == records[:2]
    records[0].weights.write_bytes(b"tampered")
    assert list_adapters() == records


def test_adapters_made_for_a_prior_are_named_and_damaged_ones_left_out():
    register_adapter("ada", b"one", FACTS)
    register_adapter("ada", b"two", PUBLISHED)
    damaged = register_adapter("bob", b"one", FACTS)
    (damaged.folder / "config.json").write_text('{"kind": "adapter", "config": []}')
    assert adapters_made_for(FACTS.prior_digest) == ["ada v001"]
    assert adapters_made_for(PUBLISHED.prior_digest) == ["ada v002"]


def test_unknown_version_names_those_that_exist():
    with pytest.raises(RegistryError, match="none registered; train one with `reage train`"):
        find_adapter("ada")
    register_adapter("ada", b"one", FACTS)
    with pytest.raises(RegistryError, match="got v007, expected one of: v001"):
        find_adapter("ada", "v007")


def test_changed_weights_are_refused_with_both_digests():
    record = register_adapter("ada", b"one", FACTS)
    record.weights.write_bytes(b"tampered")
    with pytest.raises(RegistryError, match=f"got sha256 .*expected {record.digest[:12]}"):
        find_adapter("ada")


def test_changed_facts_are_refused():
    record = register_adapter("ada", b"one", FACTS)
    config = record.folder / "config.json"
    described = json.loads(config.read_text())
    for change in ({"consent_document": "FORGED"}, {"strange": 1}):
        spoilt = {**described, "config": {**described["config"], **change}}
        for text in (json.dumps(spoilt), "{", "[]"):
            config.write_text(text)
            with pytest.raises(RegistryError, match="adapter ada v001"):
                find_adapter("ada")


def test_prior_of_another_digest_is_refused_with_both_digests():
    record = register_adapter("ada", b"one", FACTS)
    record.check_prior("compact", FACTS.prior_digest)
    with pytest.raises(RegistryError, match=r"got compact efefefefefef….*expected.*abababababab…"):
        record.check_prior("compact", "ef" * 32)


def test_name_that_leaves_the_registry_is_refused():
    with pytest.raises(NamingError):
        register_adapter("../ada", b"one", FACTS)


def test_version_before_is_the_newest_older_one_trained_for_the_same_prior():
    first, second = (register_adapter("ada", w, FACTS) for w in (b"one", b"two"))
    register_adapter("ada", b"other", replace(FACTS, prior_digest="ff" * 32))
    register_adapter("ada", b"published", PUBLISHED)
    third = register_adapter("ada", b"three", FACTS)
    assert version_before(first) is None
    assert version_before(second) == first
    assert version_before(third) == second
    assert version_before(find_adapter("ada", "v003")) is None


def nightly_of(parent):
    night = {"increment": 2, "num_rehearsed": 3, "buffer_digest": "34" * 32}
    return UpdatedFacts(**asdict(FACTS), parent=parent, **night)


def test_version_before_a_nightly_one_is_its_parent_whatever_was_set_aside_between():
    first = register_adapter("ada", b"one", FACTS)
    bad = register_adapter("ada", b"two", nightly_of("v001"))
    roll_back("ada", "v001")
    night = register_adapter("ada", b"three", nightly_of("v001"))
    assert version_before(bad) == first
    assert version_before(night) == first
    assert version_before(register_adapter("ada", b"four", FACTS)) == night
    assert version_before(register_adapter("ada", b"five", nightly_of(""))) is None


def test_version_before_a_trained_one_is_none_that_a_rollback_set_aside():
    first = register_adapter("ada", b"one", FACTS)
    register_adapter("ada", b"two", FACTS)
    roll_back("ada", "v001")
    assert version_before(register_adapter("ada", b"three", FACTS)) == first


def test_course_of_a_nightly_version_returns_as_it_was_given():
    register_adapter("ada", b"one", nightly_of("v001"))
    assert find_adapter("ada").facts == nightly_of("v001")
    assert find_adapter("ada").facts.strength_course == FACTS.strength_course
