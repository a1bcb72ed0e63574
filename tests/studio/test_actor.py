"""`reage actor`: what is kept of an actor is shown, gone back from, and ended with a record."""

import io
import json
from dataclasses import replace
from functools import partial

import pytest
from PIL import Image

from reage.provenance import AuditLog
from reage.registry.adapters import adapter_versions, find_adapter, register_adapter
from reage.registry.buffers import buffer_versions, commit_buffer, stage_buffer
from reage.registry.mirror import mirror
from reage.rehearsal.examination import IncrementRecord
from reage.rehearsal.night import ActorNight, Night
from reage.rehearsal.night_archive import night_page_path
from reage.rehearsal.night_page import write_night_page
from tests.reage.registry.test_buffers import FACTS
from tests.reage.rehearsal.conftest import buffer_of, faces_of


@pytest.fixture(autouse=True)
def studio(tmp_path, monkeypatch, wide_consoles):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        _night(number)
    (tmp_path / "work" / "actors" / "ada" / "photograph").mkdir(parents=True)
    (tmp_path / "work" / "actors" / "ada" / "photograph" / "faces.npz").write_bytes(b"faces")
    return tmp_path


def _night(number):
    pool = faces_of(6)
    for increment in range(2, number + 1):
        pool = pool.and_then(faces_of(4, increment=increment))
    buffer = buffer_of(pool.rows([0, 2, 4]), faces_of(2, seed=5), pool=pool)
    figures = {"distance": 0.2, "identity": 0.8, "likeness": 0.7}
    records = [
        IncrementRecord(
            number=n,
            day=f"2026-01-0{n}",
            num_learnt=4,
            num_held_out=2,
            min_age=30.0,
            max_age=44.0,
            first=figures,
            best=figures if n < number else {},
            last={name: value - 0.05 for name, value in figures.items()},
        )
        for n in range(1, number + 1)
    ]
    described = {
        "increments": [record.plain() for record in records],
        "kept": [],
        "strategy": "hull",
        "num_pool": len(pool),
        "budget": {"images": 3, "megabytes": 1},
        "consent": "CONSENT-1",
    }
    digest = stage_buffer("ada", buffer.to_bytes(), described)
    facts = replace(FACTS, increment=number, buffer_digest=digest)
    record = register_adapter("ada", b"%d" % number, facts)
    commit_buffer("ada", record.version, digest)


@pytest.fixture
def call(reage):
    """Runs `reage actor ...`; returns exit code, stdout and stderr."""
    return partial(reage, "actor")


def events(studio):
    log = AuditLog(studio / "work" / "audit.jsonl")
    log.verify()
    return [entry["event"] for entry in log.entries()]


def test_show_lists_versions_and_forgetting_and_draws_three_pictures(call, studio):
    code, out, _ = call("show", "ada")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[2][:2] == ["v002", "nightly"]
    assert rows[2][-2:] == ["kept", "latest"]
    increment = next(row for row in rows if row[:2] == ["1", "2026-01-01"])
    figures = " ".join(increment[5:])
    assert figures == "0.150 (-0.050) 0.750 (+0.050) 0.650 (+0.050)"
    for name in ("buffer", "hull", "forgetting"):
        path = studio / "work" / "actors" / "ada" / "show" / "v002" / f"{name}.png"
        assert str(path) in out
        with Image.open(path) as picture:
            assert picture.width > 600


def test_show_of_nobody_or_of_a_version_without_a_buffer_says_so(call):
    code, _, err = call("show", "bob")
    assert (code, "adapter of bob: got none registered" in err) == (1, True)
    code, out, _ = call("show", "ada", "v009")
    assert (code, "of v009: none kept; kept are: v001, v002" in out) == (0, True)


