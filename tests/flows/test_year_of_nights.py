"""A year of nights: storage within its budget, pools that do not grow, nothing forgotten unsaid."""

import numpy as np
import pytest

from benchmarks.nights import simulated_year
from reage.manifest.nightly import NightlyUpdates
from reage.provenance import AuditLog
from reage.registry.adapters import adapter_versions, find_adapter
from reage.registry.buffers import buffer_versions, find_buffer
from reage.rehearsal.replay_buffer import load_buffer

NIGHTS = 365
SETTINGS = NightlyUpdates.model_validate(
    {
        "buffer": {"images": 5, "held_out": 2, "megabytes": 1, "versions": 2},
        "tolerance": {"distance": 1, "identity": 2},
    }
)


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """Every night's sizes and pools, and where the year ended."""
    folder = tmp_path_factory.mktemp("year")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAGE_HOME", str(folder / "home"))
        # Nothing is lost to a power cut here, and a year's worth of waiting for disks is.
        patch.setattr("reage.storage.local.sync", lambda path: None)
        patch.setattr("reage.registry.buffers.sync", lambda path: None)
        patch.setattr("os.fsync", lambda descriptor: None)
        yield (
            folder,
            list(
                simulated_year(
                    folder / "work",
                    SETTINGS,
                    nights=NIGHTS,
                    arrivals=lambda rng: 1 + int(rng.poisson(5)),
                )
            ),
        )


def test_every_night_of_a_year_publishes_an_adapter_and_its_buffer(year):
    _, nights = year
    assert [found.night.outcome for found in nights] == ["updated"] * NIGHTS
    assert len(adapter_versions("simulated")) == NIGHTS
    assert buffer_versions("simulated") == ["v364", "v365"]
    digest = find_adapter("simulated").facts.buffer_digest
    assert digest == find_buffer("simulated", "v365").digest


def test_buffers_stay_within_their_budget_every_night(year):
    _, nights = year
    assert max(found.largest_buffer_bytes for found in nights) < 1_100_000  # with its description
    assert max(found.buffer_bytes for found in nights) < 2 * 1_100_000


def test_pool_that_is_chosen_from_is_the_increment_and_the_buffer_never_history(year):
    record = find_buffer("simulated", "v365")
    buffer, last = load_buffer(record.arrays), record.described["increments"][-1]
    assert record.described["num_pool"] == 5 + last["num_learnt"]
    assert len(buffer.kept) == 5
    assert set(buffer.kept.photographs.tolist()) <= set(buffer.seen)


def test_held_out_photographs_that_stay_are_spread_over_the_year(year):
    _, nights = year
    buffer = load_buffer(find_buffer("simulated", "v365").arrays)
    increments = np.unique(buffer.held_out.increments)
    assert increments[0] < 10
    assert increments[-1] > NIGHTS - 10
    assert len(increments) > 50
    assert np.diff(increments).max() < 30
    assert len(nights[-1].night.records) == NIGHTS


def test_audit_log_of_a_year_is_whole_and_names_every_version(year):
    folder, _ = year
    log = AuditLog(folder / "work" / "audit.jsonl")
    log.verify()
    updates = [e["event"] for e in log.entries() if e["event"]["event"] == "update"]
    assert [event["increment"] for event in updates] == list(range(1, NIGHTS + 1))
