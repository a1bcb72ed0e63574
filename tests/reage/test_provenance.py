import errno
import json
import multiprocessing
import os
import resource
from datetime import UTC, date, datetime

import pytest

from reage.errors import ConsentError, LedgerError, StorageError
from reage.manifest import ActorManifest, ShotManifest
from reage.provenance import DIGITAL_SOURCE_TYPE, AuditLog, check_consent, sidecar

TODAY = date(2026, 6, 1)
CONSENT = {
    "document_id": "DEMO-2026-001",
    "scope": ["render"],
    "shows": ["demo"],
    "granted": "2026-01-01",
    "expires": "2026-12-31",
}


def actor(**consent):
    return ActorManifest.model_validate(
        {
            "actor": "ada",
            "names": ["Ada Example"],
            "birth_date": "1964-03-02",
            "consent": {**CONSENT, **consent},
        }
    )


def check(who, **changes):
    given = {"use": "render", "show": "demo", "document_id": "DEMO-2026-001", "today": TODAY}
    check_consent(who, **{**given, **changes})


def shot(**changes):
    return ShotManifest.model_validate(
        {
            "show": "demo",
            "sequence": "sq010",
            "shot": "sh0010",
            "plate": {"uri": "plate.mov", "cut_in": 1009, "cut_out": 1072, "handles": 8},
            "actors": [{"actor": "ada", "target_age": {"keyframes": {1009: 62, 1072: 38}}}],
            "delivery": {"destination": "out"},
            "consent": {"document_id": "DEMO-2026-001"},
            **changes,
        }
    )


@pytest.mark.parametrize("today", [date(2026, 1, 1), TODAY, date(2026, 12, 31)])
def test_consent_holds_from_its_first_day_to_its_last(today):
    check(actor(), today=today)


def test_consent_holds_for_any_show_and_without_a_shots_document():
    check(actor(shows="any"), show="other", document_id=None)


def test_consent_to_training_needs_no_show_but_the_use():
    learning = {"use": "train", "show": None, "document_id": None}
    check(actor(scope=["train"], shows=["demo"]), **learning)
    with pytest.raises(ConsentError, match="expected train among the uses"):
        check(actor(scope=["render"]), **learning)
    with pytest.raises(ConsentError, match="expires"):
        check(actor(scope=["train"]), **learning, today=date(2040, 1, 1))


def test_consent_holds_until_the_day_it_is_revoked():
    check(actor(revoked="2026-06-02"))


@pytest.mark.parametrize(
    ("consent", "changes", "sentence"),
    [
        (
            {"revoked": "2026-06-01"},
            {},
            "actor ada: consent.revoked: got 2026-06-01, expected no withdrawal by 2026-06-01; "
            "stop work with this actor and ask the production",
        ),
        (
            {},
            {"today": date(2027, 1, 1)},
            "actor ada: consent.expires: got 2026-12-31, expected 2027-01-01 or later; "
            "ask the production for a new consent document",
        ),
        (
            {},
            {"today": date(2025, 12, 31)},
            "actor ada: consent.granted: got 2026-01-01, expected 2025-12-31 or earlier; "
            "wait until the consent begins",
        ),
        (
            {},
            {"use": "train"},
            "actor ada: consent.scope: got render, expected train among the uses; "
            "ask the production for a new consent document",
        ),
        (
            {},
            {"show": "other"},
            "actor ada: consent.shows: got demo, expected other among the shows; "
            "ask the production for a new consent document",
        ),
        (
            {},
            {"document_id": "DEMO-2026-002"},
            "actor ada: consent.document_id: got 'DEMO-2026-001', expected 'DEMO-2026-002', which "
            "the shot names; correct consent.document_id in the shot or in the actor's manifest",
        ),
    ],
)
def test_consent_that_does_not_cover_a_use_says_why(consent, changes, sentence):
    with pytest.raises(ConsentError) as caught:
        check(actor(**consent), **changes)
    assert str(caught.value) == sentence
    assert isinstance(caught.value, PermissionError)


def test_consent_says_every_reason_at_once():
    with pytest.raises(ConsentError) as caught:
        check(actor(), use="train", show="other", today=date(2030, 1, 1))
    assert len(str(caught.value).splitlines()) == 3


