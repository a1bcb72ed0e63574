import pytest
import torch

from models.ageing.reference_set import ReferenceSet, least_distance
from models.shapes import ShapeError

AGES = torch.tensor([30.0, 31.0, 33.0, 35.0, 36.0, 40.0, 52.0])


def _set(ages=AGES):
    embeddings = torch.eye(len(ages), 8)
    return ReferenceSet(embeddings, ages)


def _near(target, rule):
    chosen = _set().near(torch.tensor([target]), rule=rule, window_years=3.0)
    return AGES[chosen[0]].tolist()


def test_references_around_the_target_lie_within_the_window():
    assert _near(33.0, "around target") == [30, 31, 33, 35, 36]
    assert _near(37.5, "around target") == [35, 36, 40]


def test_references_around_the_target_are_the_closest_where_none_lies_within():
    assert _near(46.0, "around target") == [40, 52]
    assert _near(80.0, "around target") == [52]


def test_references_around_the_closest_key_keep_the_released_codes_rounding():
    # 34 in single precision is nearer to 35 than to 33; 35 - 3 leaves 33 to 36 and no 38.
    assert _near(34.0, "around closest key") == [33, 35, 36]
    # .33 - .30 is more than .03 in double precision, .36 - .33 is less.
    assert _near(30.0, "around closest key") == [30, 31]
    assert _near(33.0, "around closest key") == [31, 33, 35, 36]


def test_least_distance_is_to_the_best_of_the_chosen():
    references = _set()
    embeddings = torch.zeros(2, 8)
    embeddings[:, 0], embeddings[:, 2] = 0.6, 0.8
    chosen = torch.zeros(2, 7, dtype=torch.bool)
    chosen[0, [0, 1]] = True
    chosen[1, [0, 2]] = True
    torch.testing.assert_close(
        least_distance(embeddings, references, chosen), torch.tensor([0.4, 0.2])
    )


def test_reference_set_refuses_to_be_empty_or_uneven():
    with pytest.raises(ValueError, match="photographs: got 0, expected at least 1"):
        ReferenceSet(torch.zeros(0, 8), torch.zeros(0))
    with pytest.raises(ShapeError, match=r"ages: got shape \(2,\), expected \(3\)"):
        ReferenceSet(torch.zeros(3, 8), torch.zeros(2))
