"""Nights of people whose decoder is their own, on small networks of both kinds of prior."""

from datetime import date

import numpy as np
import pytest
import torch

from flows.nightly_update import nightly_update
from flows.reage_shot import find_adapter_for, reage_shot
from models.ageing.prior import Prior
from reage.errors import ManifestError, ReageError, RegistryError
from reage.manifest import ActorInShot, load_actor
from reage.registry.adapters import adapter_versions, find_adapter
from reage.registry.buffers import find_buffer
from reage.registry.priors import find_prior
from reage.rehearsal.replay_buffer import Faces, load_buffer
from studio.demo import DemoActor, delivered_files, demo_shot
from tasks.critics import loaded_critics, perceptual_metric
from tasks.examination import figures
from tasks.personal_models import PersonalModel, registered_model
from tasks.photo_set import PhotoSet
from tasks.refs import AdapterRef, PriorRef
from tasks.states import StateRef
from tasks.weights import import_weights
from tests.flows.nights import LIMITS, Studio, register_tiny_prior
from tests.published_files import SMALL, write_published

pytestmark = pytest.mark.usefixtures("prefect_server")

NIGHTLY = """\
nightly:
  prior: {prior}
  {learner}
  steps: 12
  buffer: {{images: 3, held_out: 2}}
  tolerance: {{distance: 1.0, identity: {identity}, likeness: 2.0}}
"""
FIRST, SECOND = (30, 34, 38, 42, 46, 50), (52, 54, 58)
STYLEGAN = "sam-ffhq1024"


def nightly(prior, learner, *, identity=2.0):
    line = f"learner: {learner}" if learner else ""
    return NIGHTLY.format(prior=prior, learner=line, identity=identity)


def run(studio):
    [ada] = nightly_update(str(studio.actors), work=str(studio.work), limits=LIMITS).actors
    return ada


