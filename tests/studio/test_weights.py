"""`reage weights`: published files go in, a prior comes out, and what is wrong is one sentence."""

import json
import sys
from functools import partial

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.published_checkpoints import as_published
from models.eg3d.checkpoint import load_triplane_generator
from reage.registry.priors import find_prior
from reage.registry.weights import find_weights
from studio import cli
from tasks.gpu import loaded_prior
from tasks.refs import PriorRef
from tasks.weights import import_weights
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
def small_networks(tmp_path, monkeypatch):
    """A registry of its own, and published files of small networks."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    small = partial(import_weights, sizes=SMALL)
    monkeypatch.setattr("flows.import_weights.import_weights", small)


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs `reage weights ...`; returns exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["reage", "weights", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


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
    rows = {line.split()[0]: line for line in out.splitlines()}
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
