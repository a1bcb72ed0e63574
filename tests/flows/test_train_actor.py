"""Training an actor end to end: real photographs, the embedded prior, a few steps."""

import json
from dataclasses import replace
from datetime import date

import pytest
import skimage.data
from matplotlib.cbook import get_sample_data
from PIL import Image

from flows.diagnose_adapter import REMEMBERED, diagnose_adapter
from flows.reage_shot import find_adapter_for, reage_shot
from flows.synthetic_actor import photograph_synthetic_actor
from flows.train_actor import train_actor
from reage.collection.portrait_measures import PortraitLimits
from reage.errors import CollectionError, ConsentError, RegistryError, TrainingError
from reage.manifest import ActorInShot
from reage.registry.adapters import adapter_versions, register_adapter
from reage.registry.priors import find_prior
from reage.workspace import Workspace
from studio.demo import delivered_files, demo_shot
from tasks.refs import AdapterRef, PriorRef

MANIFEST = """\
schema_version: 1
actor: astronaut
names: [Demo astronaut]
{collection}
consent:
  document_id: SYNTHETIC-ACTOR
  scope: [{scope}]
  shows: any
  granted: 1992-01-01
  expires: {expires}
"""
STEPS = 3
ALIKE = PortraitLimits(duplicate_bits=0)  # all are made from one portrait


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("actor")
    Image.fromarray(skimage.data.astronaut()).save(folder / "astronaut.png")
    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        picture.convert("RGB").save(folder / "other.png")
    photograph_synthetic_actor(
        folder / "astronaut.png",
        folder / "other.png",
        folder / "photographs",
        ages=[30, 38, 46, 54, 62, 70],
    )
    return folder / "photographs"


def write_actor(folder, photographs, *, scope="render, train", expires=date(2100, 1, 1)):
    """Writes an actor's manifest; without photographs it names no collection."""
    path = folder / "actors" / "astronaut.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    collection = f"collection: {json.dumps(str(photographs))}" if photographs else ""
    path.write_text(MANIFEST.format(collection=collection, scope=scope, expires=expires))
    return path


