import pytest
import torch

from models.eg3d.camera import cast_rays
from models.eg3d.config import RenderingConfig
from models.eg3d.decoder import Decoder
from models.eg3d.jitter import Jitter, jitter_for
from models.eg3d.renderer import render_rays
from models.eg3d.triplane import TriPlane
from models.shapes import ShapeError
from tests.tri_planes import drawn, some_cameras

CONFIG = RenderingConfig(num_coarse=8, num_fine=6, chunk_rays=5)


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return Decoder(4, 6).requires_grad_(False)


def _rendered(decoder, planes, *, cameras=None, sampling="even", implementation="fast"):
    cameras = some_cameras(len(planes)) if cameras is None else cameras
    triplane = TriPlane(planes, 1.0, implementation)
    return render_rays(triplane, decoder, cast_rays(cameras, 4), config=CONFIG, sampling=sampling)


@pytest.mark.parametrize("implementation", ["fast", "reference"])
def test_empty_space_is_background_at_the_farthest_depth(decoder, implementation):
    decoder.net[2].bias.data[0] = -1e4
    found = _rendered(decoder, torch.zeros(1, 3, 4, 6, 6), implementation=implementation)
    torch.testing.assert_close(found.features, torch.full((1, 16, 4), -1.0))
    assert torch.equal(found.coverage, torch.zeros(1, 16, 1))
    torch.testing.assert_close(found.depth, torch.full((1, 16, 1), CONFIG.far))


def test_space_outside_the_box_has_a_density_of_its_own(decoder):
    decoder.net[2].bias.data[0] = 5.0
    found = _rendered(decoder, torch.zeros(1, 3, 4, 6, 6))
    assert found.coverage.min() > 0.9


def test_wall_is_seen_at_its_near_side(decoder):
    decoder.net[2].bias.data[0] = 1e5
    found = _rendered(decoder, torch.zeros(1, 3, 4, 6, 6))
    torch.testing.assert_close(found.coverage, torch.ones(1, 16, 1))
    assert (found.depth - CONFIG.near).max() < (CONFIG.far - CONFIG.near) / 7


def test_jitter_of_zeros_and_even_shares_is_even_sampling(decoder):
    planes = drawn(2, 3, 4, 6, 6)
    shares = torch.linspace(0, 1, 6).expand(2, 16, 6)
    given = _rendered(decoder, planes, sampling=Jitter(torch.zeros(2, 16, 8), shares))
    assert torch.equal(given.features, _rendered(decoder, planes).features)


def test_order_of_the_fine_shares_does_not_matter(decoder):
    planes, generator = drawn(1, 3, 4, 6, 6), torch.Generator().manual_seed(4)
    jitter = jitter_for(generator, CONFIG, rays=torch.zeros(1, 16, 3))
    turned = Jitter(jitter.coarse, jitter.fine.flip(2))
    found, again = (_rendered(decoder, planes, sampling=s) for s in (jitter, turned))
    torch.testing.assert_close(found.features, again.features, rtol=1e-4, atol=1e-5)


def test_depths_have_no_gradient_of_their_own(decoder):
    planes = drawn(1, 3, 4, 6, 6).requires_grad_(True)
    _rendered(decoder, planes).features.sum().backward()
    assert planes.grad.isfinite().all()
    assert planes.grad.abs().max() > 0


def test_jitter_of_other_rays_is_refused(decoder):
    jitter = Jitter(torch.zeros(1, 16, 8), torch.zeros(1, 15, 6))
    with pytest.raises(ShapeError, match=r"jitter\.fine: got shape \(1, 15, 6\), expected \(1, 16"):
        _rendered(decoder, torch.zeros(1, 3, 4, 6, 6), sampling=jitter)
    with pytest.raises(ShapeError, match=r"origins: got shape \(1, 16, 3\), expected \(2, M, 3\)"):
        _rendered(decoder, torch.zeros(2, 3, 4, 6, 6), cameras=some_cameras(1))