def test_rollback_says_what_latest_is_and_is_audited(call, studio):
    code, out, _ = call("rollback", "ada", "v001")
    assert code == 0
    assert "of ada is v001, was v002" in out
    assert "set aside: v002" in out
    assert "4 photographs are left alone" in out
    assert find_adapter("ada").version == "v001"
    [event] = events(studio)
    assert event == {
        "event": "rollback", "actor": "ada", "from": "v002", "to": "v001",
        "set_aside": ["v002"], "relearn": False,
    }  # fmt: skip
    assert "set aside: rolled back to v001" in call("show", "ada")[1]


def test_purge_asks_first_and_removes_nothing_without_a_yes(call, studio, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, out, _ = call("purge", "ada")
    assert code == 1
    assert str(studio / "work" / "actors" / "ada") in out.replace("\n", "")
    assert len(adapter_versions("ada")) == 2
    assert not (studio / "work" / "audit.jsonl").exists()


def test_purge_removes_adapters_buffers_and_crops_and_records_that_it_did(call, studio):
    code, out, _ = call("purge", "ada", "--yes")
    assert (code, "2 adapters, 2 buffers" in out) == (0, True)
    assert (adapter_versions("ada"), buffer_versions("ada")) == ([], [])
    assert not (studio / "work" / "actors" / "ada").exists()
    begun, done = events(studio)
    assert (begun["event"], done["event"]) == ("purge begun", "purged")
    assert done["adapters"] == ["v001", "v002"]
    assert done["num_bytes"] > 0
    assert "nothing" in call("purge", "ada", "--yes")[1]


def test_purge_removes_the_copies_first_and_names_where_they_were(call, studio):
    place = str(studio / "published")
    assert len(mirror("ada", place)) == 4
    assert call("purge", "ada", "--yes")[0] == 0
    assert not list((studio / "published").rglob("*.json"))
    assert events(studio)[-1]["copies"] == [place]


def _night_page(studio, *actors):
    """Writes a page that shows a strip of faces of each actor."""
    strip = studio / "strip.png"
    Image.new("RGB", (40, 20)).save(strip)
    nights = tuple(
        ActorNight(actor=actor, outcome="waiting", detail=f"{actor} waits", strip=str(strip))
        for actor in actors
    )
    page = night_page_path(studio / "work", "2026-01-01")
    write_night_page(Night(day="2026-01-01", actors=nights), page)
    return page


def test_purge_takes_the_actors_faces_out_of_night_pages_and_says_so(call, studio):
    page = _night_page(studio, "ada", "bob")
    code, out, _ = call("purge", "ada", "--yes")
    assert (code, "1 part of night pages" in out, str(page) in out) == (0, True, True)
    assert page.read_text().count("data:image") == 1
    assert "bob waits" in page.read_text()
    assert "ada waits" not in page.read_text()
    assert [event["pages"] for event in events(studio)] == [[str(page)]] * 2
    assert "nothing" in call("purge", "ada", "--yes")[1]
    code, out, _ = call("purge", "bob", "--yes")  # of whom there is nothing but the page
    assert (code, "1 part of night pages" in out, page.exists()) == (0, True, False)
    assert "night" in " ".join(call("purge", "--help")[1].split())


def test_what_is_published_and_copied_while_purge_asks_goes_too_and_is_recorded(
    call, studio, monkeypatch
):
    place = str(studio / "published")

    def answer(*_, **__):
        _night(3)
        mirror("ada", place)
        return True

    monkeypatch.setattr("typer.confirm", answer)
    code, out, _ = call("purge", "ada")
    assert (code, "3 adapters, 3 buffers" in out) == (0, True)
    assert not list((studio / "published").rglob("*.json"))
    begun, done = events(studio)
    assert (begun["adapters"], done["adapters"]) == (["v001", "v002"], ["v001", "v002", "v003"])
    assert done["copies"] == [place]
    assert register_adapter("ada", b"anew", FACTS).version == "v004"


def test_purged_actors_photographs_leave_no_trace_in_the_registry(call, studio):
    call("purge", "ada", "--yes")
    standing = json.loads((studio / "home" / "registry" / "standing" / "ada.json").read_text())
    assert (standing["photographs"], standing["purged"]) == ([], "v002")
