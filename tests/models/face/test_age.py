"""The age regressor reads years within its range, whatever precision it is run in."""

import pytest
import torch

from models.face.age import AgeRegressor, AgeRegressorConfig


@pytest.fixture
def regressor() -> AgeRegressor:
    torch.manual_seed(0)
    return AgeRegressor(AgeRegressorConfig(channels=(8, 16), blocks=1)).eval()


def test_age_is_the_mean_of_the_predicted_distribution(regressor: AgeRegressor) -> None:
    reading = regressor(torch.rand(2, 3, 32, 32))
    chances = reading.age_logits.softmax(dim=1)
    expected = sum(chances[:, i] * (18 + i) for i in range(chances.shape[1]))
    torch.testing.assert_close(reading.age, expected)


def test_autocast_does_not_round_ages(regressor: AgeRegressor) -> None:
    crops = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        ages = regressor(crops).age
    assert ages.dtype == torch.float32
    # bfloat16 knows no numbers but multiples of 0.25 between 32 and 64.
    assert ((ages * 4) % 1).abs().max() > 0.01


def test_regressor_learns_to_tell_dark_from_light() -> None:
    torch.manual_seed(0)
    regressor = AgeRegressor(AgeRegressorConfig(channels=(8, 16), blocks=1))
    optimiser = torch.optim.Adam(regressor.parameters(), lr=1e-2)
    ages = torch.tensor([20.0, 80.0]).repeat(8)
    crops = ((ages - 50) / 40)[:, None, None, None] + 0.1 * torch.randn(16, 3, 16, 16)
    for _ in range(40):
        loss = (regressor(crops).age - ages).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 8


def test_config_refuses_an_empty_age_range() -> None:
    with pytest.raises(ValueError, match="min_age: got 40, expected below max_age"):
        AgeRegressorConfig(min_age=40, max_age=40)
