"""An actor's 3D face end to end: real photographs, a tiny 3D prior, a few steps, a movie."""

import json
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from flows.train_face3d import train_face3d
from flows.turntable import turntable
from models.lora.checkpoint import read_beside
from reage.collection.portrait_measures import PortraitLimits
from reage.errors import ConsentError, ManifestError, RegistryError
from reage.looks import Looks
from reage.registry.adapters import adapter_versions
from reage.registry.faces3d import face3d_versions, find_face3d, list_faces3d
from reage.registry.triplane_priors import find_triplane_prior
from reage.registry.withdrawal import holdings_of, purge
from reage.storage import file_digest
from reage.turntable import Turntable
from reage.video import probe, read_frames
from studio.face3d import run_turntable
from tasks.face3d_looks import shown_looks
from tasks.face3d_refs import Face3DPriorRef
from tests.flows.test_train_actor import withdrawing, write_actor
from tests.tri_planes import drawn, write_tiny_prior

STEPS = 3
LIMITS = PortraitLimits(duplicate_bits=0)  # all are one portrait, dimmed or mirrored
SHORT = Turntable(first_yaw=-20, last_yaw=20, fps=12, seconds=0.5)


@pytest.fixture(scope="module")
def studio(tmp_path_factory, prefect_server):
    folder = tmp_path_factory.mktemp("studio")
    photographs = folder / "photographs"
    photographs.mkdir()
    portrait = skimage.data.astronaut()
    dimmed = (portrait * 0.8).astype(np.uint8)
    for age, picture in ((30, dimmed), (35, portrait), (40, portrait[:, ::-1])):
        Image.fromarray(picture).save(photographs / f"{age}_1.png")
    directions = {"age_direction": torch.full((8,), 0.05), "smile_direction": drawn(6, 8)}
    write_tiny_prior(folder / "tiny", **directions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAGE_HOME", str(folder / "home"))
        yield folder


def trained(studio, **settings):
    manifest = write_actor(studio, studio / "photographs")
    fields = {"prior": str(studio / "tiny"), "steps": STEPS, "limits": LIMITS, **settings}
    return train_face3d(str(manifest), work=str(studio / "work"), **fields)


@pytest.fixture(scope="module")
def face(studio):
    return trained(studio)


def shown(studio, view=SHORT, **settings):
    manifest = studio / "actors" / "astronaut.yaml"
    fields = {"prior": str(studio / "tiny"), **settings}
    return turntable(str(manifest), view, work=str(studio / "work"), **fields)


def frames_of(folder):
    info = probe(folder / "turntable.mp4")
    frames = read_frames(info, info.frames, colourspace="rec709")
    return [image.pixels for _, image in frames]


def test_trained_face_is_a_version_of_its_own_that_says_what_it_rests_on(face, studio):
    assert (face.actor, face.version) == ("astronaut", "v001")
    assert adapter_versions("astronaut") == []  # shots' adapters are numbered apart
    facts = face.facts
    assert (facts.prior_name, facts.prior_digest) == (
        "tiny", file_digest(studio / "tiny" / "weights.safetensors"),
    )  # fmt: skip
    assert (facts.num_photographs, facts.consent_document) == (3, "SYNTHETIC-ACTOR")
    assert facts.recipe["steps"] == STEPS
    assert set(facts.metrics) == {"psnr_prior", "psnr_personal"}
    beside = read_beside(face.weights)
    assert beside["anchors"].shape == (3, 6, 8)
    assert beside["ages"].tolist() == [30.0, 35.0, 40.0]
    assert beside["cameras"].shape == (3, 25)
    events = [json.loads(line)["event"] for line in (studio / "work" / "audit.jsonl").open()]
    [event] = [e for e in events if e["event"] == "train 3D"]
    assert (event["weights"], event["consent"]) == (face.digest, "SYNTHETIC-ACTOR")
    assert "3 photographs" in (face.folder / "MODEL_CARD.md").read_text()
    assert list_faces3d("astronaut") == [face]


def test_second_run_finds_the_version(face, studio, monkeypatch):
    monkeypatch.setattr("tasks.face3d_training.learn_increment", None)
    assert trained(studio) == face


def test_turntable_is_a_movie_with_its_provenance(face, studio):
    folder = shown(studio)
    movie = folder / "turntable.mp4"
    info = probe(movie)
    assert (info.width, info.height, len(info.frames)) == (256, 256, 6)
    record = json.loads((folder / "turntable.json").read_text())
    assert record["movie"] == {"sha256": file_digest(movie), "frames": 6}
    assert record["consent_document_id"] == "SYNTHETIC-ACTOR"
    assert record["digital_source_type"].endswith("/trainedAlgorithmicMedia")
    assert record["face3d"] == {"version": "v001", "sha256": face.digest}
    first, *_, middle, _, _ = frames_of(folder)
    assert np.abs(first - middle).mean() > 0.003  # the head turns
    assert shown(studio) == folder


def test_turntable_at_an_age_moves_the_look_along_the_priors_direction(face, studio):
    older = shown(studio, replace(SHORT, target_age=60))
    record = json.loads((older / "turntable.json").read_text())
    assert record["turntable"]["target_age"] == 60
    frames = [frames_of(folder)[0] for folder in (shown(studio), older)]
    assert np.abs(frames[0] - frames[1]).mean() > 0.003


def test_movie_goes_from_the_look_of_one_photograph_to_anothers_and_back(face, studio):
    frontal = replace(SHORT, first_yaw=0, last_yaw=0)
    looks = Looks(first="30_1.png", last="3")
    folder = shown(studio, replace(frontal, looks=looks))
    record = json.loads((folder / "turntable.json").read_text())
    assert record["looks"] == {"first": "30_1.png", "last": "40_1.png", "edits": {}}
    assert record["turntable"]["looks"]["first"] == "30_1.png"
    prior = Face3DPriorRef.of(find_triplane_prior(str(studio / "tiny")))
    way = shown_looks(face, prior, looks, None).at(torch.tensor([0.0, 0.5, 1.0]))
    anchors = read_beside(face.weights)["anchors"]
    torch.testing.assert_close(way[[0, 2]], anchors[[0, 2]])
    torch.testing.assert_close(way[1], (anchors[0] + anchors[2]) / 2)
    sheet = np.asarray(Image.open(folder / "turntable.png"))
    assert sheet.shape == (310, 4 * 260 + 4, 3)


def test_edit_moves_the_look_and_says_how_far_it_came(face, studio, capsys):
    looks = Looks(edits={"smile": 2.0})
    folder = shown(studio, replace(SHORT, first_yaw=0, last_yaw=0, looks=looks))
    record = json.loads((folder / "turntable.json").read_text())
    edit = record["looks"]["edits"]["smile"]
    assert edit["asked"] == 2.0
    assert 0 < edit["reached"] < 2.0
    assert record["looks"]["first"] == "middle of 3 photographs"
    first, *_, far, _, _ = frames_of(folder)
    assert np.abs(first - far).mean() > 0.0005


def test_look_or_direction_that_there_is_not_is_one_sentence(face, studio):
    with pytest.raises(RegistryError, match=r"photograph: got '4', .* 1 to 3 or one of: 30_1.png,"):
        shown(studio, replace(SHORT, looks=Looks(last="4")))
    with pytest.raises(RegistryError, match=r"edit: got frown, expected one of its .*: smile;"):
        shown(studio, replace(SHORT, looks=Looks(edits={"frown": 1.0})))


def test_prior_without_an_age_direction_says_so(face, studio):
    bare = studio / "bare" / "tiny"
    if not bare.is_dir():
        write_tiny_prior(bare)
    with pytest.raises(RegistryError, match="age: got 60 years, expected none of a prior that"):
        shown(studio, replace(SHORT, target_age=60), prior=str(bare))


def test_face_of_another_prior_is_refused(face, studio):
    other = studio / "other"
    if not other.is_dir():
        write_tiny_prior(other, seed=1)
    with pytest.raises(RegistryError, match="prior: got other"):
        shown(studio, prior=str(other))


def test_consent_is_asked_before_training_and_rendering(face, studio):
    elsewhere = studio / "elsewhere"
    manifest = write_actor(elsewhere, studio / "photographs", scope="render")
    with pytest.raises(ConsentError, match="scope: got render, expected train"):
        train_face3d(str(manifest), prior=str(studio / "tiny"), work=str(elsewhere / "work"))
    manifest = write_actor(elsewhere, studio / "photographs", scope="train")
    with pytest.raises(ConsentError, match="scope: got train, expected render"):
        turntable(str(manifest), SHORT, prior=str(studio / "tiny"), work=str(elsewhere / "work"))


def test_consent_withdrawn_during_training_registers_nothing(studio, monkeypatch):
    elsewhere = studio / "withdrawn"
    monkeypatch.setenv("REAGE_HOME", str(elsewhere / "home"))
    manifest = write_actor(elsewhere, studio / "photographs")
    for step in ("gathered", "pose_photographs"):
        monkeypatch.setattr(f"flows.train_face3d.{step}", lambda *_, **__: None)
    monkeypatch.setattr("flows.train_face3d.train_face3d_weights", withdrawing(manifest))
    with pytest.raises(ConsentError, match="revoked: got 2020-01-01"):
        train_face3d(str(manifest), prior=str(studio / "tiny"), work=str(elsewhere / "work"))
    assert face3d_versions("astronaut") == []


def test_no_prior_at_all_is_one_sentence(studio, monkeypatch):
    monkeypatch.setattr("reage.registry.triplane_priors._EMBEDDED", studio / "no priors")
    with pytest.raises(RegistryError, match=r"3D prior none: name: got no such prior"):
        trained(studio, prior=None)


def test_angles_that_no_head_is_shown_from_are_one_sentence(studio, capsys):
    fields = {
        "pitch": 0.0, "age": None, "first": None, "last": None, "edit": [], "fps": 24,
        "seconds": 1.0, "version": "latest", "prior": None,
        "work": studio, "console": None,
    }  # fmt: skip
    with pytest.raises(ManifestError, match="yaw: got 'left'"):
        run_turntable(studio / "actors" / "astronaut.yaml", yaw="left", **fields)
    with pytest.raises(ManifestError, match="first_yaw: got -90"):
        run_turntable(studio / "actors" / "astronaut.yaml", yaw="-90:90", **fields)
    with pytest.raises(ManifestError, match="edit: got 'smile', expected a direction and how far"):
        run_turntable(
            studio / "actors" / "astronaut.yaml", yaw=None, **{**fields, "edit": ["smile"]}
        )


def test_purge_takes_the_3d_face_along_and_its_name_is_not_used_again(face, studio):
    assert holdings_of("astronaut", studio / "work").faces3d == ("v001",)
    purge("astronaut", studio / "work")
    assert face3d_versions("astronaut") == []
    with pytest.raises(RegistryError, match="3D face of astronaut: version: got latest"):
        find_face3d("astronaut")
    assert trained(studio).version == "v002"
