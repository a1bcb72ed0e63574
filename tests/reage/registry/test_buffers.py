"""Buffers and the adapters that name them: consistent, whatever ends the process between."""

import os
import signal
import time
from dataclasses import replace

import pytest

from reage.errors import RegistryError
from reage.registry.adapter_facts import UpdatedFacts
from reage.registry.adapters import Foundation, adapter_versions, find_adapter, register_adapter
from reage.registry.buffers import (
    buffer_versions,
    buffers_folder,
    commit_buffer,
    find_buffer,
    is_staged,
    retire_buffers,
    stage_buffer,
)

FACTS = UpdatedFacts(
    prior_name="compact",
    prior_digest="ab" * 32,
    licence="research only",
    consent_document="CONSENT-1",
    network={"num_layers": 8},
    collection_digest="cd" * 32,
    num_photographs=5,
    min_age=30.0,
    max_age=70.0,
    recipe={},
    parent="",
    increment=1,
    num_rehearsed=0,
    buffer_digest="",
)


@pytest.fixture(autouse=True)
def studio_home(tmp_path, monkeypatch):
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def published(number, *, arrays=b"arrays"):
    """Stages a buffer and publishes the adapter that names it."""
    digest = stage_buffer("ada", arrays, {"number": number})
    facts = replace(FACTS, increment=number, buffer_digest=digest)
    return register_adapter("ada", b"%d" % number, facts), digest


def committed(number):
    record, digest = published(number)
    return commit_buffer("ada", record.version, digest)


def test_committed_buffer_returns_as_it_was_staged():
    found = committed(1)
    assert find_buffer("ada", "v001") == found
    assert found.arrays.read_bytes() == b"arrays"
    assert found.described["number"] == 1
    assert find_adapter("ada").facts.buffer_digest == found.digest


def test_staged_buffer_is_no_version_until_it_is_committed():
    record, digest = published(1)
    assert (buffer_versions("ada"), is_staged("ada", digest)) == ([], True)
    commit_buffer("ada", record.version, digest)
    assert (buffer_versions("ada"), is_staged("ada", digest)) == (["v001"], False)


def test_committing_again_changes_nothing_and_another_buffer_is_refused():
    record, digest = published(1)
    first = commit_buffer("ada", record.version, digest)
    assert commit_buffer("ada", record.version, digest) == first
    other = stage_buffer("ada", b"other", {})
    with pytest.raises(RegistryError, match=f"got {digest[:12]}….*expected {other[:12]}…"):
        commit_buffer("ada", record.version, other)
    with pytest.raises(RegistryError, match="got none, expected ffffffffffff…"):
        commit_buffer("ada", "v009", "f" * 64)


def test_same_buffer_staged_twice_is_one():
    assert stage_buffer("ada", b"a", {"n": 1}) == stage_buffer("ada", b"a", {"n": 1})
    assert stage_buffer("ada", b"a", {"n": 1}) != stage_buffer("ada", b"b", {"n": 1})


@pytest.mark.parametrize("file", ["buffer.npz", "buffer.json"])
def test_changed_buffer_is_refused_with_both_digests(file):
    found = committed(1)
    (found.folder / file).write_bytes(b"tampered")
    with pytest.raises(RegistryError, match=rf"{file}: got sha256 .*as registered"):
        find_buffer("ada", "v001")


def test_newest_buffers_are_kept_and_their_adapters_all():
    for number in range(1, 6):
        committed(number)
    assert retire_buffers("ada", keep=2) == ["v001", "v002", "v003"]
    assert buffer_versions("ada") == ["v004", "v005"]
    assert len(adapter_versions("ada")) == 5
    assert retire_buffers("ada", keep=2) == []


def test_abandoned_staged_buffer_goes_and_one_that_an_adapter_names_stays():
    record, named = published(1)
    abandoned = stage_buffer("ada", b"of a refused night", {})
    staged = buffers_folder("ada") / ".staged"
    long_ago = time.time() - 90_000
    for digest in (named, abandoned):
        os.utime(staged / digest, (long_ago, long_ago))
    retire_buffers("ada", keep=7)
    assert not is_staged("ada", abandoned)
    assert commit_buffer("ada", record.version, named).version == "v001"


def _night_that_dies(stage):
    """The end of a night, in which this very process is killed at one of its renames."""

    def dying(real, what):
        def act(source, target, **more):
            if what == stage:
                os.kill(os.getpid(), signal.SIGKILL)
            real(source, target, **more)
            if f"after {what}" == stage:
                os.kill(os.getpid(), signal.SIGKILL)

        return act

    rename, replaced = os.rename, os.replace
    os.replace, os.rename = dying(replaced, "arrays written"), dying(rename, "staged")
    digest = stage_buffer("ada", b"arrays", {"number": 2})
    os.replace, os.rename = replaced, dying(rename, "published")
    facts = replace(FACTS, increment=2, buffer_digest=digest)
    record = register_adapter("ada", b"2", facts)
    os.rename = dying(rename, "committed")
    commit_buffer("ada", record.version, digest)


STAGES = [
    "arrays written", "staged", "after staged", "published", "after published", "committed",
    "after committed",
]  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_process_killed_at_any_stage_leaves_what_the_next_one_completes(stage):
    """A real process and a real SIGKILL at each rename of a night's end, and right after it."""
    committed(1)
    child = os.fork()
    if not child:
        _night_that_dies(stage)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    latest = find_adapter("ada")  # whole, whatever happened
    is_published = STAGES.index(stage) >= STAGES.index("after published")
    assert latest.version == ("v002" if is_published else "v001")
    digest = latest.facts.buffer_digest
    if find_buffer("ada", latest.version) is None:
        assert is_staged("ada", digest)
    assert commit_buffer("ada", latest.version, digest).described["number"] == int(is_published) + 1
    again, digest = published(2)
    assert (again.version, commit_buffer("ada", "v002", digest).digest) == ("v002", digest)


def test_update_is_not_published_on_a_foundation_that_moved():
    committed(1)
    before = Foundation.of("ada")
    committed(2)
    with pytest.raises(RegistryError, match=r"latest: got v002, expected v001 as when the update"):
        register_adapter("ada", b"late", FACTS, on=before)
    assert adapter_versions("ada") == ["v001", "v002"]


def test_card_says_what_a_night_made_it_of():
    record = register_adapter("ada", b"1", replace(FACTS, parent="v004", num_rehearsed=3))
    card = (record.folder / "MODEL_CARD.md").read_text()
    assert "increment 1, learnt on from v004; 3 earlier photographs rehearsed" in card
    assert find_adapter("ada").facts == record.facts
