"""A published checkpoint as an adapter: the tasks render what its authors' formula gives."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.ageing.mytm import load_personal_sam
from reage.errors import RegistryError
from reage.framerange import FrameRange
from reage.manifest import ActorInShot
from reage.registry.adapter_facts import PublishedFacts
from reage.registry.adapters import adapter_versions, find_adapter
from reage.registry.priors import find_prior
from reage.registry.weights import KNOWN_TERMS, find_weights
from tasks.ageing import age_chunk, encode_chunk, plan_ageing
from tasks.casting import cast_actor
from tasks.crops import Cropper, plate_frames, to_tensor
from tasks.gpu import loaded_adapter, loaded_prior
from tasks.refs import AdapterRef, PriorRef
from tasks.weights import import_published_adapter, import_weights
from tests.published_files import SMALL, personal_state, small_state, write_published
from tests.tasks.conftest import NUM_FRAMES

FRAMES = FrameRange(1001, 1000 + NUM_FRAMES)
ONE_FRAME = FrameRange(1003, 1003)
ACTOR = ActorInShot.model_validate(
    {"actor": "ada", "target_age": 70, "source_age": 40, "track": 0, "adapter": "latest"}
)


def a_persons_state():
    """A checkpoint in which all that may differ from SAM does: drift, decoder, mean latent."""
    state = personal_state()
    state["decoder.conv1.activate.bias"] = state["decoder.conv1.activate.bias"] + 0.5
    state["latent_avg"] = state["latent_avg"] + 0.1
    return state


@pytest.fixture
def sam(tmp_path, monkeypatch):
    """A small SAM, imported."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    import_weights(write_published(tmp_path / "sam.pt", "sam"), "sam", sizes=SMALL)
    return PriorRef.of(find_prior("sam-ffhq1024"))


@pytest.fixture
def bring(sam, tmp_path):
    """Imports a checkpoint as Ada's adapter."""

    def run(state=None, **settings):
        path = write_published(tmp_path / "ada.pt", "mytm", state=state or a_persons_state())
        named = {"consent_document": "CONSENT-1", "sizes": SMALL, **settings}
        return import_published_adapter(path, "ada", **named)

    return run


@pytest.fixture
def adapter(bring):
    return AdapterRef.of(bring())


@pytest.fixture
def person(sam, bring, tmp_path):
    """The same checkpoint, loaded without registry or tasks having a part in it."""
    bring()
    import_weights(tmp_path / "ada.pt", "mytm", name="ada", sizes=SMALL)
    return load_personal_sam(loaded_prior(sam), find_weights("ada").folder)


@pytest.fixture
def rendered(two_faces, sam, workspace):
    """Casts, encodes, plans and ages as the flow does; returns the cast and every ref."""

    def run(adapter, frames=FRAMES, *, encoded_by=None):
        frame_set = two_faces.frame_set
        cast = cast_actor.fn(frame_set, two_faces.tracks, sam, ACTOR, [], workspace=workspace)
        prior = encoded_by or sam.personal(adapter)
        latents = encode_chunk.fn(frame_set, cast, prior, frames, workspace=workspace)
        plan = plan_ageing.fn([latents], cast, prior, ACTOR, adapter, workspace=workspace)
        changes = age_chunk.fn(plan, prior, frames, workspace=workspace)
        return SimpleNamespace(cast=cast, latents=latents, plan=plan, changes=changes)

    return run


def crops_of(two_faces, cast, sam, frames):
    cropper = Cropper.of(cast, loaded_prior(sam))
    images = plate_frames(two_faces.frame_set, frames)
    return to_tensor(np.stack([cropper.crop(frame, image) for frame, image in images]))


def test_change_is_that_of_the_published_formula(two_faces, sam, adapter, person, rendered):
    found = rendered(adapter, ONE_FRAME)
    crops = crops_of(two_faces, found.cast, sam, ONE_FRAME)
    with torch.inference_mode():
        before, after = (
            person.render(crops, torch.full((1,), age, device=crops.device)) for age in (40.0, 70.0)
        )
    expected = ((after - before) / 2).permute(0, 2, 3, 1).cpu().numpy()
    # The age encoder sees the crops as they are kept, in half precision.
    np.testing.assert_allclose(np.load(found.changes.path), expected, atol=2e-3)
    assert np.abs(expected).max() > 0.1


