"""`reage weights`: published files go in, a prior comes out, and what is wrong is one sentence."""

import json
from functools import partial

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.published_checkpoints import as_published
from models.eg3d.checkpoint import load_triplane_generator
from reage.registry.adapter_facts import TrainedFacts
from reage.registry.adapters import find_adapter, list_adapters, register_adapter
from reage.registry.priors import find_prior, register_prior
from reage.registry.triplane_priors import triplane_priors
from reage.registry.weights import find_weights
from studio import cli
from tasks.gpu import loaded_prior
from tasks.refs import PriorRef
from tasks.weights import import_published_adapter, import_weights
from tests.persisted_pickles import Family
from tests.published_files import (
    CROP,
    SMALL,
    SYNTHESIS,
    Trap,
    personal_state,
    small_state,
    write_published,
)


@pytest.fixture(autouse=True)
def small_networks(tmp_path, monkeypatch, wide_consoles):
    """A registry of its own, and published files of small networks."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    for function in (import_weights, import_published_adapter):
        small = partial(function, sizes=SMALL)
        monkeypatch.setattr(f"flows.import_weights.{function.__name__}", small)


@pytest.fixture
def call(reage):
    """Runs `reage weights ...`; returns exit code, stdout and stderr."""
    return partial(reage, "weights")


def test_published_files_go_in_and_a_working_prior_comes_out(call, tmp_path):
    for kind in ("sam", "dex", "irse50"):
        code, out, err = call(
            "import", write_published(tmp_path / f"{kind}.pt", kind), "--as", kind
        )
        assert (code, err) == (0, "")
        assert "imported" in out
        assert "Reage does not know what rights you hold" in out
    prior = loaded_prior(PriorRef.of(find_prior("sam-ffhq1024")))
    crops = torch.zeros(1, 3, CROP, CROP, device=next(prior.parameters()).device)
    thirty = torch.full((1,), 30.0, device=crops.device)
    with torch.inference_mode():
        change = prior.change(crops, thirty, thirty + 40)
        assert 0 <= prior.estimate_age(crops) <= 100
        assert prior.embed(crops).shape == (1, 16)
    assert change.shape == (1, 3, SYNTHESIS, SYNTHESIS)
    assert change.abs().max() > 1e-3


def test_hostile_file_is_refused_by_name_and_nothing_of_it_is_executed(call, tmp_path):
    place = tmp_path / "executed"
    content = as_published("sam", small_state("sam"))
    content["opts"]["callback"] = Trap(place)
    torch.save(content, tmp_path / "hostile.pt")
    code, out, err = call("import", tmp_path / "hostile.pt", "--as", "sam")
    assert (code, out) == (1, "")
    assert "content: got io.open, expected tensors and plain values only; nothing was" in err
    assert not place.exists()
    assert not (tmp_path / "home").exists()


def test_pickle_of_modules_goes_in_and_a_working_generator_comes_out(call, tmp_path, monkeypatch):
    state = small_state("eg3d")
    path = Family(monkeypatch).write(
        tmp_path / "ffhqrebalanced512-128.pkl", state | {"dataset_label_std": torch.ones(25)}
    )
    code, out, err = call("import", path, "--as", "eg3d")
    assert (code, err) == (0, "")
    assert "eg3d-ffhq512 imported" in out
    record = find_weights("eg3d-ffhq512")
    sizes = json.loads((record.folder / "config.json").read_text())["config"]["sizes"]
    generator = load_triplane_generator(record.weights, sizes)
    found = generator.state_dict()
    assert set(found) == set(state)
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_list_shows_an_imported_generator_once_as_the_3d_prior_it_is(call, tmp_path, monkeypatch):
    path = Family(monkeypatch).write(
        tmp_path / "a.pkl", small_state("eg3d") | {"dataset_label_std": torch.ones(25)}
    )
    call("import", path, "--as", "eg3d")
    [row] = [row for row in call("list")[1].splitlines() if row.startswith("eg3d-ffhq512 ")]
    assert "eg3d, 3D prior" in row
    assert call("inspect", "eg3d-ffhq512") == call("inspect", "eg3d-ffhq512", "--face3d")
    assert call("remove", "eg3d-ffhq512", "--face3d", "--yes")[0] == 0
    assert "eg3d-ffhq512" not in triplane_priors()


def test_hostile_pickle_of_modules_is_refused_by_name(call, tmp_path, monkeypatch):
    place = tmp_path / "executed"
    family = Family(monkeypatch)
    path = family.write(tmp_path / "a.pkl", small_state("eg3d"), callback=Trap(place))
    code, out, err = call("import", path, "--as", "eg3d")
    assert (code, out) == (1, "")
    assert "content: got io.open, expected modules of a tri-plane generator" in err
    assert err.count("\n") == 1
    assert not place.exists()
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_truncated_file_is_one_sentence(call, tmp_path, share):
    data = write_published(tmp_path / "whole.pt", "sam").read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: int(share * len(data))])
    code, _, err = call("import", tmp_path / "cut.pt", "--as", "sam")
    assert code == 1
    assert err.startswith("error ")
    assert "the file is truncated: fetch it again" in err
    assert err.count("\n") == 1


def test_kind_that_there_is_not_lists_those_there_are(call, tmp_path):
    code, _, err = call("import", tmp_path / "a.pt", "--as", "sma")
    assert (code, err) == (
        1,
        "error --as: got sma, expected one of: sam, psp, stylegan2, irse50, dex, mytm, lpips, "
        "eg3d\n",
    )


def test_importing_twice_says_that_it_is_there_already(call, tmp_path):
    path = write_published(tmp_path / "a.pt", "irse50")
    assert "irse50 imported" in call("import", path, "--as", "irse50")[1]
    assert "irse50 is there already, unchanged" in call("import", path, "--as", "irse50")[1]


def test_list_shows_priors_and_weights_with_terms_digest_and_size(call, tmp_path):
    call("import", write_published(tmp_path / "a.pt", "sam"), "--as", "sam")
    call("import", write_published(tmp_path / "b.pt", "dex"), "--as", "dex", "--licence", "ours")
    code, out, _ = call("list")
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if "3D" not in line}
    assert "prior, embedded" in rows["compact"]
    assert find_prior("compact").digest[:12] in rows["compact"]
    assert "sam, prior" in rows["sam-ffhq1024"]
    assert "CC BY-NC-SA" in rows["sam-ffhq1024"]
    assert rows["dex"].rstrip().endswith("ours")
    assert find_weights("dex").digest[:12] in rows["dex"]


def test_inspect_shows_where_weights_come_from_and_finds_a_changed_file(call, tmp_path):
    call("import", write_published(tmp_path / "a.pt", "dex"), "--as", "dex")
    record = find_weights("dex")
    code, out, _ = call("inspect", "dex")
    assert code == 0
    assert record.source_digest in out
    assert record.digest in out
    record.weights.write_bytes(record.weights.read_bytes() + b" ")
    code, _, err = call("inspect", "dex")
    assert code == 1
    assert "got sha256" in err


def test_inspect_shows_the_card_of_a_prior(call):
    code, out, _ = call("inspect", "compact")
    assert code == 0
    assert find_prior("compact").digest in out
    assert "UTKFace" in out


def test_inspect_of_nothing_lists_what_there_is(call):
    code, _, err = call("inspect", "ada")
    assert code == 1
    assert "expected one of: compact" in err


def test_remove_asks_unless_told_and_then_removes(call, tmp_path):
    call("import", write_published(tmp_path / "a.pt", "dex"), "--as", "dex")
    refused = CliRunner().invoke(cli.app, ["weights", "remove", "dex"], input="n\n")
    assert refused.exit_code == 1
    assert find_weights("dex")
    code, out, _ = call("remove", "dex", "--yes")
    assert (code, out) == (0, "dex removed\n")
    code, _, err = call("remove", "dex", "--yes")
    assert (code, "expected one of: none" in err) == (1, True)


def test_remove_takes_away_what_is_damaged(call, tmp_path):
    call("import", write_published(tmp_path / "a.pt", "dex"), "--as", "dex")
    (find_weights("dex").folder / "registered.json").write_text("{")
    assert call("list")[0] == 1
    assert call("remove", "dex", "--yes")[0] == 0
    assert call("list")[0] == 0


@pytest.mark.parametrize("name", ["../../priors", ".", ""])
def test_remove_takes_no_path(call, name):
    code, _, err = call("remove", name, "--yes")
    assert (code, "expected lower-case letters" in err) == (1, True)


def test_remove_refuses_what_others_need(call, tmp_path):
    code, _, err = call("remove", "compact", "--yes")
    assert (code, "Reage's defaults need it" in err) == (1, True)
    call("import", write_published(tmp_path / "a.pt", "sam"), "--as", "sam")
    path = write_published(tmp_path / "b.pt", "mytm", state=personal_state())
    assert call("import", path, "--as", "mytm", "--name", "ada")[0] == 0
    code, _, err = call("remove", "sam-ffhq1024", "--yes")
    assert (code, "weights that ada builds on" in err) == (1, True)
    assert call("remove", "ada", "--yes")[0] == 0
    assert call("remove", "sam-ffhq1024", "--yes")[0] == 0


@pytest.fixture
def bring_ada(call, tmp_path):
    """Imports SAM, then a checkpoint as Ada's adapter; returns what the second command says."""

    def run(*options, content=None, scope="render, train"):
        call("import", write_published(tmp_path / "sam.pt", "sam"), "--as", "sam")
        manifest = tmp_path / "ada.yaml"
        manifest.write_text(
            f"actor: ada\nnames: [Ada]\nconsent: {{document_id: CONSENT-7, scope: [{scope}], "
            "shows: any, granted: 2020-01-01, expires: 2100-01-01}\n"
        )
        path = tmp_path / "mytm.pt"
        torch.save(content or as_published("mytm", personal_state()), path)
        work = ("--work", tmp_path / "work")
        return call("import", path, "--as", "mytm", "--actor", manifest, *work, *options)

    return run


