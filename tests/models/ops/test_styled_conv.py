import pytest
import torch

from models.ops.equalised import biased_leaky_relu
from models.ops.modulated_conv import modulated_conv
from models.ops.styled_conv import styled_conv
from models.ops.upfirdn import fir_kernel
from models.shapes import ShapeError


def _layer(batch, *, doubled, noisy, height=6, width=5):
    generator = torch.Generator().manual_seed(batch)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    size = (2 * height, 2 * width) if doubled else (height, width)
    return {
        "x": draw(batch, 4, height, width),
        "weight": draw(3, 4, 3, 3),
        "styles": draw(batch, 4) + 1,
        "bias": draw(3),
        "noise": draw(1, 1, *size) if noisy else None,
        "blur_kernel": fir_kernel(gain=4.0) if doubled else None,
    }


def _part_by_part(layer):
    out = modulated_conv(
        layer["x"], layer["weight"], styles=layer["styles"], blur_kernel=layer["blur_kernel"],
        implementation="reference",
    )  # fmt: skip
    return biased_leaky_relu(out if layer["noise"] is None else out + layer["noise"], layer["bias"])


def _at_once(layer):
    return styled_conv(layer["x"], **{k: v for k, v in layer.items() if k != "x"})


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("noisy", [False, True])
def test_styled_conv_equals_its_parts(batch, doubled, noisy):
    layer = _layer(batch, doubled=doubled, noisy=noisy)
    torch.testing.assert_close(_at_once(layer), _part_by_part(layer), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("name", ["x", "weight", "styles", "bias", "noise"])
def test_styled_conv_has_the_gradients_of_its_parts(doubled, name):
    layer = _layer(2, doubled=doubled, noisy=True)
    layer[name].requires_grad_(True)
    weights = torch.randn(_part_by_part(layer).shape, generator=torch.Generator().manual_seed(9))
    [expected] = torch.autograd.grad((_part_by_part(layer) * weights).sum(), layer[name])
    [found] = torch.autograd.grad((_at_once(layer) * weights).sum(), layer[name])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_styled_conv_leaves_its_inputs_alone():
    layer = _layer(1, doubled=False, noisy=True)
    before = {k: None if v is None else v.clone() for k, v in layer.items()}
    _at_once(layer)
    assert all(v is None or torch.equal(v, layer[k]) for k, v in before.items())


def test_styled_conv_takes_noise_of_every_sample():
    layer = _layer(2, doubled=False, noisy=False)
    layer["noise"] = torch.randn(2, 1, 6, 5)
    torch.testing.assert_close(_at_once(layer), _part_by_part(layer), rtol=1e-4, atol=1e-5)


def test_styled_conv_refuses_styles_of_another_batch():
    layer = _layer(2, doubled=False, noisy=False)
    layer["styles"] = torch.ones(3, 4)
    with pytest.raises(ShapeError, match=r"styles: got shape \(3, 4\), expected \(2, 4\)"):
        _at_once(layer)
