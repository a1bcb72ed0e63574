import numpy as np
import pytest

from models.continual import search
from models.continual.balance import Balance
from models.continual.hull import nearest_in_hull
from models.continual.search import random_search, score, swap_search


def _pool(counts, *, size=24, seed=0):
    """Increments as clusters of six directions each."""
    rng = np.random.default_rng(seed)
    clusters = [
        rng.normal(size=size) * 2 + rng.normal(size=(n, 6)) @ rng.normal(size=(6, size))
        for n in counts
    ]
    return np.concatenate(clusters), np.repeat(np.arange(len(counts)), counts)


def test_score_is_the_mean_over_increments_of_mean_distances():
    codes, increments = _pool((2, 6))
    chosen = np.array([0, 3, 5])
    apart = nearest_in_hull(codes, codes[chosen]).distances
    wanted = (apart[:2].mean() + apart[2:].mean()) / 2
    assert score(codes, chosen, increments) == pytest.approx(wanted, abs=1e-7)
    assert score(codes, chosen) == pytest.approx(apart.mean(), abs=1e-7)


def test_the_authors_search_is_exhaustive_where_subsets_are_few():
    codes, increments = _pool((1, 1, 1, 12))
    found = random_search(codes, increments, 3, seed=0)
    every = [np.array(rows) for rows in Balance.of(increments, 3).every()]
    assert found.scored == len(every)
    assert found.score == pytest.approx(min(score(codes, rows, increments) for rows in every))
    assert found.score == pytest.approx(score(codes, found.rows, increments))


def test_the_authors_search_draws_where_subsets_are_many():
    codes, increments = _pool((10, 10))
    found = random_search(codes, increments, 6, seed=0, draws=50)
    assert found.scored == 50
    better = random_search(codes, increments, 6, seed=0, draws=500)
    assert better.score <= found.score


@pytest.mark.parametrize("counts", [(4, 6), (2, 2, 5), (9,)])
def test_swap_search_finds_the_best_subset_of_small_pools(counts, monkeypatch):
    monkeypatch.setattr(search, "EXHAUSTIVE", 0)  # so that it has to search
    codes, increments = _pool(counts)
    wanted = random_search(codes, increments, 4, seed=0).score
    assert swap_search(codes, increments, 4, seed=0).score == pytest.approx(wanted)


def test_swap_search_is_as_good_as_many_draws_on_fewer_subsets():
    """Two codes that are better only together may escape it, which costs next to nothing."""
    gains = []
    for seed in range(3):
        codes, increments = _pool((4, 4, 10), seed=seed)
        drawn = random_search(codes, increments, 7, seed=seed, draws=1500)
        ours = swap_search(codes, increments, 7, seed=seed)
        assert ours.scored < drawn.scored
        gains.append(1 - ours.score / drawn.score)
    assert min(gains) > -0.01
    assert np.mean(gains) > -1e-9


def test_swap_search_keeps_the_balance_and_says_the_score_of_the_whole_pool():
    codes, increments = _pool((200, 200, 200))
    found = swap_search(codes, increments, 4, seed=0)
    assert sorted(np.bincount(increments[found.rows]).tolist()) == [1, 1, 2]
    assert found.score == pytest.approx(score(codes, found.rows, increments))
    assert found.score < random_search(codes, increments, 4, seed=0, draws=20).score


def test_a_search_depends_on_the_seed_alone():
    codes, increments = _pool((10, 10))
    first, again = (swap_search(codes, increments, 6, seed=3).rows for _ in range(2))
    assert (first == again).all()
