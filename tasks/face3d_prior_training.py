"""Training a 3D prior on photographs: each must be found again from its own camera, and turned.

A photograph is encoded, drawn as tri-planes and seen by the camera that took it, where it must look
like itself, or by another one, where it must look like the photograph on the surface of a head
(reage/head). Depth is learnt from the same surface.
"""

from pathlib import Path

import torch

from models.ageing.compact_prior import CompactPrior
from models.ageing.recipe import Phases
from models.face3d.prior import Face3DPrior
from models.face3d.prior_recipe import Face3DPriorRecipe
from models.training import Draw, Report, Terms, chance_on, descend_all, scheduled_rate
from reage.posed_faces import PosedFaceSet
from tasks.face3d_loop import Saved, run_averaged
from tasks.face3d_terms import LARGEST_NORM, view_terms
from tasks.gpu import device
from tasks.turned_views import draw_views


def train_views(
    prior: Face3DPrior,
    critics: CompactPrior,
    faces: PosedFaceSet,
    recipe: Face3DPriorRecipe,
    folder: Path,
    report: Report,
    saved: Saved | None = None,
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
    phases, where = Phases(recipe.views), device()
    prior, critics = prior.to(where), critics.requires_grad_(False).eval().to(where)
    draw = Draw(faces.crops, faces.ages, faces.training, seed=recipe.seed, stage="views")
    optimiser = torch.optim.Adam(prior.parameters(), betas=(0.8, 0.99))

    def step(number: int) -> Terms:
        phase, since, remaining = phases.at(number)
        views = draw_views(
            faces,
            draw.rows(phase.batch_size, flatten=0.5),
            size=prior.config.crop_size if phase.refine else phase.render_size,
            turn=phase.turn,
            turned_share=phase.turned_share,
            rng=draw.rng,
        ).to(where)
        terms = view_terms(prior, critics, views, phase, chance_on(where, draw.generator))
        optimiser.zero_grad()
        torch.stack([weight * term for weight, term in terms.values()]).sum().backward()
        rate = phase.learning_rate * scheduled_rate(since, remaining)
        descend_all(optimiser, learning_rate=rate, largest_norm=LARGEST_NORM)
        return {name: term.item() for name, (_, term) in terms.items()}

    return run_averaged(
        prior,
        step,
        folder=folder,
        phases=phases,
        draw=draw,
        stage="views",
        others={},
        optimisers=[optimiser],
        report=report,
        saved=saved,
    )
