"""`reage adapters`: every adapter is shown with what a studio must know of it."""

import sys
from functools import partial

import pytest

from reage.registry.adapter_facts import Face3DFacts, PublishedFacts, TrainedFacts
from reage.registry.adapters import register_adapter
from reage.registry.faces3d import register_face3d
from studio import cli

COMMON = {"consent_document": "CONSENT-1", "network": {}}


@pytest.fixture(autouse=True)
def adapters(tmp_path, monkeypatch, wide_consoles):
    """A registry of its own, with a trained and a published adapter of Ada's and one of Bob's."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
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
def call(reage):
    """Runs `reage adapters ...`; returns exit code, stdout and stderr."""
    return partial(reage, "adapters")


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


@pytest.fixture
def faces3d():
    facts = Face3DFacts(
        prior_name="compact",
        prior_digest="34" * 32,
        licence="research only",
        collection_digest="cd" * 32,
        num_photographs=40,
        min_age=31,
        max_age=64,
        recipe={},
        consent_document="CONSENT-1",
        network={"rank": 2, "numbers": 70_000},
    )
    return [register_face3d(actor, b"w" * 280_000, facts) for actor in ("ada", "zoe")]


def test_list_shows_3d_faces_apart_with_rank_size_photographs_and_terms(call, faces3d):
    code, out, _ = call("list")
    assert code == 0
    adapters_part, faces_part = out.split("\n\n")
    assert len(adapters_part.splitlines()) == 4
    rows = [line.split() for line in faces_part.splitlines()[1:]]
    for row, record in zip(rows, faces3d, strict=True):
        assert row == [
            record.actor, "v001", "2", "280", "kB", "40", "photographs", "31-64", "compact",
            record.registered[:10], f"{record.digest[:12]}…", "CONSENT-1", "research", "only",
        ]  # fmt: skip
    assert "3D face" not in call("list", "bob")[1]


def test_inspect_of_a_3d_face_shows_its_card_and_finds_a_changed_file(call, faces3d):
    code, out, _ = call("inspect", "zoe", "--face3d")
    assert code == 0
    assert "zoe v001 in 3D" in out
    faces3d[1].weights.write_bytes(b"tampered")
    code, _, err = call("inspect", "zoe", "--face3d")
    assert (code, "got sha256" in err) == (1, True)


def test_actor_with_a_3d_face_alone_is_shown(faces3d, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reage", "actor", "show", "zoe"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "40 photographs" in shown
    assert "CONSENT-1" in shown
