"""What holds a drawn 3D face to a photograph: how it looks, how deep it lies, whose it is.

The feature space is the regressor's and the embedder's of an ageing prior.

Shapes: B batch, C channels, N R pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.ageing.compact_prior import CompactPrior
from models.eg3d.generator import Rendering
from models.face3d.prior import Face3DPrior
from models.face3d.prior_recipe import ViewsPhase
from models.losses import feature_distance, pyramid_l1
from tasks.turned_views import Views

LARGEST_NORM = 10.0  # of all gradients together
# Where the embedder's own crops lie in those of a 3D prior: zoom, and shift down, in half sizes.
_EMBEDDED_ZOOM, _EMBEDDED_SHIFT = 0.85, -0.03
Weighted = dict[str, tuple[float, Tensor]]  # terms by name: weight and value


def view_terms(
    prior: Face3DPrior,
    critics: CompactPrior,
    views: Views,
    phase: ViewsPhase,
    sampling: torch.Generator,
) -> Weighted:
    """Returns how far drawn faces are from what their cameras should see; weights and values.

    `sampling` lives where the networks do.
    """
    identity = prior.generator.identity(prior.encode(views.crops))
    rendering = prior.generator.render(
        identity, views.label, sampling=sampling, size=phase.render_size
    )
    coarse = views.at(phase.render_size)
    terms = {
        "pixels": (phase.pixels, _apart(rendering.raw_picture, coarse)),
        "features": (phase.features, _features_apart(critics, rendering.raw_picture, coarse)),
        "depth": (phase.depth, _depth_apart(rendering, coarse, phase.backdrop)),
        "opacity": (phase.opacity, (1 - rendering.coverage).mean()),
    }
    if phase.refine:
        picture = prior.generator.picture(identity, rendering)
        terms |= {
            "picture": (phase.pixels, _apart(picture, views)),
            "picture features": (phase.features, _features_apart(critics, picture, views)),
            "likeness": (phase.likeness, _unlike(critics, picture, views)),
        }
    return terms


def _filled(made: Tensor, views: Views) -> Tensor:
    """Returns what is to be seen; where that is unknown, what was made, which then is right."""
    return torch.where(views.is_seen > 0, views.picture, made.detach())


def _apart(made: Tensor, views: Views) -> Tensor:
    return pyramid_l1(_filled(made, views), made)


def _features_apart(critics: CompactPrior, made: Tensor, views: Views) -> Tensor:
    trunk = critics.regressor.trunk
    with torch.no_grad():
        wanted = trunk(_filled(made, views))[:3]
    return feature_distance(wanted, trunk(made.clamp(-1.2, 1.2))[:3])


def _depth_apart(rendering: Rendering, views: Views, backdrop: float) -> Tensor:
    weight = views.is_face + (1 - views.is_face) * backdrop
    return ((rendering.depth - views.distance).abs() * weight).mean()


def _unlike(critics: CompactPrior, made: Tensor, views: Views) -> Tensor:
    with torch.no_grad():
        wanted = critics.embedder(embedders(views.crops))
    return 1 - (wanted * critics.embedder(embedders(made))).sum(dim=1).mean()


def embedders(pictures: Tensor) -> Tensor:
    """Returns pictures (B, 3, R, R) framed as the compact prior's embedder knows faces."""
    theta = pictures.new_tensor([[_EMBEDDED_ZOOM, 0, 0], [0, _EMBEDDED_ZOOM, _EMBEDDED_SHIFT]])
    grid = F.affine_grid(
        theta.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False
    )
    return F.grid_sample(pictures, grid, align_corners=False, padding_mode="reflection")