@pytest.fixture(scope="module")
def priors(tmp_path_factory):
    """A studio with a small compact prior and a small StyleGAN2, imported; nobody's photographs."""
    studio = Studio(tmp_path_factory.mktemp("priors"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAGE_HOME", str(studio.home))
        register_tiny_prior(studio.root / "tiny")
        import_weights(write_published(studio.root / "sam.pt", "sam"), "sam", sizes=SMALL)
        import_weights(write_published(studio.root / "lpips.pt", "lpips"), "lpips", sizes=SMALL)
    return studio


@pytest.fixture(autouse=True)
def large_steps(monkeypatch):
    """Twelve steps have to show; the real rates are for hundreds."""
    rates = {"generator": 1e-2, "low_rank": 3e-2}
    monkeypatch.setattr("tasks.own_decoders.LEARNING_RATES", rates)


@pytest.fixture
def studio(priors, tmp_path, monkeypatch):
    """The same, and in use."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "studio" / "home"))
    return priors.copy(tmp_path / "studio")


def held_out_distance(prior, person, faces: Faces):
    """Mean perceptual distance of held-out photographs from what a model makes of them."""
    critics = loaded_critics(prior, perceptual_metric(prior))
    photos = PhotoSet.of(person.prior, critics, faces.crops, faces.ages)
    return np.mean([face["distance"] for face in figures(critics, person, photos, [])])


@pytest.mark.parametrize("learner", ["generator", "low_rank"])
@pytest.mark.parametrize("prior", ["tiny", STYLEGAN])
def test_night_teaches_a_decoder_examines_publishes_and_commits_its_buffer(studio, prior, learner):
    studio.write_actor(nightly=nightly(prior, learner))
    studio.receive(*FIRST)
    first = run(studio)
    assert (first.outcome, first.after, first.landscape) == ("updated", "v001", "")
    # The version says from here on what is learnt.
    studio.write_actor(nightly=nightly(prior, None))
    studio.receive(*SECOND)
    second = run(studio)
    assert (second.outcome, second.before, second.after) == ("updated", "v001", "v002")
    assert second.num_rehearsed == 3
    assert {face.increment for face in second.faces} == {1, 2}
    assert all(face.before.keys() == {"distance", "identity", "likeness"} for face in second.faces)

    record, buffer = find_adapter("ada"), find_buffer("ada", "v002")
    assert (record.facts.learner, record.facts.parent) == (learner, "v001")
    assert record.facts.buffer_digest == buffer.digest
    assert buffer.described["num_pool"] == 3 + record.facts.num_photographs
    general = PriorRef.of(find_prior(prior))
    faces = load_buffer(buffer.arrays).held_out
    versions = [AdapterRef.of(find_adapter("ada", version)) for version in ("v001", "v002")]
    apart = [
        held_out_distance(general, registered_model(version, general), faces)
        for version in (None, *versions)
    ]
    assert apart[1] < apart[0], "the first night shows in photographs that it did not learn from"
    assert apart[2] < apart[0]


def test_first_night_of_low_rank_weights_keeps_few_numbers_and_the_prior_as_it_is(studio):
    general = PriorRef.of(find_prior("tiny"))
    before = {k: v.clone() for k, v in registered_model(None, general).prior.state_dict().items()}
    studio.write_actor(nightly=nightly("tiny", "low_rank"))
    studio.receive(*FIRST)
    assert run(studio).outcome == "updated"
    record = find_adapter("ada")
    assert record.facts.network == {"rank": 1, "lora_alpha": 1.0}
    person: Prior = registered_model(AdapterRef.of(record), general).prior
    prior = PersonalModel(registered_model(None, general).prior).prior
    assert all(torch.equal(prior.state_dict()[name], tensor) for name, tensor in before.items())
    changed = {
        name.split(".")[0]
        for name, tensor in person.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {"synthesis"}


def test_decoder_beyond_the_tolerance_is_refused_and_its_version_stands(studio):
    studio.write_actor(nightly=nightly("tiny", "generator"))
    studio.receive(*FIRST)
    assert run(studio).outcome == "updated"
    # Photographs of another look, learnt with steps that are far too large.
    studio.write_actor(nightly=nightly("tiny", "generator", identity=0.01))
    studio.receive_dark(61, 62, 63)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.own_decoders.LEARNING_RATES", {"generator": 0.3})
        ada = run(studio)
    assert (ada.outcome, ada.after, adapter_versions("ada")) == ("refused", "v001", ["v001"])
    assert all(r.startswith("increment 1 ") and "identity: got" in r for r in ada.reasons)


def test_version_does_not_change_its_learner(studio):
    studio.write_actor(nightly=nightly("tiny", "generator"))
    studio.receive(*FIRST)
    assert run(studio).outcome == "updated"
    studio.write_actor(nightly=nightly("tiny", "low_rank"))
    with pytest.raises(ReageError, match="learner: got generator, expected low_rank"):
        run(studio)
    with pytest.raises(RegistryError, match="learner: got generator, expected adapter"):
        StateRef.of(find_adapter("ada"))


def test_barrier_between_decoders_is_refused_where_it_is_written(studio):
    text = nightly("tiny", "generator").replace("distance: 1.0", "barrier: 0.1, distance: 1.0")
    path = studio.write_actor(nightly=text)
    with pytest.raises(ManifestError, match=r"barrier: got 0\.1, expected none with learner gen"):
        load_actor(path)


def test_shot_is_rendered_with_the_decoder_that_a_night_learnt(studio, small_plate, tmp_path):
    studio.write_actor(nightly=nightly("tiny", "generator"))
    studio.receive(*FIRST)
    assert run(studio).outcome == "updated"
    actor = DemoActor(
        actor="ada", name="Ada", document="CONSENT-1", granted=date(2020, 1, 1),
        expires=date(2100, 1, 1), scope="render, train",
    )  # fmt: skip
    masters = []
    for adapter in ("none", "latest"):
        shot = demo_shot(
            tmp_path, small_plate, actor=actor, prior="tiny", num_frames=2, adapter=adapter
        )
        files = delivered_files(reage_shot(str(shot), work=str(studio.work)))
        masters.append(files["master"].read_bytes())
    assert masters[0] != masters[1]
    halfway = ActorInShot.model_validate(
        {"actor": "ada", "adapter": "latest", "target_age": 70, "adapter_strength": 0.5}
    )
    with pytest.raises(RegistryError, match=r"got 0\.5, expected 1, as a version of learner gen"):
        find_adapter_for(halfway, PriorRef.of(find_prior("tiny")))