def withdrawing(manifest):
    """Returns a training during which the actor's consent is withdrawn."""

    def train(*_, **__):
        manifest.write_text(manifest.read_text() + "  revoked: 2020-01-01\n")

    return train


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A registry and a work folder that the tests of this file share."""
    folder = tmp_path_factory.mktemp("studio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAGE_HOME", str(folder / "home"))
        yield folder


@pytest.fixture(scope="module")
def train(studio, photographs, prefect_server):
    manifest = write_actor(studio, photographs)

    def run(**settings):
        fields = {"steps": STEPS, "work": str(studio / "work"), "limits": ALIKE, **settings}
        return train_actor(str(manifest), **fields)

    return run


@pytest.fixture(scope="module")
def first(train):
    return train()


def test_trained_adapter_is_a_version_that_says_what_it_rests_on(first, studio):
    prior, facts = find_prior(), first.facts
    assert (first.actor, first.version) == ("astronaut", "v001")
    assert (facts.prior_name, facts.prior_digest) == ("compact", prior.digest)
    assert (facts.num_photographs, facts.min_age, facts.max_age) == (6, 30.0, 70.0)
    assert facts.consent_document == "SYNTHETIC-ACTOR"
    assert facts.recipe["steps"] == STEPS
    assert set(facts.metrics) == {
        "likeness_prior", "likeness_adapter", "age_error_prior", "age_error_adapter",
        "strength_departure", "strength_departure_plain",
    }  # fmt: skip
    assert (facts.strength_course[0], facts.strength_course[-1]) == (0.0, 1.0)
    assert AdapterRef.of(first).strength_course == tuple(facts.strength_course)
    [entry] = [
        entry
        for line in (studio / "work" / "audit.jsonl").read_text().splitlines()
        if (entry := json.loads(line)["event"])["event"] == "train"
    ]
    assert entry["weights"] == first.digest
    assert entry["consent"] == "SYNTHETIC-ACTOR"


def test_second_run_trains_nothing_and_finds_the_version(train, first, monkeypatch):
    monkeypatch.setattr("tasks.adapters.School", None)
    assert train() == first


def test_training_leaves_a_strip_to_look_at(first, studio):
    [preview] = (studio / "work" / "actors" / "astronaut" / "adapter").glob("*/preview.png")
    with Image.open(preview) as strip:
        assert strip.width > strip.height > 500


def test_training_ends_with_a_landscape_that_diagnosing_finds_again(first, studio, monkeypatch):
    told = Workspace.of_actor(studio / "work", "astronaut").recall(REMEMBERED)
    assert told["version"] == "v001"
    monkeypatch.setattr("tasks.landscape.Ground", None)
    manifest = str(studio / "actors" / "astronaut.yaml")
    found = diagnose_adapter(manifest, work=str(studio / "work"), limits=ALIKE)
    assert (found.headline, str(found.page)) == (told["headline"], told["page"])
    assert found.barrier is None
    assert "astronaut <span>v001</span>" in found.page.read_text()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"scope": "render"}, "train"), ({"expires": date(1993, 1, 1)}, "1993-01-01")],
)
def test_no_consent_no_training(
    photographs, tmp_path, monkeypatch, prefect_server, settings, sentence
):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    manifest = write_actor(tmp_path, photographs, **settings)
    with pytest.raises(ConsentError, match=sentence):
        train_actor(str(manifest), work=str(tmp_path / "work"))
    assert adapter_versions("astronaut") == []
    assert not (tmp_path / "work").exists()


def test_consent_withdrawn_during_training_registers_nothing(
    photographs, tmp_path, monkeypatch, prefect_server
):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    manifest = write_actor(tmp_path, photographs)
    monkeypatch.setattr("flows.train_actor.gathered", lambda *_, **__: None)
    monkeypatch.setattr("flows.train_actor.train_adapter", withdrawing(manifest))
    with pytest.raises(ConsentError, match="revoked: got 2020-01-01"):
        train_actor(str(manifest), work=str(tmp_path / "work"))
    assert adapter_versions("astronaut") == []


def test_actor_without_a_collection_says_so(tmp_path, prefect_server):
    with pytest.raises(CollectionError, match="collection: got nothing, expected a folder"):
        train_actor(str(write_actor(tmp_path, None)), work=str(tmp_path / "work"))


def test_unknown_preset_is_one_sentence(train):
    with pytest.raises(TrainingError, match="got hasty, expected one of: default, paper"):
        train(preset="hasty")


def asked(adapter):
    return ActorInShot(actor="astronaut", target_age=70, adapter=adapter)


def test_shot_finds_the_adapter_its_manifest_asks_for(first):
    prior = PriorRef.of(find_prior())
    assert find_adapter_for(asked("none"), prior) is None
    assert find_adapter_for(asked("latest"), prior).digest == first.digest
    assert find_adapter_for(asked("v001"), prior).version == "v001"
    with pytest.raises(RegistryError, match="got v009, expected one of: v001"):
        find_adapter_for(asked("v009"), prior)


def test_adapter_of_another_prior_is_refused_with_both_digests(first, tmp_path, monkeypatch):
    weights = first.weights.read_bytes()
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    register_adapter("astronaut", weights, replace(first.facts, prior_digest="ab" * 32))
    prior = PriorRef.of(find_prior())
    with pytest.raises(RegistryError, match=rf"got compact {prior.digest[:12]}….*{'ab' * 6}…"):
        find_adapter_for(asked("latest"), prior)


def test_shot_with_an_adapter_says_which_and_differs_from_the_prior_alone(
    first, small_plate, tmp_path
):
    masters, reports = {}, {}
    for adapter in ("none", "latest"):
        folder = tmp_path / adapter
        manifest = demo_shot(folder, small_plate, num_frames=4, adapter=adapter)
        files = delivered_files(reage_shot(str(manifest), work=str(folder / "work")))
        masters[adapter] = files["master"].read_bytes()
        reports[adapter] = json.loads(files["provenance"].read_text())["actors"][0]["adapter"]
    assert reports["none"] == {"version": "none", "sha256": None}
    assert reports["latest"] == {"version": "v001", "sha256": first.digest}
    assert masters["none"] != masters["latest"]
