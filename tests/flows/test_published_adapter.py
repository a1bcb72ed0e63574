"""A studio's published checkpoint from its file to a delivered shot, and what stands in its way."""

import json
from dataclasses import replace
from datetime import date
from functools import partial
from types import SimpleNamespace

import pytest

from flows.import_weights import import_adapter
from flows.reage_shot import find_adapter_for, reage_shot
from reage.errors import ConsentError, RegistryError
from reage.manifest import ActorInShot
from reage.provenance import AuditLog
from reage.registry.adapters import adapter_versions
from reage.registry.priors import find_prior
from studio.demo import DemoActor, delivered_files, demo_shot
from tasks.refs import PriorRef
from tasks.states import StateRef
from tasks.weights import import_published_adapter, import_weights
from tests.published_files import SMALL, personal_state, write_published

ADA = DemoActor(
    actor="ada",
    name="Ada",
    document="CONSENT-1",
    granted=date(2020, 1, 1),
    expires=date(2100, 1, 1),
    scope="render, train",
)


@pytest.fixture
def studio(tmp_path, monkeypatch, small_plate):
    """A registry with a small SAM; writes Ada's shots and imports her checkpoints."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    small = partial(import_published_adapter, sizes=SMALL)
    monkeypatch.setattr("flows.import_weights.import_published_adapter", small)
    import_weights(write_published(tmp_path / "sam.pt", "sam"), "sam", sizes=SMALL)
    work = tmp_path / "work"

    def shot(**settings):
        fields = {"actor": ADA, "prior": "sam-ffhq1024", "num_frames": 3, **settings}
        return demo_shot(tmp_path, small_plate, **fields)

    def bring(*, moved=0.0, **settings):
        state = personal_state()
        state["latent_avg"] = state["latent_avg"] + moved
        path = write_published(tmp_path / f"ada_{moved}.pt", "mytm", state=state)
        shot(**settings)
        manifest = tmp_path / "manifests" / "actors" / "ada.yaml"
        return import_adapter(path, manifest, work=work)

    def delivered(**settings):
        return delivered_files(reage_shot(str(shot(**settings)), work=str(work)))

    return SimpleNamespace(bring=bring, delivered=delivered, work=work)


def actor_of(files):
    return json.loads(files["provenance"].read_text())["actors"][0]


def test_shot_is_rendered_by_the_checkpoint_and_says_by_which(studio, prefect_server):
    first = studio.bring()
    alone = studio.delivered(adapter="none")
    personal = studio.delivered(adapter="latest")
    second = studio.bring(moved=0.2)
    newer, pinned = studio.delivered(adapter="latest"), studio.delivered(adapter="v001")
    masters = [files["master"].read_bytes() for files in (alone, personal, newer)]
    assert len(set(masters)) == 3
    assert pinned["master"].read_bytes() == masters[1]
    assert actor_of(alone)["adapter"] == {"version": "none", "sha256": None}
    assert actor_of(personal)["adapter"] == {"version": "v001", "sha256": first.digest}
    assert actor_of(newer)["adapter"] == {"version": "v002", "sha256": second.digest}
    rendered = [
        entry["event"]["adapters"]
        for entry in AuditLog(studio.work / "audit.jsonl").entries()
        if entry["event"]["event"] == "render"
    ]
    named = {"ada": first.digest}
    assert rendered == [{}, named, {"ada": second.digest}, named]


def test_import_enters_file_version_prior_and_consent_in_the_audit_log(studio):
    record = studio.bring()
    [entry] = AuditLog(studio.work / "audit.jsonl").entries()
    assert entry["event"] == {
        "event": "import",
        "actor": "ada",
        "version": "v001",
        "weights": record.digest,
        "prior": find_prior("sam-ffhq1024").digest,
        "file": record.facts.source_digest,
        "consent": "CONSENT-1",
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"scope": "render"}, "train among the uses"),
        ({"expires": date(2021, 1, 1)}, "2021-01-01"),
    ],
)
def test_no_consent_no_import(studio, settings, sentence):
    with pytest.raises(ConsentError, match=sentence):
        studio.bring(actor=replace(ADA, **settings))
    assert adapter_versions("ada") == []
    assert not studio.work.exists()


def test_consent_is_asked_again_when_the_checkpoint_is_used(studio, prefect_server):
    studio.bring()
    with pytest.raises(ConsentError, match="render among the uses"):
        studio.delivered(adapter="latest", actor=replace(ADA, scope="train"))


def test_shot_on_another_prior_is_refused_with_both_digests(studio):
    made_for = find_prior("sam-ffhq1024").digest
    studio.bring()
    prior = PriorRef.of(find_prior("compact"))
    asked = ActorInShot(actor="ada", target_age=70, adapter="latest")
    with pytest.raises(RegistryError) as caught:
        find_adapter_for(asked, prior)
    assert str(caught.value).startswith(
        f"adapter ada v001: prior: got compact {prior.digest[:12]}…, expected sam-ffhq1024 "
        f"{made_for[:12]}…; name that prior in the shot manifest"
    )


@pytest.mark.parametrize(
    ("strength", "got"), [(0.5, "0.5"), (0, "0"), ({"keyframes": {1001: 1}}, "keyframes")]
)
def test_published_checkpoint_takes_no_other_strength_than_1(studio, strength, got):
    studio.bring()
    prior = PriorRef.of(find_prior("sam-ffhq1024"))
    fields = {"actor": "ada", "target_age": 70, "adapter": "latest"}
    asked = ActorInShot.model_validate({**fields, "adapter_strength": strength})
    with pytest.raises(RegistryError) as caught:
        find_adapter_for(asked, prior)
    assert str(caught.value) == (
        f"adapter ada v001: adapter_strength: got {got}, expected 1, as a published checkpoint has "
        "an encoder of its own and what lies between its normalisation and the prior's was never "
        "measured; leave adapter_strength out"
    )
    whole = ActorInShot.model_validate({**fields, "adapter_strength": 1})
    assert find_adapter_for(whole, prior).is_published


def test_published_checkpoint_cannot_be_diagnosed(studio):
    record = studio.bring()
    with pytest.raises(RegistryError, match="how a published one began is not known"):
        StateRef.of(record)
