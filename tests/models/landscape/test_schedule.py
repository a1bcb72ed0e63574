import pytest

from models.landscape.schedule import (
    Schedule,
    biases_only,
    homogeneous,
    is_bias,
    last_layers,
    linear,
    no_bias,
    weights_only,
)

STRENGTHS = (0.0, 0.3, 1.0)


def _shares(schedule, name):
    return [schedule.share(name, strength) for strength in STRENGTHS]


def test_linear_moves_weights_and_biases_with_the_strength():
    assert _shares(linear(), "0.weight") == _shares(linear(), "0.bias") == list(STRENGTHS)


@pytest.mark.parametrize(("end", "share"), [("start", 0.0), ("end", 1.0)])
def test_a_part_alone_moves_while_the_other_stays_at_the_end_asked_for(end, share):
    assert _shares(weights_only(biases=end), "0.bias") == [share] * 3
    assert _shares(weights_only(biases=end), "0.weight") == list(STRENGTHS)
    assert _shares(biases_only(weights=end), "0.weight") == [share] * 3
    assert _shares(biases_only(weights=end), "0.bias") == list(STRENGTHS)


def test_no_bias_leaves_biases_out():
    assert _shares(no_bias(), "0.bias") == [None] * 3
    assert _shares(no_bias(), "0.weight") == list(STRENGTHS)


def test_last_layers_move_alone_with_all_before_them_at_the_end():
    schedule = last_layers({"2.weight", "2.bias"})
    assert _shares(schedule, "2.weight") == _shares(schedule, "2.bias") == list(STRENGTHS)
    assert _shares(schedule, "0.weight") == _shares(schedule, "0.bias") == [1.0] * 3


def test_homogeneous_takes_a_bias_of_depth_l_with_the_lth_power():
    schedule = homogeneous({"0.bias": 1, "2.bias": 3})
    assert _shares(schedule, "2.bias") == pytest.approx([0, 0.027, 1])
    assert _shares(schedule, "0.bias") == _shares(schedule, "2.weight") == list(STRENGTHS)


@pytest.mark.parametrize(
    "name", ["bias", "0.bias", "blocks.1.bias2", "stem_bias", "x.in_proj_bias"]
)
def test_biases_are_told_by_the_last_part_of_their_name(name):
    assert is_bias(name)


def test_a_weight_inside_a_module_called_bias_is_no_bias():
    assert not is_bias("bias_net.weight")


def test_schedule_refuses_a_power_below_1():
    with pytest.raises(ValueError, match=r"powers: got \{'0.bias': 0\}, expected at least 1"):
        Schedule(name="still", powers={"0.bias": 0})
