"""`reage adapters`: every adapter is shown with what a studio must know of it."""

import sys

import pytest

from reage.registry.adapter_facts import PublishedFacts, TrainedFacts
from reage.registry.adapters import register_adapter
from studio import cli

COMMON = {"consent_document": "CONSENT-1", "network": {}}


@pytest.fixture(autouse=True)
def adapters(tmp_path, monkeypatch):
    """A registry of its own, with a trained and a published adapter of Ada's and one of Bob's."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    trained = TrainedFacts(
        prior_name="compact",
        prior_digest="ab" * 32,
        licence="research only",
        collection_digest="cd" * 32,
        num_photographs=50,
        min_age=30,
        max_age=70,
        recipe={},
        **COMMON,
    )
    published = PublishedFacts(
        prior_name="sam-ffhq1024",
        prior_digest="ef" * 32,
        licence="agreement 17",
        source="ada.pt",
        source_digest="12" * 32,
        **COMMON,
    )
    return [
        register_adapter("ada", b"one", trained),
        register_adapter("ada", b"two", published),
        register_adapter("bob", b"three", trained),
    ]


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs `reage adapters ...`; returns exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["reage", "adapters", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def test_list_shows_whose_which_kind_prior_day_digest_and_terms(call, adapters):
    code, out, _ = call("list")
    assert code == 0
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [row[:5] for row in rows] == [
        ["ada", "v001", "trained", "compact", adapters[0].registered[:10]],
        ["ada", "v002", "published", "sam-ffhq1024", adapters[1].registered[:10]],
        ["bob", "v001", "trained", "compact", adapters[2].registered[:10]],
    ]
    for row, record in zip(rows, adapters, strict=True):
        assert row[5:] == [f"{record.digest[:12]}…", *record.facts.licence.split()]


def test_list_of_an_actor_shows_no_one_else(call):
    assert [line.split()[0] for line in call("list", "bob")[1].splitlines()[1:]] == ["bob"]
    assert call("list", "eve")[1].split()[0] == "actor"
    code, _, err = call("list", "../ada")
    assert (code, "expected lower-case letters" in err) == (1, True)


def test_inspect_shows_the_card_and_finds_a_changed_file(call, adapters):
    code, out, _ = call("inspect", "ada")
    assert code == 0
    assert str(adapters[1].folder) in out
    assert (adapters[1].folder / "MODEL_CARD.md").read_text() in out
    assert "# Adapter ada v001" in call("inspect", "ada", "v001")[1]
    adapters[1].weights.write_bytes(b"tampered")
    code, _, err = call("inspect", "ada")
    assert (code, "got sha256" in err) == (1, True)
