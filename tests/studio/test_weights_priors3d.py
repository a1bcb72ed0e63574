"""`reage weights` with 3D priors: they are shown and removed as others are, and never mistaken."""

from functools import partial

import pytest

from reage.registry.adapter_facts import Face3DFacts
from reage.registry.faces3d import register_face3d
from reage.registry.priors import find_prior, register_prior
from reage.registry.triplane_priors import (
    find_triplane_prior,
    register_triplane_prior,
    triplane_priors,
)
from tests.tri_planes import drawn, write_tiny_prior


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, wide_consoles):
    """A registry of its own."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))


@pytest.fixture
def call(reage):
    """Runs `reage weights ...`; returns exit code, stdout and stderr."""
    return partial(reage, "weights")


@pytest.fixture
def own3d(tmp_path):
    """Registers a 3D prior of the studio's under a name; returns its record."""

    def register(name):
        folder = write_tiny_prior(tmp_path / "trained" / name, age_direction=drawn(8))
        return register_triplane_prior(folder, name)

    return register


def test_list_shows_3d_priors_trained_and_embedded(call, own3d):
    record = own3d("turned")
    rows = call("list")[1].splitlines()
    [trained] = [row for row in rows if row.startswith("turned ")]
    [embedded] = [row for row in rows if row.startswith("compact ") and "3D prior" in row]
    for row, kind, found in (
        (trained, "3D prior, trained", record),
        (embedded, "3D prior, embedded", find_triplane_prior("compact")),
    ):
        assert kind in row
        assert f"{found.digest[:12]}…" in row
        assert f"{found.weights.stat().st_size / 1e6:.1f} MB" in row
        assert row.rstrip().endswith(found.licence)


def test_inspect_shows_a_3d_prior_and_its_card_and_finds_a_changed_file(call, own3d):
    record = own3d("turned")
    code, out, err = call("inspect", "turned")
    assert (code, err) == (0, "")
    for part in ("3D prior, trained", record.digest, record.directions_digest, "none", "# tiny"):
        assert part in out
    assert str(record.folder) in out
    with record.weights.open("ab") as file:
        file.write(b" ")
    code, _, err = call("inspect", "turned")
    assert (code, "got sha256" in err) == (1, True)


def test_inspect_of_a_shared_name_shows_the_3d_prior_where_asked_and_says_so_otherwise(call):
    flat, turned = find_prior("compact"), find_triplane_prior("compact")
    code, out, _ = call("inspect", "compact")
    assert (code, flat.digest in out, turned.digest in out) == (0, True, False)
    assert out.endswith("--face3d shows the 3D prior compact\n")
    code, out, _ = call("inspect", "compact", "--face3d")
    assert (code, flat.digest in out, turned.digest in out) == (0, False, True)
    assert "3D prior, embedded" in out
    code, out, _ = call("inspect", "compact", "--ageing")
    assert (code, flat.digest in out, "--face3d" in out) == (0, True, False)


def test_inspect_of_no_3d_prior_lists_those_there_are(call, own3d):
    own3d("turned")
    code, _, err = call("inspect", "ada", "--face3d")
    assert code == 1
    assert "3D prior ada: name: got no such prior, expected one of: compact, turned" in err


def test_remove_takes_away_a_3d_prior_even_a_damaged_one(call, own3d):
    (own3d("turned").folder / "registered.json").write_text("{")
    assert call("remove", "turned", "--yes") == (0, "turned removed\n", "")
    assert triplane_priors() == ["compact"]


def test_remove_keeps_the_embedded_3d_prior(call):
    code, _, err = call("remove", "compact", "--face3d", "--yes")
    assert (code, "3D prior compact: remove: got the embedded one, expected" in err) == (1, True)
    assert triplane_priors() == ["compact"]


@pytest.mark.parametrize("option", ["--face3d", "--ageing"])
def test_remove_of_a_shared_name_wants_to_know_which(call, own3d, option):
    own3d("studio")
    register_prior(find_prior("compact").folder, "studio")
    code, _, err = call("remove", "studio", "--yes", "--force")
    assert code == 1
    assert "got the name of a 3D prior and of other weights, expected one of them; --face3d" in err
    assert call("remove", "studio", "--yes", option) == (0, "studio removed\n", "")
    left = call("inspect", "studio")[1]
    assert ("3D prior" in left) == (option == "--ageing")


def test_remove_names_the_3d_faces_made_for_a_3d_prior_and_wants_force(call, own3d):
    prior = own3d("turned")
    facts = Face3DFacts(
        prior_name=prior.name,
        prior_digest=prior.digest,
        licence=prior.licence,
        consent_document="CONSENT-1",
        network={},
        collection_digest="cd" * 32,
        num_photographs=12,
        min_age=30,
        max_age=70,
        recipe={},
    )
    register_face3d("ada", b"face", facts)
    code, _, err = call("remove", "turned", "--yes")
    assert code == 1
    assert "got a prior that adapters are made for (ada v001 in 3D), expected" in err
    assert call("remove", "turned", "--yes", "--force")[0] == 0
