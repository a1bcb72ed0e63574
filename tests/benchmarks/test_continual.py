import numpy as np
import pytest
import torch

from benchmarks.continual.__main__ import planned
from benchmarks.continual.explaining import explained
from benchmarks.continual.figure import draw
from benchmarks.continual.judging import MEASURES, Encoded
from benchmarks.continual.page import fill_in
from benchmarks.continual.rows import Row, Schooling, run_row
from benchmarks.continual.streams import (
    HELD_OUT,
    INCREMENTS,
    TAUGHT,
    Stream,
    load_stream,
    save_stream,
    synthetic_stream,
)
from benchmarks.continual.summary import figures_of, recovered, summarise
from models.ageing.compact_prior import CompactPrior, tiny_config
from models.ageing.prior import TemplateAlignment
from models.ageing.synthetic_actor import SyntheticActor

T = 3
ALIGNMENT = TemplateAlignment(
    landmark_indices=(33, 263, 1), template=((16.0, 24.0), (48.0, 24.0), (32.0, 40.0)), size=64
)


@pytest.fixture(scope="module")
def prior():
    torch.manual_seed(0)
    return CompactPrior(tiny_config(resolution=64), ALIGNMENT).eval().requires_grad_(False)


class _Noting:
    """Examines nothing; says which increments it was asked about."""

    def __init__(self):
        self.asked = []

    def examine(self, decode, increment):
        self.asked.append(increment)
        assert callable(decode)
        return {name: float(len(self.asked)) for name in MEASURES}


def _row(stream, strategy, size, seed, forgotten):
    """A row whose distance on increment 0 rises by `forgotten` at the end."""
    matrix = np.where(np.tri(T, dtype=bool), 1.0, np.nan)
    matrix[-1, 0] += forgotten
    lists = [[None if np.isnan(v) else v for v in line] for line in matrix]
    return {
        "stream": stream, "strategy": strategy, "size": size, "seed": seed,
        "matrices": dict.fromkeys(MEASURES, lists), "seconds": 1.0,
    }  # fmt: skip


def test_photographs_of_an_increment_are_alike_and_none_is_both_taught_and_held_out(prior):
    crops = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(4)) * 2 - 1
    actor = SyntheticActor.between(prior, crops[:1], [crops[1:2], crops[2:]], age=45.0, amount=0.5)
    stream = synthetic_stream(actor, seed=1)
    assert stream.taught.shape == (INCREMENTS, TAUGHT, 64, 64, 3)
    assert stream.held_out.shape == (INCREMENTS, HELD_OUT, 64, 64, 3)
    faces = stream.taught.astype(float)
    within = np.abs(faces[:, 0] - faces[:, 10]).mean()
    between = np.abs(faces[:-1, 0] - faces[1:, 0]).mean()
    assert within < 0.6 * between
    taught = {face.tobytes() for increment in stream.taught for face in increment}
    assert not taught & {face.tobytes() for increment in stream.held_out for face in increment}


def test_a_stream_comes_back_as_it_was_saved(tmp_path):
    stream = Stream(np.full((2, 3, 4, 4, 3), 7, np.uint8), np.zeros((2, 1, 4, 4, 3), np.uint8))
    save_stream(stream, tmp_path / "s.npz")
    again = load_stream(tmp_path / "s.npz")
    assert (again.taught == stream.taught).all()
    assert (again.held_out == stream.held_out).all()


@pytest.mark.parametrize(("strategy", "size"), [("none", 0), ("hull", 2), ("joint", 0)])
def test_a_row_examines_every_increment_so_far_and_leaves_the_prior(prior, strategy, size):
    pixels = np.random.default_rng(0).integers(0, 255, (T, 4, 64, 64, 3)).astype(np.uint8)
    encoded = Encoded.of(Stream(pixels, pixels[:, :2]), prior, size=64)
    before = {name: tensor.clone() for name, tensor in prior.state_dict().items()}
    examiner = _Noting()
    row = Row("s", strategy, size, 0)
    made = run_row(row, prior, encoded, examiner, Schooling(steps=1))
    each = [0, 1, 2] if strategy == "joint" else [0, 0, 1, 0, 1, 2]
    assert examiner.asked == each
    filled = np.isfinite(np.array(made["matrices"]["distance"], dtype=float))
    assert filled.sum() == len(each)
    assert all(torch.equal(tensor, before[name]) for name, tensor in prior.state_dict().items())


def test_summary_pairs_hull_with_random_by_stream_and_seed():
    rows = [
        _row(stream, strategy, 3, seed, forgotten)
        for stream in ("a", "b")
        for seed in (0, 1)
        for strategy, forgotten in (("hull", 0.2 + seed), ("random", 0.6 + seed))
    ]
    rows.append(_row("c", "hull", 3, 0, 99.0))  # has no partner
    found = summarise(rows)["hull_against_random"]["3"]["distance"]
    assert found["pairs"] == 4
    assert found["difference"] == pytest.approx(-0.4 / (T - 1))
    assert found["hull_forgets_less"] == 4
    assert found["by_stream"] == {"a": pytest.approx(-0.2), "b": pytest.approx(-0.2)}
    assert found["hull_forgets_less_by_stream"] == found["streams"] == 2


