"""The parts of training loops: augmentation, averages, schedules, checkpoints."""

from pathlib import Path

import pytest
import torch

from models.training import (
    Augmentation,
    AveragedWeights,
    augment,
    load_checkpoint,
    save_checkpoint,
    scheduled_rate,
)

STILL = Augmentation(shift=0, turn=0, zoom=0, colour=0, soften=0, erase=0, noise=0)


def test_augmentation_at_zero_is_the_crop_or_its_mirror_image() -> None:
    crops = torch.rand(8, 3, 16, 16)
    varied = augment(crops, STILL, generator=torch.Generator().manual_seed(0))
    for before, after in zip(crops, varied, strict=True):
        same = torch.allclose(before, after, atol=1e-5)
        mirrored = torch.allclose(before.flip(2), after, atol=1e-5)
        assert same != mirrored


def test_augmentation_is_decided_by_its_generator() -> None:
    crops = torch.rand(4, 3, 16, 16)
    first, second, third = (
        augment(crops, Augmentation(), generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.allclose(first, third)


def test_augmentation_lets_gradients_through() -> None:
    crops = torch.rand(4, 3, 16, 16, requires_grad=True)
    augment(crops, Augmentation(), generator=torch.Generator().manual_seed(0)).sum().backward()
    assert crops.grad is not None
    assert crops.grad.abs().sum() > 0


def test_averaged_weights_follow_quickly_then_slowly() -> None:
    network = torch.nn.Linear(1, 1)
    averaged = AveragedWeights(network, decay=0.99)
    with torch.no_grad():
        network.weight.fill_(5.0)
    averaged.update(network, step=0)
    early = averaged.network.weight.item()
    with torch.no_grad():
        network.weight.fill_(early + 1)
    averaged.update(network, step=10**6)
    assert averaged.network.weight.item() == pytest.approx(early + 0.01, abs=1e-4)


def test_rate_rises_holds_and_falls() -> None:
    rates = [scheduled_rate(step, 1000) for step in (0, 49, 500, 900, 999)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[1] == rates[2] == 1
    assert 0 < rates[4] < rates[3] < 1


def test_checkpoint_round_trips_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    state = {"step": 3, "network": torch.nn.Linear(2, 2).state_dict()}
    save_checkpoint(tmp_path / "a" / "stage.pt", state)
    loaded = load_checkpoint(tmp_path / "a" / "stage.pt")
    assert loaded["step"] == 3
    assert torch.equal(loaded["network"]["weight"], state["network"]["weight"])
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["stage.pt"]
