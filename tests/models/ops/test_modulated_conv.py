import pytest
import torch

from models.ops.modulated_conv import ModulatedConv, modulated_conv
from models.ops.upfirdn import fir_kernel
from models.shapes import ShapeError


def _inputs(size=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, 6, 7, generator=generator, dtype=dtype)
    weight = torch.randn(4, 5, size, size, generator=generator, dtype=dtype)
    styles = 1 + torch.randn(3, 5, generator=generator, dtype=dtype)
    return x, weight, styles


def _both(blur_kernel, *, size=3, demodulate=True, dtype=torch.float64):
    results = []
    for implementation in ("reference", "fast"):
        leaves = [t.requires_grad_(True) for t in _inputs(size, dtype)]
        x, weight, styles = leaves
        out = modulated_conv(
            x,
            weight,
            styles=styles,
            demodulate=demodulate,
            blur_kernel=blur_kernel,
            implementation=implementation,
        )
        out.pow(3).sum().backward()
        results.append((out.detach(), *(leaf.grad for leaf in leaves)))
    return results


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize(("size", "doubles"), [(1, False), (3, False), (3, True)])
def test_modulated_conv_fast_equals_reference_in_value_and_gradients(size, doubles, demodulate):
    kernel = fir_kernel(gain=4.0) if doubles else None
    reference, fast = _both(kernel, size=size, demodulate=demodulate)
    for ours, theirs in zip(fast, reference, strict=True):
        # The fast path demodulates in float32 whatever comes in: 1e-6, and 3 for the cube.
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("doubles", [False, True])
def test_modulated_conv_fast_is_within_1e_5_of_reference_in_float32(doubles):
    kernel = fir_kernel(gain=4.0) if doubles else None
    reference, fast = _both(kernel, dtype=torch.float32)
    assert (fast[0] - reference[0]).norm() < 1e-5 * reference[0].norm()


def test_modulated_conv_fast_does_not_depend_on_memory_layout():
    x, weight, styles = _inputs()
    plain = modulated_conv(x, weight, styles=styles, blur_kernel=fir_kernel(gain=4.0))
    last = x.contiguous(memory_format=torch.channels_last)
    out = modulated_conv(last, weight, styles=styles, blur_kernel=fir_kernel(gain=4.0))
    torch.testing.assert_close(out, plain)


@pytest.mark.parametrize("implementation", ["reference", "fast"])
def test_modulated_conv_treats_samples_apart(implementation):
    x, weight, styles = _inputs()
    order = torch.tensor([2, 0, 1])
    whole = modulated_conv(x, weight, styles=styles, implementation=implementation)
    shuffled = modulated_conv(x[order], weight, styles=styles[order], implementation=implementation)
    torch.testing.assert_close(shuffled, whole[order])


def test_modulated_conv_demodulated_forgets_the_scale_of_a_style():
    x, weight, styles = _inputs()
    once = modulated_conv(x, weight, styles=styles)
    torch.testing.assert_close(
        modulated_conv(x, weight, styles=100 * styles), once, rtol=1e-5, atol=1e-5
    )


def test_modulated_conv_under_autocast_stays_near_float32():
    x, weight, styles = _inputs(dtype=torch.float32)
    exact = modulated_conv(x, weight, styles=styles, blur_kernel=fir_kernel(gain=4.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = modulated_conv(x, weight, styles=styles, blur_kernel=fir_kernel(gain=4.0))
    assert rounded.dtype == torch.bfloat16
    # Eight bits of mantissa in three steps: about 3 * 2**-9.
    assert (rounded.float() - exact).norm() < 0.015 * exact.norm()


def test_modulated_conv_names_the_tensor_that_does_not_fit():
    x, weight, styles = _inputs()
    with pytest.raises(ShapeError, match=r"styles: got shape \(2, 5\), expected \(3, 5\)"):
        modulated_conv(x, weight, styles=styles[:2])


def test_modulated_conv_module_keeps_the_published_names():
    layer = ModulatedConv(5, 4, size=3, latent_size=8, upsample=True)
    shapes = {key: tuple(value.shape) for key, value in layer.state_dict().items()}
    assert shapes == {
        "weight": (1, 4, 5, 3, 3),
        "modulation.weight": (5, 8),
        "modulation.bias": (5,),
        "blur.kernel": (4, 4),
    }
    assert torch.equal(layer.modulation.bias, torch.ones(5))
