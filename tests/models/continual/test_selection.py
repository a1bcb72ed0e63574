import numpy as np
import pytest

from models.continual.selection import STRATEGIES, hull_score, select

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(23, 12)).astype(np.float32)
INCREMENTS = np.repeat([0, 1, 2, 3], [1, 1, 1, 20])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("size", [3, 5, 10])
def test_select_returns_sorted_rows_each_once(strategy, size):
    rows = select(strategy, CODES, INCREMENTS, size, seed=0)
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()
    assert len(rows) == {"none": 0, "joint": 23}.get(strategy, size)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_select_keeps_all_where_there_are_no_more_than_places(strategy):
    rows = select(strategy, CODES, INCREMENTS, 23, seed=0)
    assert rows.tolist() == ([] if strategy == "none" else list(range(23)))
    assert not len(select(strategy, CODES[:0], INCREMENTS[:0], 3, seed=0))


@pytest.mark.parametrize("strategy", ["random", "hull"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_balanced_strategies_keep_one_code_an_increment(strategy, size):
    for seed in range(5):
        rows = select(strategy, CODES, INCREMENTS, size, seed=seed)
        assert len(set(INCREMENTS[rows])) == size


def test_random_depends_on_the_seed_alone():
    first, again, other = (
        select("random", CODES, INCREMENTS, 10, seed=seed).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_hull_keeps_the_corners_that_hold_the_rest():
    corners = np.eye(4) * 10
    inside = np.random.default_rng(1).dirichlet(np.ones(4), 30) @ corners
    codes = np.concatenate([inside, corners])
    rows = select("hull", codes, np.zeros(34, dtype=np.int64), 4, seed=0)
    assert rows.tolist() == [30, 31, 32, 33]
    assert hull_score(codes, rows) == pytest.approx(0, abs=1e-6)


def test_hull_lies_closer_to_the_pool_than_a_random_choice():
    for seed in range(5):
        ours, drawn = (
            hull_score(CODES, select(strategy, CODES, INCREMENTS, 3, seed=seed), INCREMENTS)
            for strategy in ("hull", "random")
        )
        assert ours <= drawn


def test_kmeans_keeps_the_middle_of_every_cluster():
    middles = np.random.default_rng(2).normal(size=(5, 12)) * 20
    offsets = np.concatenate([np.zeros((1, 12)), np.eye(12), -np.eye(12)])
    codes = (middles[:, None] + offsets[None]).reshape(-1, 12)
    rows = select("kmeans", codes, np.arange(125) // 25, 5, seed=0)
    assert rows.tolist() == [0, 25, 50, 75, 100]


def test_kmeans_of_codes_that_coincide_still_keeps_as_many_as_asked():
    codes = np.repeat(CODES[:2], 6, axis=0)
    assert len(select("kmeans", codes, np.zeros(12, dtype=np.int64), 4, seed=0)) == 4


@pytest.mark.parametrize("strategy", ["kmeans", "random", "hull"])
def test_the_order_of_the_increments_names_is_all_that_counts(strategy):
    nights = np.array([11, 40, 41, 365])[INCREMENTS]
    one = select(strategy, CODES, INCREMENTS, 5, seed=0)
    assert select(strategy, CODES, nights, 5, seed=0).tolist() == one.tolist()


def test_select_refuses_what_it_cannot_choose_from():
    with pytest.raises(ValueError, match="strategy: got 'volume', expected one of none, joint"):
        select("volume", CODES, INCREMENTS, 3, seed=0)
    with pytest.raises(ValueError, match="codes, increments: got shapes"):
        select("hull", CODES, INCREMENTS[:-1], 3, seed=0)
    with pytest.raises(ValueError, match="size: got -1, expected at least 0"):
        select("hull", CODES, INCREMENTS, -1, seed=0)
    spoilt = CODES.copy()
    spoilt[2, 3] = np.nan
    with pytest.raises(ValueError, match="codes: got 1 numbers that are not finite"):
        select("hull", spoilt, INCREMENTS, 3, seed=0)
    with pytest.raises(ValueError, match="chosen: rows: got 0, expected at least 1"):
        hull_score(CODES, np.empty(0, dtype=np.int64))
