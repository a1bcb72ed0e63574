"""The thinned synthesis computes what the reference operations say."""

import pytest
import torch
import torch.nn.functional as F

from models.ageing.compact import CompactEncoder, CompactSynthesis, StyledConv, num_style_layers
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


@pytest.mark.parametrize("resolution", [24, 32])
def test_encoder_and_synthesis_agree_on_shapes(resolution: int) -> None:
    channels = (8, 6, 4)
    layers = num_style_layers(channels)
    synthesis = CompactSynthesis(channels, resolution=resolution, latent_size=5)
    encoder = CompactEncoder(
        (4, 6, 8),
        resolution=resolution,
        num_layers=layers,
        latent_size=5,
        grid_channels=2,
        hidden_size=8,
    )
    crops = torch.rand(2, 3, resolution, resolution)
    w_plus = encoder(crops)
    assert w_plus.shape == (2, layers, 5)
    assert synthesis(w_plus).shape == crops.shape


def test_every_style_layer_moves_the_picture() -> None:
    torch.manual_seed(0)
    channels = (8, 6, 4)
    synthesis = CompactSynthesis(channels, resolution=16, latent_size=5)
    w_plus = torch.randn(1, num_style_layers(channels), 5)
    before = synthesis(w_plus)
    for layer in range(w_plus.shape[1]):
        moved = w_plus.clone()
        moved[:, layer] += 1
        assert (synthesis(moved) - before).abs().max() > 1e-4, layer


def test_pair_learns_to_reproduce_a_few_crops() -> None:
    torch.manual_seed(0)
    channels = (8, 8, 8)
    encoder = CompactEncoder(
        (8, 8),
        resolution=16,
        num_layers=num_style_layers(channels),
        latent_size=8,
        grid_channels=4,
        hidden_size=16,
    )
    synthesis = CompactSynthesis(channels, resolution=16, latent_size=8)
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
        CompactSynthesis((4, 4, 4), resolution=18, latent_size=2)
