import pytest
import torch

from models.ageing.targets import AgeMode, AgeRange, draw_targets

TRAINING, LIMITS = AgeRange(40, 60), AgeRange(18, 90)


def _draw(count=3000, seed=0, **settings):
    sources = torch.linspace(41, 59, count)
    settings = {"training": TRAINING, "limits": LIMITS} | settings
    drawn = draw_targets(sources, generator=torch.Generator().manual_seed(seed), **settings)
    return sources, *drawn


def test_targets_take_the_three_modes_in_equal_shares():
    sources, targets, modes = _draw()
    assert all(800 < int((modes == mode).sum()) < 1200 for mode in AgeMode)
    assert torch.equal(targets[modes == AgeMode.NO_AGEING], sources[modes == AgeMode.NO_AGEING])
    inside = targets[modes == AgeMode.INTERPOLATION]
    assert (inside.min(), inside.max()) == (40, 59)
    outside = targets[modes == AgeMode.EXTRAPOLATION]
    assert (outside.min(), outside.max()) == (18, 90)
    assert not ((outside >= 40) & (outside < 60)).any()
    assert 0.4 < float((outside < 40).float().mean()) < 0.6


def test_targets_of_one_mode_a_batch_share_it():
    seen = {tuple(set(_draw(8, seed, one_mode_a_batch=True)[2].tolist())) for seed in range(20)}
    assert seen == {(0,), (1,), (2,)}


def test_targets_are_decided_by_the_generator():
    assert torch.equal(_draw(seed=3)[1], _draw(seed=3)[1])
    assert not torch.equal(_draw(seed=3)[1], _draw(seed=4)[1])


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        (AgeRange(18, 90), {AgeMode.NO_AGEING, AgeMode.INTERPOLATION}),
        (AgeRange(18, 60), set(AgeMode)),
        (AgeRange(50, 50), set(AgeMode)),
    ],
)
def test_targets_leave_out_what_does_not_exist(training, expected):
    _, targets, modes = _draw(training=training)
    assert set(modes.tolist()) == expected
    outside = targets[modes == AgeMode.EXTRAPOLATION]
    if training.low == LIMITS.low and len(outside):
        assert outside.min() >= training.high


def test_published_range_cuts_as_the_released_code_does():
    assert AgeRange.published([30, 57]) == AgeRange(30, 56)
    assert AgeRange.published([29, 70]) == AgeRange(28, 70)
    assert AgeRange.covering([29, 57]) == AgeRange(29, 57)


def test_range_measures_to_its_nearer_end_and_refuses_to_be_reversed():
    ages = torch.tensor([10.0, 45.0, 90.0])
    assert torch.equal(TRAINING.distance(ages), torch.tensor([30.0, 5.0, 30.0]))
    with pytest.raises(ValueError, match="got 60 to 40, expected 0 <= low <= high"):
        AgeRange(60, 40)
