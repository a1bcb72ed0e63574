import pytest
import torch

from models.ops.upfirdn import Upsample, fir_kernel, upfirdn


def _asymmetric_kernel(size):
    return torch.rand(size, size, generator=torch.Generator().manual_seed(size))


@pytest.mark.parametrize("up", [1, 2, 3])
@pytest.mark.parametrize("down", [1, 2])
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 1), (0, 3), (-1, 2), (3, -1)])
@pytest.mark.parametrize("size", [3, 4])
def test_upfirdn_fast_equals_reference(up, down, pad, size):
    x = torch.randn(2, 3, 7, 6, generator=torch.Generator().manual_seed(1)).double()
    kernel = _asymmetric_kernel(size)
    outputs, gradients = [], []
    for implementation in ("reference", "fast"):
        leaf = x.clone().requires_grad_(True)
        out = upfirdn(leaf, kernel, up=up, down=down, pad=pad, implementation=implementation)
        out.square().sum().backward()
        outputs.append(out.detach())
        gradients.append(leaf.grad)
    assert outputs[0].shape == outputs[1].shape
    torch.testing.assert_close(outputs[1], outputs[0])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_upfirdn_reference_convolves_rather_than_correlates():
    impulse = torch.zeros(1, 1, 5, 5)
    impulse[0, 0, 2, 2] = 1
    kernel = _asymmetric_kernel(3)
    out = upfirdn(impulse, kernel, pad=(1, 1), implementation="reference")
    torch.testing.assert_close(out[0, 0, 1:4, 1:4], kernel)


def test_upfirdn_keeps_every_nth_of_the_undecimated_result():
    x = torch.randn(1, 2, 8, 8)
    whole = upfirdn(x, fir_kernel(), pad=(2, 1))
    torch.testing.assert_close(upfirdn(x, fir_kernel(), down=2, pad=(2, 1)), whole[:, :, ::2, ::2])


def test_upsample_leaves_a_flat_picture_flat_away_from_the_edge():
    doubled = Upsample()(torch.full((1, 3, 6, 6), 0.7))
    assert doubled.shape == (1, 3, 12, 12)
    torch.testing.assert_close(doubled[:, :, 1:-1, 1:-1], torch.full((1, 3, 10, 10), 0.7))


def test_fir_kernel_sums_to_its_gain():
    assert fir_kernel(gain=4.0).sum() == pytest.approx(4.0)
    assert fir_kernel((1.0, 2.0, 1.0)).tolist()[1] == pytest.approx([0.125, 0.25, 0.125])


def test_upfirdn_refuses_an_unknown_implementation():
    with pytest.raises(ValueError, match="'quick', expected one of"):
        upfirdn(torch.zeros(1, 1, 4, 4), fir_kernel(), implementation="quick")
