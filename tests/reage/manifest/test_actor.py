import json
from datetime import date

import pytest
from pydantic import ValidationError

from reage.errors import ManifestError
from reage.manifest import ActorManifest, load_actor
from reage.manifest.problems import findings_of, known_keys

ADA = {
    "actor": "ada",
    "names": ["Ada Example"],
    "birth_date": "1964-03-02",
    "consent": {
        "document_id": "DEMO-2026-001",
        "scope": ["render"],
        "shows": "any",
        "granted": "2026-01-01",
        "expires": "2036-12-31",
    },
}


def mistakes(values):
    with pytest.raises(ValidationError) as caught:
        ActorManifest.model_validate(values)
    return [str(finding) for finding in findings_of(caught.value, known_keys(ActorManifest))]


def test_actor_reads_back_from_its_own_json():
    actor = ActorManifest.model_validate(ADA)
    assert actor.consent.expires == date(2036, 12, 31)
    again = ActorManifest.model_validate_json(actor.model_dump_json())
    assert again == actor
    assert again.digest == actor.digest


def test_actor_takes_any_script_in_display_names():
    names = ["Ада Пример", "艾达", "Ada 🎬 Example"]
    assert ActorManifest.model_validate({**ADA, "names": names}).names == tuple(names)


@pytest.mark.parametrize("birth", ["2008-01-01", "1964-03-02"])
def test_actor_of_18_on_the_day_of_consent_is_taken(birth):
    actor = ActorManifest.model_validate({**ADA, "birth_date": birth})
    assert actor.birth_date.isoformat() == birth


def test_actor_a_day_short_of_18_is_refused():
    (mistake,) = mistakes({**ADA, "birth_date": "2008-01-02"})
    assert mistake.startswith("birth_date: got 2008-01-02, expected a birth date at least 18 years")


@pytest.mark.parametrize("written", ["2026-02-30", "2026-1-1", "20260101", 20260101, "01.01.2026"])
def test_dates_have_one_spelling(written):
    (mistake,) = mistakes({**ADA, "birth_date": written})
    assert mistake.startswith("birth_date: got ")
    assert mistake.endswith("expected a date as in 2026-01-31")


@pytest.mark.parametrize("written", ["", "/x", "a\nb", "x" * 200, "ümlaut"])
def test_document_id_refuses_what_cannot_be_filed(written):
    (mistake,) = mistakes({**ADA, "consent": {**ADA["consent"], "document_id": written}})
    assert mistake.startswith("consent.document_id: got ")


def test_consent_is_required_and_has_no_open_end():
    assert mistakes({k: v for k, v in ADA.items() if k != "consent"}) == [
        "consent: got nothing, expected a value; this key is required"
    ]
    unending = {k: v for k, v in ADA["consent"].items() if k != "expires"}
    assert mistakes({**ADA, "consent": unending}) == [
        "consent.expires: got nothing, expected a value; this key is required"
    ]


def test_actor_without_a_section_nightly_has_no_nights_and_one_without_keys_the_defaults():
    assert ActorManifest.model_validate(ADA).nightly is None
    nightly = ActorManifest.model_validate({**ADA, "nightly": {}}).nightly
    assert (nightly.buffer.strategy, nightly.buffer.images, nightly.prior) == (
        "hull",
        10,
        "compact",
    )


@pytest.mark.parametrize(
    ("nightly", "said"),
    [
        ({"buffer": {"image": 3}}, "nightly.buffer.image: "),
        ({"buffer": {"strategy": "joint"}}, "nightly.buffer.strategy: got 'joint'"),
        ({"buffer": {"images": 0}}, "nightly.buffer.images: got 0"),
        ({"tolerance": {"likeness": -0.1}}, "nightly.tolerance.likeness: got -0.1"),
        ({"tolerance": {"identity": "0.1"}}, "nightly.tolerance.identity: got '0.1'"),
    ],
)
def test_section_nightly_is_strict(nightly, said):
    (mistake,) = mistakes({**ADA, "nightly": nightly})
    assert mistake.startswith(said)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("photographs", "s3://show/manifests/actors/photographs"),
        ("../../faces/ada", "s3://show/faces/ada"),
        ("../..", "s3://show"),
        ("s3://other/ada", "s3://other/ada"),
        ("/mnt/faces", "/mnt/faces"),
    ],
)
def test_places_of_a_manifest_from_a_bucket_start_there(place, found, tmp_path):
    path = tmp_path / "ada.yaml"
    path.write_text(json.dumps(ADA))  # JSON is YAML
    actor = load_actor(path, origin="s3://show/manifests/actors/ada.yaml")
    assert actor.resolve(place) == found
    with pytest.raises(ManifestError, match="leads out of the bucket, expected a place in show"):
        actor.resolve("../../../elsewhere")


def test_learner_of_nights_is_one_of_three_and_barriers_are_of_adapters():
    def nightly(**values):
        return {**ADA, "nightly": values}

    assert ActorManifest.model_validate(nightly()).nightly.learner is None
    assert ActorManifest.model_validate(nightly(learner="low_rank")).nightly.learner == "low_rank"
    [said] = mistakes(nightly(learner="whole"))
    assert said.startswith("nightly.learner: got 'whole', expected adapter, generator or")
    [said] = mistakes(nightly(learner="generator", tolerance={"barrier": 0.05}))
    assert said.startswith("nightly.tolerance.barrier: got 0.05, expected none with learner gen")
