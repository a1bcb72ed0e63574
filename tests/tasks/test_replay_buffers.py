"""What is kept of an increment: chosen from the pool, within the budget, with its records."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from reage.manifest.nightly import BufferBudget
from reage.registry.buffers import commit_buffer, find_buffer
from reage.rehearsal.examination import ExaminedFace, IncrementRecord
from reage.rehearsal.replay_buffer import load_buffer
from tasks.increment_refs import BufferRef, ExaminationRef, IncrementRef
from tasks.refs import PriorRef, TrainedRef
from tasks.replay_buffers import Provenance, stage_update
from tests.reage.rehearsal.conftest import faces_of

BUDGET = BufferBudget(strategy="hull", images=3, held_out=2, megabytes=1)
PROVENANCE = Provenance(
    actor="ada",
    place="s3://studio/ada",
    consent_document="CONSENT-1",
    prior=PriorRef(name="tiny", folder="", digest="ab" * 32),
    parent="v001",
)


@pytest.fixture
def night(tmp_path, monkeypatch):
    """Stages and commits increments of eight photographs, two of them held out."""
    monkeypatch.setenv("REAGE_HOME", str(tmp_path / "home"))
    records: list[IncrementRecord] = []
    faces_before: list[ExaminedFace] = []

    def run(number, *, budget=BUDGET, size=8, strategy="hull"):
        folder = tmp_path / f"night-{number}"
        folder.mkdir()
        faces = faces_of(8, increment=number, size=size)
        is_held_out = np.arange(8) >= 6
        with (folder / "increment.npz").open("wb") as file:
            np.savez(file, **faces.arrays(), is_held_out=is_held_out)
        figures = {"distance": 0.1 * number, "identity": 0.9}
        for digest in faces.photographs[is_held_out]:
            face = ExaminedFace(photograph=str(digest), increment=number, before={}, after=figures)
            faces_before.append(face)
        text = json.dumps([asdict(face) for face in faces_before])
        (folder / "examination.json").write_text(text)
        (folder / "weights.safetensors").write_bytes(b"%d" % number)
        increment = IncrementRef(
            path=str(folder / "increment.npz"), digest=f"{number}", number=number, num_learnt=6,
            num_held_out=2, min_age=30.0, max_age=70.0,
        )  # fmt: skip
        new = IncrementRecord(
            number=number, day="2026-01-01", num_learnt=6, num_held_out=2, min_age=30.0,
            max_age=70.0,
        )  # fmt: skip
        before = find_buffer("ada", f"v{number - 1:03d}") if number > 1 else None
        known = records if before is None else [
            IncrementRecord(**record) for record in before.described["increments"]
        ]  # fmt: skip
        digest = stage_update.fn(
            increment,
            None if before is None else BufferRef.of(before),
            ExaminationRef(folder=str(folder), digest=f"{number}"),
            TrainedRef(folder=str(folder), digest=f"{number}"),
            [*known, new],
            budget=budget.model_copy(update={"strategy": strategy}),
            provenance=PROVENANCE,
        )
        record = commit_buffer("ada", f"v{number:03d}", digest)
        return record, load_buffer(record.arrays)

    return run


@pytest.mark.parametrize("strategy", ["hull", "random", "kmeans"])
def test_pool_is_the_increment_and_the_buffer_and_no_photograph_held_out(night, strategy):
    _, first = night(1, strategy=strategy)
    record, second = night(2, strategy=strategy)
    pool = set(first.kept.photographs) | set(faces_of(8, increment=2).photographs[:6])
    assert set(second.kept.photographs) <= pool
    assert record.described["num_pool"] == len(pool) == len(second.pool.places)
    assert not set(second.kept.photographs) & set(second.held_out.photographs)
    assert second.held_out.increments.tolist() == [1, 1, 2, 2]
    assert np.array_equal(second.pool.increments[second.pool.kept], second.kept.increments)


def test_description_says_whose_whence_by_what_right_and_for_which_adapter(night):
    described = night(1)[0].described
    assert (described["actor"], described["collection"]) == ("ada", "s3://studio/ada")
    assert (described["consent"], described["prior"]["sha256"]) == ("CONSENT-1", "ab" * 32)
    assert (described["parent"], len(described["adapter"])) == ("v001", 64)
    assert {row["increment"] for row in described["kept"]} == {1}


def test_held_out_photographs_give_way_to_the_bytes_of_the_budget_and_rehearsed_ones_do_not(night):
    record, buffer = night(1, size=200)  # 120 kB a face: three and two are more than 600 kB
    assert (len(buffer.kept), len(buffer.held_out)) == (3, 2)
    record, buffer = night(2, size=200)
    record, buffer = night(3, size=200)
    assert record.arrays.stat().st_size < 1_000_000
    assert len(buffer.kept) == 3
    assert sorted(set(buffer.held_out.increments.tolist())) == [1, 2, 3]
    assert len(buffer.seen) == 24


def test_budget_too_small_for_its_images_keeps_fewer(night):
    budget = BUDGET.model_copy(update={"images": 30})
    record, buffer = night(1, budget=budget, size=260)
    assert 1 <= len(buffer.kept) < 6
    assert record.arrays.stat().st_size < 1_000_000


def test_increment_whose_held_out_photographs_gave_way_begins_its_best_anew(night):
    night(1, size=200)
    night(2, size=200)
    record, buffer = night(3, size=200)
    left = {n: int((buffer.held_out.increments == n).sum()) for n in (1, 2, 3)}
    found = [IncrementRecord(**values) for values in record.described["increments"]]
    for increment in found[:2]:
        assert bool(increment.best) == (left[increment.number] == 2)
        assert increment.last["identity"] == pytest.approx(0.9)
    assert replace(found[2], day="") == replace(found[2], day="", best={})
