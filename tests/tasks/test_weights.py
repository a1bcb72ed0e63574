"""Imports make whole entries or none, change nothing twice, and keep the terms."""

import errno
import json
import os
import shutil
import time
from collections import namedtuple
from dataclasses import replace

import pytest
import torch

from models.ageing.loading import load_judges, load_prior
from models.ageing.mytm import load_personal_sam
from models.published_file import read_tensors
from reage.errors import NamingError, RegistryError, StorageError
from reage.registry.priors import find_prior, list_priors
from reage.registry.weights import KINDS, KNOWN_TERMS, find_weights, list_weights, weights_folder
from tasks.gpu import loaded_prior
from tasks.refs import PriorRef
from tasks.weights import import_weights
from tests.published_files import SMALL, personal_state, small_state, write_published

FREE = namedtuple("usage", "total used free")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def bring(tmp_path):
    """Writes a small published file and imports it."""

    def run(kind, *, seed=0, state=None, **settings):
        path = tmp_path / f"{kind}_{seed}.pt"
        if not path.exists() or state is not None:
            write_published(path, kind, seed=seed, state=state)
        return import_weights(path, kind, sizes=SMALL, **settings)

    return run


def everything_in(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_entry_holds_the_files_tensors_and_says_where_they_come_from(bring):
    record = bring("psp")
    state = small_state("psp")
    kept = read_tensors(record.weights)
    assert all(torch.equal(kept[key], state[key]) for key in state)
    assert set(kept) == set(state)
    assert (record.name, record.kind, record.licence) == ("psp-ffhq1024", "psp", KNOWN_TERMS["psp"])
    card = record.card.read_text()
    for part in (record.digest, record.source_digest, "psp_0.pt", record.licence):
        assert part in card
    assert "Reage does not know what rights you hold" in card


def test_terms_of_the_studio_are_recorded_instead_of_the_known_ones(bring):
    record = bring("dex", licence="agreement 17 with the authors")
    assert find_weights("dex").licence == "agreement 17 with the authors"
    assert KNOWN_TERMS["dex"] not in record.card.read_text()


def test_importing_the_same_again_changes_nothing(bring, home):
    first = bring("irse50")
    before = everything_in(home)
    assert bring("irse50") == first
    assert everything_in(home) == before


def test_another_file_under_the_same_name_is_refused(bring):
    first = bring("irse50")
    with pytest.raises(RegistryError, match=r"weights irse50: file: got irse50 .*another --name"):
        bring("irse50", seed=1)
    second = bring("irse50", seed=1, name="irse50-b")
    assert first.digest != second.digest
    with pytest.raises(RegistryError, match="got dex"):
        bring("dex", name="irse50-b")


@pytest.mark.parametrize("name", ["../x", "Sam", ".hidden"])
def test_name_that_could_lead_elsewhere_is_refused(bring, name, home):
    with pytest.raises(NamingError):
        bring("sam", name=name)
    assert not home.exists()


def test_persons_adapter_must_be_given_a_name(bring):
    with pytest.raises(RegistryError, match="expected --name NAME for mytm"):
        bring("mytm")


def test_name_of_a_prior_is_refused(bring):
    with pytest.raises(RegistryError, match="weights compact: name: got a prior's"):
        bring("sam", name="compact")


def test_file_that_is_refused_leaves_no_trace(bring, home, tmp_path):
    path = write_published(tmp_path / "a.pt", "psp")
    with pytest.raises(RegistryError, match="got a file of psp, expected one of sam"):
        import_weights(path, "sam", sizes=SMALL)
    with pytest.raises(StorageError, match=r"nowhere\.pt: read: got No such file"):
        import_weights(tmp_path / "nowhere.pt", "sam", sizes=SMALL)
    assert not home.exists()


def test_disk_that_is_too_full_is_said_before_anything_is_written(bring, monkeypatch, home):
    monkeypatch.setattr("tasks.weights.shutil.disk_usage", lambda _: FREE(10, 9, 1))
    with pytest.raises(StorageError, match=r"space: got 0\.0 GB free, expected 0\.1 GB; free"):
        bring("sam")
    assert not home.exists()


def test_disk_that_fills_up_meanwhile_leaves_no_entry(bring, monkeypatch):
    def full(path, _):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tasks.weights.write_tensors", full)
    with pytest.raises(StorageError, match=r"write: got No space left on device, .*; free some"):
        bring("sam")
    assert list_weights() == []
    assert list(weights_folder("sam").iterdir()) == []


def test_import_that_was_killed_is_swept_away_by_the_next(bring):
    left = weights_folder("sam") / ".sam-ffhq1024-killed"
    left.mkdir(parents=True)
    (left / "weights.safetensors").write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(left, (long_ago, long_ago))
    bring("sam")
    assert [p.name for p in weights_folder("sam").iterdir()] == ["sam-ffhq1024"]


def test_imported_sam_is_a_prior_of_manifests(bring):
    assert "sam-ffhq1024" not in list_priors()
    bring("sam")
    record = find_prior("sam-ffhq1024")
    prior = loaded_prior(PriorRef.of(record))
    assert "sam-ffhq1024" in list_priors()
    assert prior.digest == record.digest
    config = prior.config
    assert (config.name, config.licence) == ("sam-ffhq1024", KNOWN_TERMS["sam"])
    assert (config.min_age, config.max_age) == (18, 100)
    own = small_state("sam")
    found = prior.networks.state_dict()
    assert all(torch.equal(found[key].cpu(), own[key]) for key in own)


def test_prior_that_is_not_there_says_which_files_to_bring():
    with pytest.raises(RegistryError) as caught:
        find_prior("sam-ffhq1024")
    message = str(caught.value)
    for command in ("sam_ffhq_aging.pt --as sam", "--as dex", "--as irse50"):
        assert command in message
    assert "has the priors compact" in message


def test_judges_are_the_registered_ones_else_the_embedded_prior(bring, caplog):
    bring("sam")
    embedded = find_prior("compact").digest
    alone = PriorRef.of(find_prior("sam-ffhq1024"))
    assert [(j.kind, j.digest) for j in alone.judges] == [("compact", embedded)] * 2
    with caplog.at_level("WARNING"):
        assert "standing in for DEX" in loaded_prior(alone).judged_by
    assert "standing in for IR-SE50" in caplog.text
    dex, irse50 = bring("dex"), bring("irse50")
    judged = PriorRef.of(find_prior("sam-ffhq1024"))
    assert [(j.role, j.kind, j.digest) for j in judged.judges] == [
        ("age", "dex", dex.digest),
        ("likeness", "irse50", irse50.digest),
    ]
    prior = loaded_prior(judged)
    assert prior.judged_by == (
        f"age by DEX {dex.digest[:12]}…, likeness by IR-SE50 {irse50.digest[:12]}…"
    )
    assert judged.digest == alone.digest, "adapters stay valid"
    assert judged.content != alone.content, "results do not"


def test_judge_that_changed_since_the_shot_was_submitted_is_refused(bring):
    bring("sam")
    submitted = PriorRef.of(find_prior("sam-ffhq1024"))
    judges = tuple(replace(judge, digest="0" * 64) for judge in submitted.judges)
    with pytest.raises(RegistryError, match=r"judge of age: got .*, expected 0000.*; submit the"):
        loaded_prior(replace(submitted, judges=judges))


def test_judge_in_the_wrong_role_is_refused(bring):
    dex = bring("dex")
    with pytest.raises(ValueError, match="kind: got DEX, expected irse50"):
        load_judges({"age": dex.folder, "likeness": dex.folder})


@pytest.mark.parametrize("file", ["weights.safetensors", "config.json", "MODEL_CARD.md"])
def test_entry_that_was_changed_is_refused(bring, file):
    record = bring("sam")
    path = record.folder / file
    path.write_bytes(path.read_bytes() + b" ")
    for find in (find_prior, find_weights):
        with pytest.raises(RegistryError, match=rf"{file}.*: got sha256"):
            find("sam-ffhq1024")


def test_mytm_needs_the_sam_it_was_trained_on(bring):
    with pytest.raises(RegistryError, match="weights sam-ffhq1024: name: got sam-ffhq1024, expec"):
        bring("mytm", name="ada")
    bring("dex")
    with pytest.raises(RegistryError, match="weights dex: kind: got dex, expected sam"):
        bring("mytm", name="ada", base="dex")


def test_imported_mytm_is_loaded_over_its_sam(bring):
    sam = bring("sam")
    record = bring("mytm", name="ada", state=personal_state())
    assert record.base_digest == sam.digest
    assert sam.digest in record.card.read_text()
    prior = load_prior(
        find_prior("sam-ffhq1024").folder,
        dict.fromkeys(("age", "likeness"), find_prior("compact").folder),
    )
    person = load_personal_sam(prior, record.folder)
    own = personal_state()
    found = person.prior.networks.state_dict()
    for key in own:
        if key.startswith(("pretrained_encoder.", "decoder.", "latent_avg")):
            assert torch.equal(found[key], own[key])
    adapter = person.adapter.state_dict()
    assert all(torch.equal(adapter[key], own[f"blender.{key}"]) for key in adapter)


def test_every_kind_has_terms_and_is_described_as_plain_json(bring):
    bring("sam")
    for kind in KINDS:
        record = bring(kind, name=f"{kind}-1")
        described = json.loads((record.folder / "config.json").read_text())
        assert described["kind"] == kind
        assert described["config"]["licence"] == KNOWN_TERMS[kind]
    assert sorted(r.name for r in list_weights()) == sorted(
        ["sam-ffhq1024", *(f"{kind}-1" for kind in KINDS)]
    )


def test_entry_without_its_receipt_is_named(bring):
    record = bring("dex")
    (record.folder / "registered.json").unlink()
    with pytest.raises(RegistryError, match=r"weights dex: .*got no registered\.json"):
        list_weights()
    shutil.rmtree(record.folder)
    assert list_weights() == []