def test_every_frame_is_encoded_by_the_persons_encoder(two_faces, sam, adapter, person, rendered):
    found = rendered(adapter)
    crops = crops_of(two_faces, found.cast, sam, FRAMES)
    with torch.inference_mode():
        expected, general = (
            p.encode(crops).cpu().numpy() for p in (person.prior, loaded_prior(sam))
        )
    w_plus = np.load(found.latents.path)["w_plus"]
    np.testing.assert_allclose(w_plus, expected, atol=1e-5)
    assert np.abs(w_plus - general).max() > 0.05


def test_neither_sam_alone_nor_the_adapter_over_sams_own_networks_is_the_person(
    sam, adapter, rendered
):
    personal, alone = rendered(adapter), rendered(None)
    halfway = rendered(adapter, encoded_by=sam)
    changes = [np.load(found.changes.path) for found in (personal, alone, halfway)]
    for other in changes[1:]:
        assert np.abs(changes[0] - other).max() > 0.01


def test_work_is_keyed_by_the_persons_weights(bring, sam, rendered):
    first = rendered(AdapterRef.of(bring()))
    changed = a_persons_state()
    changed["latent_avg"] = changed["latent_avg"] + 0.2
    second, alone = rendered(AdapterRef.of(bring(changed))), rendered(None)
    for step in ("latents", "plan", "changes"):
        digests = {getattr(found, step).digest for found in (first, second, alone)}
        assert len(digests) == 3, step
    assert sam.personal(None) is sam


def test_personal_prior_is_loaded_once_and_shares_what_is_sams(sam, adapter):
    own = loaded_prior(sam.personal(adapter))
    assert loaded_prior(replace(sam, person=adapter)) is own
    general = loaded_prior(sam).networks
    for shared in ("encoder.latlayer1.weight", "pretrained_encoder.latlayer1.weight"):
        mine, theirs = own.networks.get_parameter(shared), general.get_parameter(shared)
        assert mine.data_ptr() == theirs.data_ptr()
    assert (own.digest, own.judged_by) == (adapter.digest, loaded_prior(sam).judged_by)
    assert torch.equal(general.latent_avg.cpu(), small_state("sam")["latent_avg"])


def test_prior_of_other_weights_is_refused_with_both_digests(sam, adapter, tmp_path):
    path = write_published(tmp_path / "other.pt", "sam", seed=1)
    import_weights(path, "sam", name="sam-other", sizes=SMALL)
    other = PriorRef.of(find_prior("sam-other"))
    with pytest.raises(RegistryError) as caught:
        loaded_prior(other.personal(adapter))
    assert f"got sam-other {other.digest[:12]}…, expected sam-ffhq1024 {sam.digest[:12]}…" in str(
        caught.value
    )


def test_adapter_that_changed_since_the_shot_was_submitted_is_refused(sam, adapter):
    submitted = replace(adapter, digest="0" * 64)
    for load in (lambda: loaded_prior(sam.personal(submitted)), lambda: loaded_adapter(submitted)):
        with pytest.raises(RegistryError, match=r"adapter ada v001: weights: .*0000…; submit the"):
            load()


def test_entry_says_where_it_comes_from(sam, bring, tmp_path):
    record = bring()
    facts = record.facts
    assert isinstance(facts, PublishedFacts)
    assert (facts.prior_name, facts.prior_digest) == ("sam-ffhq1024", sam.digest)
    assert (facts.source, facts.licence) == ("ada.pt", KNOWN_TERMS["mytm"])
    assert bring(licence="agreement 17").facts.licence == "agreement 17"


def test_importing_the_same_again_changes_nothing(bring, monkeypatch):
    first = bring()
    changed = a_persons_state()
    changed["latent_avg"] = changed["latent_avg"] + 0.2
    second = bring(changed)
    monkeypatch.setattr("tasks.weights.register_adapter", None)
    assert (bring(), bring(changed)) == (first, second)
    assert adapter_versions("ada") == ["v001", "v002"]
    assert find_adapter("ada") == second


def test_another_base_makes_another_version(bring, tmp_path):
    bring()
    path = write_published(tmp_path / "other.pt", "sam", seed=1)
    other = import_weights(path, "sam", name="sam-other", sizes=SMALL)
    record = bring(base="sam-other")
    assert (record.version, record.facts.prior_digest) == ("v002", other.digest)


def test_checkpoint_of_another_kind_or_without_its_prior_is_refused(bring, tmp_path):
    path = write_published(tmp_path / "psp.pt", "psp")
    with pytest.raises(RegistryError, match="got a file of psp, expected one of mytm"):
        import_published_adapter(path, "ada", consent_document="CONSENT-1", sizes=SMALL)
    with pytest.raises(RegistryError, match="weights sam-missing: name"):
        bring(base="sam-missing")
    assert adapter_versions("ada") == []