def test_means_are_of_streams_with_both_bounds_and_pairs_of_all():
    rows = [_row("a", "none", 0, 0, 3.0), _row("a", "joint", 0, 0, 0.0)]
    for stream, forgotten in (("a", 1.0), ("b", 50.0), ("c", 60.0)):
        rows += [_row(stream, kind, 3, 0, forgotten) for kind in ("hull", "random")]
    found = summarise(rows)
    assert found["groups"]["hull-3"]["rows"] == 1
    assert found["groups"]["hull-3"]["distance"]["forgetting"]["mean"] == pytest.approx(0.5)
    assert found["hull_against_random"]["3"]["distance"]["pairs"] == 3


def test_scores_are_of_what_rows_kept_and_are_compared_with_what_they_forgot():
    rng = np.random.default_rng(0)
    codes = {name: rng.normal(size=(T, 6, 5)) for name in "abc"}
    rows = [
        _row(stream, kind, 3, seed, forgotten + 0.1 * number * (kind == "hull"))
        for number, stream in enumerate(codes)
        for seed, forgotten in ((0, 1.0), (1, 2.0))
        for kind in ("hull", "random")
    ]
    found = explained(rows, codes)
    assert found["pairs"] == 6
    assert found["score"]["hull"] < found["score"]["random"]
    far = {name: each + 100.0 * np.arange(T)[:, None, None] for name, each in codes.items()}
    apart = explained(rows, far)["within_to_between"]
    assert all(apart[name] < found["within_to_between"][name] for name in codes)


def test_recovered_is_the_share_of_the_gap_between_the_bounds():
    rows = [_row("a", "none", 0, 0, 3.0), _row("a", "hull", 3, 0, 1.0), _row("a", "joint", 0, 0, 0)]
    groups = summarise(rows)["groups"]
    assert list(groups) == ["none", "hull-3", "joint"]
    low, own, high = (figures_of(row)["distance"]["performance"] for row in rows)
    share = recovered(groups, "hull-3", "distance")
    assert share == pytest.approx((own - low) / (high - low), abs=1e-3)
    assert 0 < share < 1
    assert "forgetting" not in groups["joint"]["distance"]


def test_a_cut_run_has_both_bounds_and_both_rivals_of_every_stream_first():
    whole = list(planned(["a", "b"], rounds=4))
    assert len({row.name for row in whole}) == len(whole)
    first = list(planned(["a", "b"], rounds=1))
    assert whole[: len(first)] == first
    pairs = [row for row in planned(["a"], rounds=4, further=["b"]) if row.stream == "b"]
    assert {(row.strategy, row.size) for row in pairs} == {("random", 3), ("hull", 3)}
    assert sorted(row.seed for row in pairs) == [0, 0, 1, 1, 2, 2]
    kinds = {(row.stream, row.strategy) for row in first}
    assert kinds == {(s, k) for s in "ab" for k in ("none", "random", "hull", "joint")}


def test_the_picture_is_drawn_from_whatever_rows_there_are(tmp_path):
    rows = [_row("a", "none", 0, 0, 3.0), _row("a", "hull", 3, 0, 1.0), _row("a", "joint", 0, 0, 0)]
    draw(rows, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def _document(rows):
    search = {
        "nightly": {"3": {"pools": 2, "seconds_authors": 1.0, "seconds_ours": 0.1,
                          "score_ratio": 0.99, "worst_score_ratio": 1.0, "ours_better": 1,
                          "ours_worse": 0}},
        "10000 codes": {"3": {"seconds_ours": 1.0, "score_ours": 2.0,
                              "seconds_authors_of_5000": 90, "score_authors_of_20": 2.5}},
    }  # fmt: skip
    return {
        "machine": "M", "prior": "0123456789", "date": "2026-01-01", "streams": ["a"],
        "rows": len(rows), "increments": 3, "pixels": 64,
        "schooling": {"steps": 1, "learning_rate": 0.1},
        "processor_seconds": 60, **summarise(rows), "selection": search,
        "explained": {
            "pairs": 4, "score": {"hull": 1.0, "random": 1.1}, "score_ratio": 0.9,
            "spearman": 0.5, "p_spearman": 0.04, "within_to_between": {"a": 0.5},
        },
    }  # fmt: skip


def test_the_pages_tables_are_replaced_and_its_words_stay(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- measured -->\nold\n<!-- /measured -->\nAfter.\n")
    rows = [_row("a", "none", 0, 0, 3.0), _row("a", "hull", 3, 0, 1.0), _row("a", "joint", 0, 0, 0)]
    fill_in(_document(rows), page)
    fill_in(_document(rows), page)
    text = page.read_text()
    assert text.startswith("Before.\n") and text.endswith("\nAfter.\n")
    assert "old" not in text
    assert text.count("| hull, B = 3 | 1 |") == 1
    with pytest.raises(ValueError, match="got no <!-- measured -->"):
        fill_in(_document(rows), _written(tmp_path / "bare.md"))


def _written(path):
    path.write_text("Nothing to fill in.\n")
    return path
