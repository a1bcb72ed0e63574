import pytest
import torch

from models.shapes import ShapeError, check_shape


def test_check_shape_accepts_what_fits():
    check_shape("w_plus", torch.zeros(4, 18, 512), "B L D", L=18, D=512)


def test_check_shape_says_what_it_got_and_what_it_expected():
    with pytest.raises(ShapeError) as error:
        check_shape("w_plus", torch.zeros(4, 14, 512), "B L D", L=18, D=512)
    assert str(error.value) == "w_plus: got shape (4, 14, 512), expected (B, 18, 512)"


@pytest.mark.parametrize("shape", [(3,), (3, 4, 4), (3, 4, 5, 1)])
def test_check_shape_refuses_another_rank(shape):
    with pytest.raises(ShapeError):
        check_shape("x", torch.zeros(shape), "H W")


def test_check_shape_holds_a_repeated_letter_to_one_size():
    check_shape("weight", torch.zeros(2, 3, 3), "O K K")
    with pytest.raises(ShapeError):
        check_shape("weight", torch.zeros(2, 3, 4), "O K K")


def test_check_shape_refuses_a_size_of_a_letter_that_is_not_in_the_layout():
    with pytest.raises(KeyError, match="X"):
        check_shape("x", torch.zeros(2), "B", X=2)
