import numpy as np
import pytest

from benchmarks.prior.measures import (
    by_move,
    found_first,
    galleries,
    moved_right,
    psnr_db,
    rank_correlation,
    within,
    worst_group,
)

NO = float("nan")


def test_by_move_counts_a_move_by_its_size_either_way_and_passes_over_the_unknown():
    moves = np.array([[-9.9, 10.0, 19.0], [-35.0, 44.0, 30.0], [45.0, -60.0, 5.0]])
    values = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, NO]])
    figures = by_move(values, moves)
    assert figures["0-10"] == {"mean": 1.0, "count": 1}
    assert figures["10-20"] == {"mean": 0.5, "count": 2}
    assert figures["20-30"] == {"mean": None, "count": 0}
    assert figures["30-40"] == {"mean": 0.5, "count": 2}
    assert figures["35-45"] == {"mean": 0.5, "count": 2}
    assert figures["40+"] == {"mean": pytest.approx(1 / 3), "count": 3}
    assert within(values, moves, 20) == pytest.approx(2 / 3)


def test_moved_right_passes_over_small_moves():
    judged = np.array([[30.0, 70.0], [20.0, 45.0]])
    # Of 50: 30 is right, 70 is right. Of 25: 20 is too near to be asked, 45 is right.
    assert moved_right(np.array([20.0, 80.0]), judged, np.array([50.0, 25.0])) == 1
    assert moved_right(np.array([20.0, 80.0]), judged[:, ::-1], np.array([50.0, 25.0])) < 1


def test_rank_correlation_is_of_all_faces_together():
    asked = np.array([20.0, 50.0, 80.0])
    assert rank_correlation(asked, np.array([[1.0, 2.0, 3.0]] * 3)) == pytest.approx(1)
    apart = np.array([[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]])
    assert 0.3 < rank_correlation(asked, apart) < 0.6


def test_psnr_of_a_known_error():
    wanted = np.zeros((2, 4, 4, 3))
    got = wanted + np.array([0.1, 0.01])[:, None, None, None]
    assert psnr_db(wanted, got) == pytest.approx([20, 40])


def _people(count):
    return np.eye(count)


def test_everybody_is_looked_for_among_a_hundred_and_near_duplicates_are_dropped():
    originals = np.concatenate([_people(130), _people(130)[:20]])
    found = galleries(originals)
    assert {len(gallery) for gallery in found} == {100}
    assert set(np.concatenate(found)) == set(range(130))


def test_found_first_is_of_the_nearest_and_unknown_outside_galleries():
    originals = _people(4)
    edited = np.stack([originals, originals[[0, 2, 1, 3]]], axis=1)
    found = found_first(edited, originals, [np.array([0, 1, 2])])
    np.testing.assert_array_equal(found, [[1, 1], [1, 0], [1, 0], [NO, NO]])


def test_worst_group_is_found_in_figures_of_either_kind():
    figures = {"rank1": {"a": 0.9, "b": 0.7}, "colour_shift": {"a": 1.0, "b": 2.0, "c": None}}
    lower = frozenset({"colour_shift"})
    worst = worst_group(figures, lower_is_better=lower)
    assert (worst.figure, worst.group) == ("colour_shift", "b")
    assert worst.worse == pytest.approx(1 / 3)
    assert not worst.is_met
    fair = worst_group({"rank1": figures["rank1"]}, lower_is_better=lower)
    assert (fair.group, fair.is_met) == ("b", True)
    assert fair.worse == pytest.approx(0.125)