def test_checkpoint_becomes_an_actors_adapter_and_says_how_to_use_it(bring_ada, call):
    code, out, err = bring_ada("--licence", "agreement 17")
    record = find_adapter("ada")
    assert (code, err) == (0, "")
    assert "ada v001 imported" in out
    for part in (record.digest, find_prior("sam-ffhq1024").digest, "agreement 17", "CONSENT-7"):
        assert part in out
    assert "use it with `prior: sam-ffhq1024` and `adapter: v001` in a shot manifest" in out
    assert "Reage does not know what rights you hold" in out
    assert "ada v001 is there already, unchanged" in bring_ada("--licence", "agreement 17")[1]
    assert find_adapter("ada") == record
    code, _, err = call("remove", "sam-ffhq1024", "--yes")
    assert (code, "adapters are made for (ada v001)" in err) == (1, True)


def test_checkpoint_is_of_use_again_once_its_removed_prior_is_back(bring_ada, call, tmp_path):
    bring_ada()
    before = find_prior("sam-ffhq1024").digest
    call("remove", "sam-ffhq1024", "--yes", "--force")
    call("import", tmp_path / "sam.pt", "--as", "sam")
    find_adapter("ada").check_prior("sam-ffhq1024", before)
    assert find_prior("sam-ffhq1024").digest == before