def test_sidecar_says_what_was_done_with_what():
    made = sidecar(
        shot(),
        version="v003",
        plate_digest="aa",
        prior_digest="bb",
        adapters={"ada": ("v002", "cc")},
        source_ages={"ada": 61.5},
        created=datetime(2026, 6, 1, 12, tzinfo=UTC),
        software_version="0.1.0",
    )
    assert json.loads(json.dumps(made)) == made
    assert made["digital_source_type"] == DIGITAL_SOURCE_TYPE
    assert made["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert made["manifest_sha256"] == shot().digest
    assert made["plate"] == {"uri": "plate.mov", "sha256": "aa"}
    assert made["prior"] == {"name": "compact", "sha256": "bb"}
    assert (made["version"], made["cut"], made["frames"]) == ("v003", "1009-1072", "1001-1080")
    assert made["software"] == {"name": "reage", "version": "0.1.0"}
    assert made["created"] == "2026-06-01T12:00:00+00:00"
    (part,) = made["actors"]
    assert part["consent_document_id"] == "DEMO-2026-001"
    assert part["source_age"] == 61.5
    assert part["source_age_is_estimated"]
    assert part["target_age"] == {
        "keyframes": {"1009": 62.0, "1072": 38.0},
        "interpolation": "smooth",
    }
    assert part["adapter"] == {"version": "v002", "sha256": "cc"}
    assert part["adapter_strength"] == 1.0


def test_sidecar_without_a_time_is_the_same_each_time():
    first, second = (
        sidecar(shot(), version="v001", plate_digest="a", prior_digest="b") for _ in "12"
    )
    assert first == second
    assert "created" not in first


def test_sidecar_keeps_the_stated_age_and_no_personal_data():
    stated = shot(actors=[{"actor": "ada", "source_age": 62, "target_age": 38}])
    made = sidecar(
        stated, version="v001", plate_digest="a", prior_digest="b", source_ages={"ada": 50.0}
    )
    assert made["actors"][0]["source_age"] == 62
    assert not made["actors"][0]["source_age_is_estimated"]
    assert "1964" not in json.dumps(made)
    assert "Ada Example" not in json.dumps(made)


@pytest.fixture
def log(tmp_path):
    log = AuditLog(tmp_path / "deep" / "audit.jsonl")
    for number in range(5):
        log.append({"action": "render", "shot": f"sh00{number}0", "note": "Žofie\n✓"})
    return log


def test_audit_log_verifies_and_gives_back_its_events(log):
    assert log.verify() == 5
    assert [entry["event"]["shot"] for entry in log.entries()] == [f"sh00{n}0" for n in range(5)]
    assert [entry["number"] for entry in log.entries()] == [1, 2, 3, 4, 5]
    assert len(log.path.read_text().splitlines()) == 5


def test_audit_log_that_does_not_exist_is_empty(tmp_path):
    assert AuditLog(tmp_path / "none.jsonl").verify() == 0


def alter(log, change):
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(change(lines)))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda ls: [*ls[:2], ls[2].replace(b"sh0020", b"sh9920"), *ls[3:]], ":3: digest"),
        (lambda ls: [*ls[:2], *ls[3:]], ":3: number"),
        (lambda ls: ls[1:], ":1: number"),
        (lambda ls: [ls[0], ls[2], ls[1], *ls[3:]], ":2: number"),
        (lambda ls: [*ls[:2], ls[1], *ls[2:]], ":3: number"),
        (lambda ls: [*ls[:4], ls[4][:-20]], ":5: line"),
        (lambda ls: [*ls[:4], ls[4][:-1]], ":5: line"),
        (lambda ls: [*ls[:2], b"\n", *ls[2:]], ":3: line"),
        (lambda ls: [*ls[:2], b"[]\n", *ls[3:]], ":3: line"),
        (lambda ls: [*ls[:2], b"7\n", *ls[3:]], ":3: line"),
        (lambda ls: [*ls[:2], b"\xff\xfe\n", *ls[3:]], ":3: line"),
        (lambda ls: [*ls[:2], b"[" * 100_000 + b"\n", *ls[3:]], ":3: line"),
    ],
)
def test_audit_log_names_its_first_broken_line(log, change, place):
    alter(log, change)
    with pytest.raises(LedgerError) as caught:
        log.verify()
    assert str(caught.value).startswith(f"{log.path}{place}: got ")


