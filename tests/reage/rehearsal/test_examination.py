import numpy as np
import pytest

from models.continual.forgetting import forgetting, forgetting_by_increment
from reage.rehearsal.examination import (
    ExaminedFace,
    IncrementRecord,
    mean_forgetting,
    means_of,
    updated_records,
)

RNG = np.random.default_rng(9)


def record(number):
    return IncrementRecord(
        number=number, day="2026-01-01", num_learnt=3, num_held_out=2, min_age=30.0, max_age=40.0
    )


def examined(figures, *, night):
    """Two held-out photographs of each increment up to tonight's, about its mean figures."""
    return [
        ExaminedFace(
            photograph=f"{number}{side}",
            increment=number,
            before={},
            after={name: matrix[night, number - 1] + side for name, matrix in figures.items()},
        )
        for number in range(1, night + 2)
        for side in (-0.25, 0.25)
    ]


def nights(figures, count):
    records = []
    for night in range(count):
        records = updated_records([*records, record(night + 1)], examined(figures, night=night))
    return records


@pytest.mark.parametrize("count", [2, 3, 7])
def test_forgetting_remembered_night_by_night_is_that_of_the_whole_matrix(count):
    figures = {name: RNG.random((count, count)) for name in ("distance", "identity", "likeness")}
    records = nights(figures, count)
    for name, matrix in figures.items():
        better = {"higher_is_better": name != "distance"}
        by_increment = [found.forgetting()[name] for found in records[:-1]]
        assert by_increment == pytest.approx(list(forgetting_by_increment(matrix, **better)))
        assert mean_forgetting(records)[name] == pytest.approx(forgetting(matrix, **better))


def test_first_figures_of_an_increment_stay_whatever_comes():
    figures = {name: RNG.random((4, 4)) for name in ("distance", "identity")}
    for found in nights(figures, 4):
        own = found.number - 1
        assert found.first["distance"] == pytest.approx(figures["distance"][own, own])


def test_increment_without_held_out_photographs_has_no_figures():
    [only] = updated_records([record(1)], [])
    assert (only.last, only.forgetting(), mean_forgetting([only, record(2)])) == ({}, {}, {})


def test_record_returns_from_its_json_values():
    [found, _] = nights({"identity": RNG.random((2, 2))}, 2)
    assert IncrementRecord(**found.plain()) == found


def test_means_are_of_each_increment_apart():
    figures = {"identity": np.array([[0.5, 0.0], [0.4, 0.8]])}
    faces = examined(figures, night=1)
    assert means_of(faces, "after") == {1: {"identity": 0.4}, 2: {"identity": 0.8}}
    assert means_of(faces, "before") == {}