def test_hostile_checkpoint_is_refused_and_nothing_of_it_is_executed(bring_ada, tmp_path):
    place = tmp_path / "executed"
    content = as_published("mytm", personal_state())
    content["opts"]["callback"] = Trap(place)
    code, out, err = bring_ada(content=content)
    assert (code, out) == (1, "")
    assert "content: got io.open, expected tensors and plain values only; nothing was" in err
    assert not place.exists()
    assert list_adapters() == []
    assert not (tmp_path / "work").exists()


def test_checkpoint_of_an_actor_who_did_not_agree_to_training_is_refused(bring_ada):
    code, out, err = bring_ada(scope="render")
    assert (code, out) == (1, "")
    assert "scope: got render, expected train among the uses" in err
    assert list_adapters() == []


def test_actor_is_for_checkpoints_alone_and_leaves_no_choice_of_name(bring_ada, call, tmp_path):
    code, _, err = bring_ada("--name", "ada")
    assert (code, "got it with --as mytm and --name, expected" in err) == (1, True)
    code, _, err = call("import", tmp_path / "sam.pt", "--as", "sam", "--actor", "ada.yaml")
    assert (code, "--actor: got it with --as sam, expected --as mytm" in err) == (1, True)


def adapter_for(prior):
    """Registers an adapter of Ada's for a prior."""
    facts = TrainedFacts(
        prior_name=prior.name,
        prior_digest=prior.digest,
        licence=prior.licence,
        consent_document="CONSENT-1",
        network={},
        collection_digest="cd" * 32,
        num_photographs=50,
        min_age=30,
        max_age=70,
        recipe={},
    )
    return register_adapter("ada", prior.name.encode(), facts)


@pytest.mark.parametrize("name", ["sam-ffhq1024", "studio"])
def test_remove_names_the_adapters_made_for_a_prior_and_wants_force(call, tmp_path, name):
    if name == "studio":
        register_prior(find_prior("compact").folder, name)
    else:
        call("import", write_published(tmp_path / "a.pt", "sam"), "--as", "sam")
    adapter_for(find_prior(name))
    adapter_for(find_prior(name))
    code, _, err = call("remove", name, "--yes")
    assert code == 1
    assert "got a prior that adapters are made for (ada v001)" in err
    assert "--force removes it all the same" in err
    assert find_prior(name)
    asked = CliRunner().invoke(cli.app, ["weights", "remove", name, "--force"], input="n\n")
    assert "Adapters made for it: ada v001. Remove" in asked.output
    assert call("remove", name, "--yes", "--force") == (0, f"{name} removed\n", "")
    assert find_adapter("ada").version == "v001"


def test_remove_asks_for_no_force_where_adapters_are_made_for_another_prior(call, tmp_path):
    adapter_for(find_prior("compact"))
    call("import", write_published(tmp_path / "a.pt", "sam"), "--as", "sam")
    assert call("remove", "sam-ffhq1024", "--yes")[0] == 0