def test_audit_log_notices_a_line_forged_with_its_own_right_digest(log, tmp_path):
    forged = AuditLog(tmp_path / "other.jsonl")
    for number in range(5):
        forged.append({"action": "render", "shot": f"sh99{number}0"})
    other = forged.path.read_bytes().splitlines(keepends=True)
    alter(log, lambda lines: [*lines[:2], other[2], *lines[3:]])
    with pytest.raises(LedgerError, match=r":3: previous: got [0-9a-f]{64}, expected [0-9a-f]{64}"):
        log.verify()


def test_audit_log_misses_its_end_only_when_the_head_is_known(log):
    head = log.entries()[-1]["digest"]
    assert log.verify(head=head) == 5
    alter(log, lambda lines: lines[:3])
    assert log.verify() == 3
    with pytest.raises(LedgerError, match=f"head: got a log of 3 without {head}"):
        log.verify(head=head)


def test_audit_log_is_not_continued_behind_a_broken_line(log):
    alter(log, lambda lines: [*lines[:4], lines[4][:-10]])
    before = log.path.read_bytes()
    with pytest.raises(LedgerError, match="last line: line: got half an entry"):
        log.append({"action": "render"})
    assert log.path.read_bytes() == before


@pytest.mark.parametrize("event", [{"x": {1, 2}}, {"x": float("nan")}, {"x": b"bytes"}])
def test_audit_log_refuses_what_is_not_json_and_stays_whole(log, event):
    with pytest.raises(LedgerError, match="expected JSON values"):
        log.append(event)
    assert log.verify() == 5


def test_audit_log_takes_events_longer_than_a_block(log):
    log.append({"note": "x" * 200_000})
    log.append({"note": "short"})
    assert log.verify() == 7


def _append_within(path, limit, answers):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        AuditLog(path).append({"action": "render", "note": "x" * 100_000})
        answers.send(None)
    except (ValueError, OSError) as error:
        answers.send((type(error), str(error)))


def error_of_appending_within(path, limit):
    """Appends a long event in a process that may write files up to `limit` bytes only."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_append_within, args=(path, limit, there))
    process.start()
    assert here.poll(30)
    answer = here.recv()
    process.join(30)
    return answer


@pytest.mark.parametrize("room", [0, 1, 90_000])
def test_audit_log_without_room_stays_as_it_was_and_goes_on_later(log, room):
    before = log.path.read_bytes()
    kind, sentence = error_of_appending_within(log.path, len(before) + room)
    assert kind is StorageError
    assert sentence == (
        f"{log.path}: write: got File too large, expected a writable folder with free space; "
        "raise the file-size limit"
    )
    assert log.path.read_bytes() == before
    log.append({"action": "render"})
    assert log.verify() == 6


def test_audit_log_without_room_for_its_first_entry_is_empty(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    kind, _ = error_of_appending_within(log.path, 10)
    assert kind is StorageError
    assert log.verify() == 0
    log.append({"action": "render"})
    assert log.verify() == 1


def test_audit_log_keeps_no_entry_that_did_not_reach_the_disk(log, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = log.path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match=r"audit\.jsonl: write: got No space left on device"):
            log.append({"action": "render"})
    assert log.path.read_bytes() == before
    log.append({"action": "render"})
    assert log.verify() == 6


def test_audit_log_in_a_place_that_is_no_folder_is_one_sentence(tmp_path):
    (tmp_path / "work").touch()
    with pytest.raises(StorageError, match=r"audit\.jsonl: write: got .*, expected a writable"):
        AuditLog(tmp_path / "work" / "audit.jsonl").append({"action": "render"})


def _append_many(path):
    log = AuditLog(path)
    for number in range(20):
        log.append({"number": number})


def test_audit_log_stays_a_chain_under_several_processes(tmp_path):
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append_many, args=(path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert AuditLog(path).verify() == 80
