"""Rollback and purge: what latest means, what nights leave alone, and that nothing is left."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import pytest

from reage.errors import NamingError, RegistryError
from reage.registry.adapters import Foundation, adapter_versions, find_adapter, register_adapter
from reage.registry.buffers import buffer_versions, commit_buffer, retire_buffers, stage_buffer
from reage.registry.standing import deciding, standing_of
from reage.registry.withdrawal import holdings_of, purge, roll_back
from reage.rehearsal.night import ActorNight, Night
from reage.rehearsal.night_page import write_night_page
from tests.reage.registry.test_buffers import FACTS
from tests.reage.rehearsal.conftest import buffer_of, faces_of


@pytest.fixture(autouse=True)
def studio_home(tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def night(number):
    """Publishes an update whose buffer has seen three photographs of each increment so far."""
    pool = faces_of(3)
    for increment in range(2, number + 1):
        pool = pool.and_then(faces_of(3, increment=increment))
    buffer = buffer_of(pool.rows([0]), faces_of(0), pool=pool)
    digest = stage_buffer("ada", buffer.to_bytes(), {"number": number})
    facts = replace(FACTS, increment=number, buffer_digest=digest)
    record = register_adapter("ada", b"%d" % number, facts)
    commit_buffer("ada", record.version, digest)
    return record


@pytest.fixture
def three_nights():
    return [night(number) for number in (1, 2, 3)]


def photographs_of(*increments):
    return {str(p) for n in increments for p in faces_of(3, increment=n).photographs}


def test_latest_is_the_version_rolled_back_to_and_no_version_changes(three_nights):
    done = roll_back("ada", "v001")
    assert (done.before, done.after, done.set_aside) == ("v003", "v001", ("v002", "v003"))
    assert find_adapter("ada").version == "v001"
    assert find_adapter("ada", "v003") == three_nights[2]
    assert adapter_versions("ada") == ["v001", "v002", "v003"]


def test_next_version_is_new_and_the_latest_and_those_set_aside_stay_so(three_nights):
    roll_back("ada", "v002")
    assert register_adapter("ada", b"next", FACTS).version == "v004"
    assert Foundation.of("ada").latest == "v004"
    assert list(standing_of("ada").set_aside) == ["v003"]


def test_same_weights_as_those_set_aside_are_a_new_version(three_nights):
    roll_back("ada", "v002")
    third = three_nights[2]
    again = register_adapter("ada", b"3", third.facts)
    assert (again.version, again.digest) == ("v004", third.digest)


def test_photographs_that_only_later_versions_learnt_from_are_left_alone(three_nights):
    assert roll_back("ada", "v001").num_left_alone == 6
    assert set(standing_of("ada").photographs) == photographs_of(2, 3)
    roll_back("ada", "v003")
    assert standing_of("ada").photographs == ()
    assert find_adapter("ada").version == "v003"


def test_relearning_leaves_nothing_alone(three_nights):
    assert roll_back("ada", "v002", relearn=True).num_left_alone == 0
    assert standing_of("ada").photographs == ()


def test_version_without_a_buffer_is_rolled_back_to_only_to_begin_anew(three_nights):
    retire_buffers("ada", keep=1)
    with pytest.raises(RegistryError, match=r"buffer ada v001: got none.*--relearn"):
        roll_back("ada", "v001")
    assert find_adapter("ada").version == "v003"
    done = roll_back("ada", "v001", relearn=True)
    assert (done.has_buffer, find_adapter("ada").version) == (False, "v001")


def test_unknown_version_is_refused_by_those_there_are(three_nights):
    with pytest.raises(RegistryError, match="got v009, expected one of: v001, v002, v003"):
        roll_back("ada", "v009")
    with pytest.raises(RegistryError, match="expected one of: none registered"):
        roll_back("bob", "v001")


def test_rollback_in_a_nights_way_keeps_it_from_publishing(three_nights):
    begun = Foundation.of("ada")
    roll_back("ada", "v002")
    with pytest.raises(RegistryError, match="got v002, expected v003"):
        register_adapter("ada", b"night", FACTS, on=begun)


def test_purge_leaves_no_byte_and_no_name_to_be_used_again(three_nights, studio_home, tmp_path):
    work = tmp_path / "work" / "actors" / "ada"
    (work / "photograph").mkdir(parents=True)
    (work / "photograph" / "faces.npz").write_bytes(b"faces")
    holdings = holdings_of("ada", tmp_path / "work")
    assert (holdings.adapters, holdings.buffers) == (("v001", "v002", "v003"),) * 2
    assert holdings.num_files > 20
    assert purge("ada", tmp_path / "work") == holdings
    left = {path.name for path in studio_home.rglob("*") if path.is_file()}
    assert left == {"ada.json", ".ada.json.lock"}
    assert not work.exists()
    assert (adapter_versions("ada"), buffer_versions("ada")) == ([], [])
    assert register_adapter("ada", b"anew", FACTS).version == "v004"


def test_purge_that_was_killed_is_completed_by_the_next(three_nights, tmp_path, monkeypatch):
    def dies(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("reage.registry.withdrawal.remove_entry", dies)
        purge("ada", tmp_path)
    purge("ada", tmp_path)
    assert holdings_of("ada", tmp_path).folders == ()
    assert register_adapter("ada", b"anew", FACTS).version == "v004"


def test_purge_in_a_nights_way_keeps_it_from_publishing(three_nights, tmp_path):
    begun = Foundation.of("bob")
    purge("bob", tmp_path)
    assert register_adapter("bob", b"first", FACTS, on=begun).version == "v001"
    begun = Foundation.of("ada")
    purge("ada", tmp_path)
    with pytest.raises(RegistryError, match="got none, expected v003"):
        register_adapter("ada", b"night", FACTS, on=begun)


@pytest.mark.parametrize("before", [0, 1])
def test_version_published_while_a_purge_waits_goes_too_and_its_name_with_it(tmp_path, before):
    for number in range(1, before + 1):
        night(number)
    with ThreadPoolExecutor(1) as pool:
        with deciding("ada"):
            purged = pool.submit(purge, "ada", tmp_path)
            with pytest.raises(TimeoutError):
                purged.result(timeout=0.2)
            _publish_as_one_who_decides("ada", before + 1)
        assert purged.result().adapters[-1] == f"v00{before + 1}"
    assert adapter_versions("ada") == []
    assert register_adapter("ada", b"anew", FACTS).version == f"v00{before + 2}"


def _publish_as_one_who_decides(actor, number):
    """Publishes what a night does that holds the actor's versions just now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reage.registry.adapters.deciding", nullcontext)
        register_adapter(actor, b"%d" % number, replace(FACTS, increment=number))


def test_purge_takes_the_actor_out_of_pages_of_nights_and_out_of_no_others(three_nights, tmp_path):
    ada, bob = (ActorNight(actor=a, outcome="failed", detail=f"of {a}") for a in ("ada", "bob"))
    pages = {
        shown: tmp_path / "nights" / f"2026-01-0{number}_000000" / "night.html"
        for number, shown in enumerate(((ada,), (ada, bob), (bob,)), start=1)
    }
    for shown, page in pages.items():
        write_night_page(Night(day="2026-01-01", actors=shown), page)
    before = pages[(bob,)].read_bytes()
    assert purge("ada", tmp_path).pages == (pages[(ada,)], pages[(ada, bob)])
    assert not pages[(ada,)].parent.exists()
    assert "of bob" in pages[(ada, bob)].read_text()
    assert pages[(bob,)].read_bytes() == before
    assert purge("ada", tmp_path).pages == ()


def test_name_that_leaves_the_registry_is_refused(tmp_path):
    with pytest.raises(NamingError):
        holdings_of("../ada", tmp_path)
