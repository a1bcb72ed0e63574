"""Training an actor end to end: real photographs, the embedded prior, a few steps."""

import json
from dataclasses import replace
from datetime import date

import pytest
import skimage.data
from matplotlib.cbook import get_sample_data
from PIL import Image

from flows.reage_shot import find_adapter_for
from flows.synthetic_actor import photograph_synthetic_actor
from flows.train_actor import train_actor
from reage.adapters import adapter_versions, find_adapter, register_adapter
from reage.errors import CollectionError, ConsentError, RegistryError, TrainingError
from reage.manifest import ActorInShot
from reage.portrait_measures import PortraitLimits
from reage.registry import find_prior
from tasks.refs import PriorRef

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


@pytest.fixture
def write_actor(tmp_path, photographs, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))

    def write(*, scope="render, train", expires=date(2100, 1, 1), has_collection=True):
        path = tmp_path / "actors" / "astronaut.yaml"
        path.parent.mkdir(exist_ok=True)
        collection = f"collection: {json.dumps(str(photographs))}" if has_collection else ""
        path.write_text(MANIFEST.format(collection=collection, scope=scope, expires=expires))
        return path

    return write


@pytest.fixture
def train(write_actor, tmp_path, prefect_server):
    def run(**settings):
        fields = {"steps": STEPS, "work": str(tmp_path / "work"), "limits": ALIKE, **settings}
        return train_actor(str(write_actor()), **fields)

    return run


def test_trained_adapter_is_a_version_that_says_what_it_rests_on(train, tmp_path):
    record = train()
    prior, facts = find_prior(), record.facts
    assert (record.actor, record.version) == ("astronaut", "v001")
    assert (facts.prior_name, facts.prior_digest) == ("compact", prior.digest)
    assert (facts.num_photographs, facts.min_age, facts.max_age) == (6, 30.0, 70.0)
    assert facts.consent_document == "SYNTHETIC-ACTOR"
    assert facts.recipe["steps"] == STEPS
    assert set(facts.metrics) == {
        "likeness_prior", "likeness_adapter", "age_error_prior", "age_error_adapter"
    }  # fmt: skip
    [entry] = [
        entry
        for line in (tmp_path / "work" / "audit.jsonl").read_text().splitlines()
        if (entry := json.loads(line)["event"])["event"] == "train"
    ]
    assert entry["weights"] == record.digest
    assert entry["consent"] == "SYNTHETIC-ACTOR"


def test_second_run_finds_the_version_and_another_recipe_makes_one(train):
    first, again, other = train(), train(), train(seed=1)
    assert first == again
    assert (again.version, other.version) == ("v001", "v002")
    assert first.digest != other.digest


def test_training_leaves_a_strip_to_look_at(train, tmp_path):
    train()
    [preview] = (tmp_path / "work" / "actors" / "astronaut" / "adapter").glob("*/preview.png")
    with Image.open(preview) as strip:
        assert strip.width > strip.height > 500


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"scope": "render"}, "train"),
        ({"expires": date(1993, 1, 1)}, "1993-01-01"),
    ],
)
def test_no_consent_no_training(write_actor, tmp_path, prefect_server, settings, sentence):
    manifest = write_actor(**settings)
    with pytest.raises(ConsentError, match=sentence):
        train_actor(str(manifest), work=str(tmp_path / "work"))
    assert adapter_versions("astronaut") == []
    assert not (tmp_path / "work").exists()


def test_actor_without_a_collection_says_so(write_actor, tmp_path, prefect_server):
    with pytest.raises(CollectionError, match="collection: got none, expected a folder"):
        train_actor(str(write_actor(has_collection=False)), work=str(tmp_path / "work"))


def test_unknown_preset_is_one_sentence(train):
    with pytest.raises(TrainingError, match="got hasty, expected one of: default, paper"):
        train(preset="hasty")


def test_shot_finds_the_adapter_its_manifest_asks_for(train):
    record = train()
    prior = PriorRef.of(find_prior())

    def entry(adapter):
        return ActorInShot(actor="astronaut", target_age=70, adapter=adapter)

    assert find_adapter_for(entry("none"), prior) is None
    assert find_adapter_for(entry("latest"), prior).digest == record.digest
    assert find_adapter_for(entry("v001"), prior).version == "v001"
    with pytest.raises(RegistryError, match="got v009, expected one of: v001"):
        find_adapter_for(entry("v009"), prior)


def test_adapter_of_another_prior_is_refused_with_both_digests(train):
    record = train()
    facts = replace(record.facts, prior_digest="ab" * 32)
    register_adapter("astronaut", record.weights.read_bytes(), facts)
    prior = PriorRef.of(find_prior())
    assert find_adapter("astronaut").version == "v002"
    asked = ActorInShot(actor="astronaut", target_age=70, adapter="latest")
    with pytest.raises(RegistryError, match=rf"got compact {prior.digest[:12]}….*{'ab' * 6}…"):
        find_adapter_for(asked, prior)
