"""The thinned synthesis computes what the reference operations say."""

import pytest
import torch
import torch.nn.functional as F

from models.ageing.compact import CompactEncoder, CompactSynthesis, StyledConv
from models.ops.equalised import biased_leaky_relu
from models.ops.modulated_conv import modulated_conv


def test_styled_conv_equals_modulated_conv_with_activation() -> None:
    torch.manual_seed(0)
    conv = StyledConv(5, 7, latent_size=4, upsample=True)
    torch.nn.init.normal_(conv.bias)
    x, w = torch.randn(3, 5, 6, 6), torch.randn(3, 4)
    plain = modulated_conv(x, conv.weight, styles=conv.modulation(w), implementation="reference")
    doubled = F.interpolate(plain, scale_factor=2, mode="bilinear", align_corners=False)
    # Demodulation and activation gain are moved past each other: rounding only.
    torch.testing.assert_close(conv(x, w), biased_leaky_relu(doubled, conv.bias), atol=1e-5, rtol=0)


def pair(resolution: int) -> tuple[CompactEncoder, CompactSynthesis]:
    """An encoder and the synthesis it belongs to, of three levels."""
    synthesis = CompactSynthesis(
        (8, 6, 4), resolution=resolution, latent_size=6, structure_channels=3
    )
    encoder = CompactEncoder(
        (4, 6),
        resolution=resolution,
        num_styles=synthesis.num_styles,
        latent_size=6,
        grid_shape=synthesis.grid_shape,
        grid_channels=2,
        hidden_size=8,
    )
    return encoder, synthesis


@pytest.mark.parametrize("resolution", [24, 32])
def test_encoder_and_synthesis_agree_on_shapes(resolution: int) -> None:
    encoder, synthesis = pair(resolution)
    crops = torch.rand(2, 3, resolution, resolution)
    w_plus = encoder(crops)
    grid_rows = 3 * (resolution // 4) ** 2 // 6
    assert w_plus.shape == (2, 4 + grid_rows, 6)
    assert synthesis.num_layers == 4 + grid_rows
    assert synthesis(w_plus).shape == crops.shape


def test_a_coarser_level_is_the_start_of_the_whole_picture() -> None:
    torch.manual_seed(0)
    encoder, synthesis = pair(32)
    w_plus = encoder(torch.rand(2, 3, 32, 32))
    whole = synthesis(w_plus)
    torch.testing.assert_close(synthesis(w_plus, size=32), whole)
    coarse = synthesis(w_plus, size=16)
    # Without what the finest level adds, the whole picture is the coarse one enlarged.
    for parameter in synthesis.to_rgbs[-1].parameters():
        torch.nn.init.zeros_(parameter)
    enlarged = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(synthesis(w_plus), enlarged)
    with pytest.raises(ValueError, match=r"size: got 12, expected one of \[8, 16, 32\]"):
        synthesis(w_plus, size=12)


def test_the_grid_says_where_things_are() -> None:
    torch.manual_seed(0)
    _, synthesis = pair(32)
    synthesis.constant.data.zero_()
    w_plus = torch.randn(1, synthesis.num_layers, 6)
    moved = w_plus.clone()
    grid = moved[:, synthesis.num_styles :].view(1, *synthesis.grid_shape)
    grid[:, :, 1, 6] += 3
    change = (synthesis(moved) - synthesis(w_plus)).abs().mean(dim=1)[0]
    row, column = divmod(int(change.argmax()), 32)
    assert abs(row - (1.5 * 4 - 0.5)) <= 4
    assert abs(column - (6.5 * 4 - 0.5)) <= 4
    assert not change[24:].any()


def test_every_style_layer_moves_the_picture() -> None:
    torch.manual_seed(0)
    _, synthesis = pair(16)
    w_plus = torch.randn(1, synthesis.num_layers, 6)
    before = synthesis(w_plus)
    for layer in range(w_plus.shape[1]):
        moved = w_plus.clone()
        moved[:, layer] += 1
        assert (synthesis(moved) - before).abs().max() > 1e-4, layer


def test_pair_learns_to_reproduce_a_few_crops() -> None:
    torch.manual_seed(0)
    encoder, synthesis = pair(16)
    colours = torch.tensor([[-0.8, 0.1, 0.6], [0.7, -0.3, -0.5]])[:, :, None, None]
    crops = colours.expand(2, 3, 16, 16)
    parameters = [*encoder.parameters(), *synthesis.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-2)
    for _ in range(120):
        loss = (synthesis(encoder(crops)) - crops).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.02


def test_resolution_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="resolution: got 18, expected a multiple of 4"):
        CompactSynthesis((4, 4, 4), resolution=18, latent_size=2, structure_channels=1)


def test_a_grid_that_fills_no_whole_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="a grid of 16 numbers, expected a multiple of the latent"):
        CompactSynthesis((4, 4, 4), resolution=16, latent_size=5, structure_channels=1)


def test_an_encoder_that_ends_elsewhere_than_the_synthesis_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="2 levels, which end at 8 x 8, expected 4 x 4"):
        CompactEncoder(
            (4, 4),
            resolution=32,
            num_styles=4,
            latent_size=4,
            grid_shape=(1, 4, 4),
            grid_channels=1,
            hidden_size=4,
        )


def test_no_pattern_of_two_pixels_is_left_by_the_finest_level() -> None:
    torch.manual_seed(0)
    _, synthesis = pair(32)
    for to_rgb in list(synthesis.to_rgbs)[:-1]:
        for parameter in to_rgb.parameters():
            torch.nn.init.zeros_(parameter)
    made = synthesis(torch.randn(1, synthesis.num_layers, 6))[..., 2:-2, 2:-2]
    chequers = torch.tensor([1.0, -1.0]).repeat(14)
    for pattern in (chequers[:, None], chequers, chequers[:, None] * chequers):
        assert (made * pattern).mean().abs() < 0.02 * made.std()
