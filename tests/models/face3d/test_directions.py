"""A direction is what latents do along a label, other labels being equal."""

import pytest
import torch

from models.face3d.directions import label_direction


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_direction_is_found_however_the_other_labels_go_with_it():
    smile, age = drawn(400), drawn(400, seed=1)
    age = age + 2 * smile  # who is older smiles more
    along, older = drawn(3, 5, seed=2), drawn(3, 5, seed=3)
    w_plus = drawn(1, 3, 5, seed=4) + smile[:, None, None] * along + age[:, None, None] * older
    found = label_direction(w_plus, smile, age[:, None])
    unit = torch.quantile(smile, 0.9) - torch.quantile(smile, 0.1)
    torch.testing.assert_close(found, along * unit)
    alone = label_direction(w_plus, smile, age.new_zeros(400, 0))
    assert (alone - along * unit).norm() > (2 * older * unit).norm() * 0.8  # age mixed in


def test_direction_does_not_depend_on_the_labels_unit():
    smile, w_plus = drawn(50), drawn(50, 2, 4, seed=1)
    others = drawn(50, 2, seed=2)
    first = label_direction(w_plus, smile, others)
    torch.testing.assert_close(label_direction(w_plus, 100 * smile + 3, others * 7), first)


def test_labels_that_are_all_alike_are_refused():
    with pytest.raises(ValueError, match="label: got 1 of most of 20 faces"):
        label_direction(drawn(20, 2, 4), torch.ones(20), torch.zeros(20, 0))
