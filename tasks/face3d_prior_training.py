"""Training a 3D prior on photographs: each must be found again from its own camera, and turned.

A photograph is encoded, drawn as tri-planes and seen by the camera that took it, where it must look
like itself, or by another one, where it must look like the photograph on the surface of a head
(reage/head). Depth is learnt from the same surface. The feature space of the losses is the
regressor's and the embedder's of an ageing prior.

Shapes: B batch, C channels, N R pixels.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from models.ageing.compact_prior import CompactPrior
from models.eg3d.generator import Rendering
from models.face3d.prior import Face3DPrior
from models.face3d.prior_recipe import Face3DPriorRecipe, ViewsPhase
from models.losses import feature_distance, pyramid_l1
from models.training import (
    AveragedWeights,
    Draw,
    Report,
    Terms,
    descend_all,
    run_loop,
    scheduled_rate,
)
from reage.posed_faces import PosedFaceSet
from reage.training_curve import CURVE_NAME, StageCurve
from tasks.turned_views import Views, draw_views

# Where the embedder's own crops lie in those of a 3D prior: zoom, and shift down, in half sizes.
_EMBEDDED_ZOOM, _EMBEDDED_SHIFT = 0.85, -0.03
_LARGEST_NORM = 10.0  # of all gradients together
SAVE_EVERY = 50
Weighted = dict[str, tuple[float, Tensor]]


def train_views(
    prior: Face3DPrior,
    critics: CompactPrior,
    faces: PosedFaceSet,
    recipe: Face3DPriorRecipe,
    folder: Path,
    report: Report,
    saved: Callable[[Face3DPrior, int], None] | None = None,
) -> Face3DPrior:
    """Trains encoder and generator together; returns the average of their weights.

    Args:
        prior: Untrained.
        critics: Whose regressor and embedder the losses see through.
        faces: Of which the training folds are drawn.
        recipe: Phases and weights.
        folder: For the checkpoint and the curve; a finished checkpoint makes this a no-op.
        report: Told of every step.
        saved: Told after each checkpoint of the averaged prior and the steps done.
    """
    phases = recipe.phases
    critics.requires_grad_(False).eval()
    draw = Draw(faces.crops, faces.ages, faces.training, seed=recipe.seed, stage="views")
    averaged = AveragedWeights(prior, decay=0.995)
    mean = cast(Face3DPrior, averaged.network)
    optimiser = torch.optim.Adam(prior.parameters(), betas=(0.8, 0.99))
    prior.train()
    prior.encoder.trunk.eval()  # batches are too small to take statistics from

    def step(number: int) -> Terms:
        phase, since, remaining = phases.at(number)
        views = draw_views(
            faces,
            draw.rows(phase.batch_size, flatten=0.5),
            size=prior.config.crop_size if phase.refine else phase.render_size,
            turn=phase.turn,
            turned_share=phase.turned_share,
            rng=draw.rng,
        )
        terms = _terms(prior, critics, views, phase, draw.generator)
        optimiser.zero_grad()
        torch.stack([weight * term for weight, term in terms.values()]).sum().backward()
        rate = phase.learning_rate * scheduled_rate(since, remaining)
        descend_all(optimiser, learning_rate=rate, largest_norm=_LARGEST_NORM)
        averaged.update(prior, step=number)
        return {name: term.item() for name, (_, term) in terms.items()}

    run_loop(
        folder / "views.pt",
        step,
        steps=phases.steps,
        draw=draw,
        parts={"prior": prior, "averaged": mean},
        optimisers=[optimiser],
        report=StageCurve(folder / CURVE_NAME, report, phase_of=phases.number),
        saved=(lambda done: saved(mean.eval(), done)) if saved else None,
        save_every=SAVE_EVERY,
    )
    return mean.eval()


def _terms(
    prior: Face3DPrior,
    critics: CompactPrior,
    views: Views,
    phase: ViewsPhase,
    generator: torch.Generator,
) -> Weighted:
    identity = prior.generator.identity(prior.encode(views.crops))
    rendering = prior.generator.render(
        identity, views.label, sampling=generator, size=phase.render_size
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
