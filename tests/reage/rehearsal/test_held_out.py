from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reage.rehearsal.held_out import choose_held_out, thinned

DIGESTS = st.lists(st.text("0123456789abcdef", min_size=8, max_size=8), unique=True, max_size=30)


@given(DIGESTS, st.integers(1, 5), st.randoms())
def test_choice_depends_on_the_photographs_and_not_on_their_order(digests, most, random):
    chosen = {digests[row] for row in choose_held_out(digests, most=most)}
    shuffled = random.sample(digests, len(digests))
    assert {shuffled[row] for row in choose_held_out(shuffled, most=most)} == chosen
    assert len(chosen) == min(most, len(digests) // 3)


def test_two_photographs_are_too_few_to_hold_one_out():
    assert choose_held_out(["b", "a"], most=2) == []
    assert choose_held_out(["b", "a", "c"], most=2) == [1]


@given(st.lists(st.integers(1, 12), max_size=40), st.integers(0, 40))
def test_no_increment_is_left_without_while_another_has_two(increments, most):
    photographs = [f"{row:04x}" for row in range(len(increments))]
    rows = thinned(increments, photographs, most=most)
    assert len(rows) == min(most, len(increments))
    left = [increments[row] for row in rows]
    if set(left) != set(increments):
        assert len(left) == len(set(left))


def test_what_stays_of_many_increments_is_spread_over_time():
    numbers = list(range(1, 33))
    rows = thinned(numbers, [f"{n:04x}" for n in numbers], most=9)
    left = [numbers[row] for row in rows]
    gaps = [after - before for before, after in pairwise(left)]
    assert (left[0], left[-1]) == (1, 32)
    assert max(gaps) <= 8
