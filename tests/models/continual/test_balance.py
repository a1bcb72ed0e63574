import numpy as np
import pytest

from models.continual.balance import Balance

LATER = np.repeat([0, 1, 2, 7], [1, 1, 1, 20])  # a buffer of three, and a night


def _shares(increments, rows):
    _, places = np.unique(increments, return_inverse=True)
    return np.bincount(places[rows], minlength=places.max() + 1)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_fewer_places_than_increments_draw_one_code_each_of_some(size):
    shares = _shares(LATER, Balance.of(LATER, size).draw(np.random.default_rng(0)))
    assert shares.sum() == size
    assert shares.max() == 1


@pytest.mark.parametrize("size", [5, 7, 10, 13, 30, 60])
def test_shares_differ_by_one_at_most(size):
    increments = np.repeat([3, 5, 9], 20)
    for seed in range(5):
        shares = _shares(increments, Balance.of(increments, size).draw(np.random.default_rng(seed)))
        assert shares.sum() == size
        assert np.ptp(shares) <= 1


def test_an_increment_with_fewer_codes_than_its_share_gives_all():
    assert _shares(LATER, Balance.of(LATER, 10).draw(np.random.default_rng(0))).tolist() == [
        1, 1, 1, 7,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "size", "wanted"),
    [
        ((1, 1, 1, 20), 3, 61),  # all three old ones, or two of them and a new one
        ((20,), 3, 1140),
        ((3, 20), 3, 3 * 190 + 3 * 20),
        ((2, 3), 2, 6),
        ((2, 2), 4, 1),
    ],
)
def test_balanced_subsets_are_counted_as_they_are_listed(counts, size, wanted):
    balance = Balance.of(np.repeat(np.arange(len(counts)), counts), size)
    listed = [tuple(sorted(rows)) for rows in balance.every()]
    assert balance.count() == len(listed) == len(set(listed)) == wanted
    assert all(len(rows) == size == balance.size for rows in listed)


def test_every_balanced_subset_is_drawn():
    increments = np.array([0, 0, 1, 1, 2])
    balance, rng = Balance.of(increments, 2), np.random.default_rng(0)
    drawn = {tuple(sorted(balance.draw(rng).tolist())) for _ in range(300)}
    assert drawn == {tuple(sorted(rows)) for rows in balance.every()}


@pytest.mark.parametrize("size", [1, 3, 6, 10, 22])
def test_what_may_join_always_leads_to_a_balanced_subset(size):
    balance, rng = Balance.of(LATER, size), np.random.default_rng(size)
    chosen = np.empty(0, dtype=np.int64)
    for _ in range(size):
        chosen = np.append(chosen, rng.choice(np.flatnonzero(balance.joining(chosen))))
    assert not balance.joining(chosen).any()
    wanted = {tuple(sorted(rows)) for rows in Balance.of(LATER, size).every()}
    assert tuple(sorted(chosen.tolist())) in wanted
