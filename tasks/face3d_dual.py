"""Training a 3D prior against a dual discriminator, beside what its photographs hold it to.

Faces of photographs, seen by the cameras of other photographs, and faces from noise are judged with
their renderings and cameras. A face from noise is mapped from a camera too, as looks and poses
come together in photographs; now and then from another one than it is seen by, so that turning it
does not change it.
What a photograph does not show of its crop is hidden in what is compared with it.
Source: Chan et al. 2022, "Efficient Geometry-aware 3D Generative Adversarial Networks", sec. 4 and
supplement (non-saturating loss, R1, density regularisation).

Shapes: B batch, L style layers, D latent size, P points.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from models.ageing.compact_prior import CompactPrior
from models.ageing.recipe import Phases
from models.eg3d.generator import Identity
from models.face3d.dual_discriminator import DualDiscriminator, DualPicture
from models.face3d.prior import Face3DPrior
from models.face3d.prior_recipe import DualPhase, Face3DPriorRecipe
from models.training import Draw, Report, Terms, chance_on, descend_all, scheduled_rate
from reage.posed_faces import PosedFaceSet
from tasks.face3d_loop import Saved, run_averaged
from tasks.face3d_terms import LARGEST_NORM, Weighted, view_terms
from tasks.gpu import device
from tasks.turned_views import Photographs, draw_photographs, draw_views

_POINTS = 1000  # at which densities are compared


class DualBatch:
    """What one step sees: views of some faces, photographs of others, and its chance.

    Args of the constructor:
        faces: To draw from.
        draw: Turned to the step.
        phase: Its settings.
        where: The networks' device.
    """

    def __init__(
        self, faces: PosedFaceSet, draw: Draw, phase: DualPhase, where: torch.device
    ) -> None:
        self.views = draw_views(
            faces,
            draw.rows(phase.batch_size, flatten=0.5),
            size=faces.crops.shape[1],
            turn=phase.turn,
            turned_share=phase.turned_share,
            rng=draw.rng,
        ).to(where)
        rows = draw.rows(phase.batch_size, flatten=0.5)
        self.real = draw_photographs(faces, rows, rng=draw.rng).to(where)
        self.sampling = chance_on(where, draw.generator)
        self.chance = draw.generator


class DualGame:
    """A 3D prior and the dual discriminator, one step of both at a time.

    Args of the constructor:
        prior: Trained on views.
        discriminator: Of the prior's pictures.
        critics: Whose readers the views' losses see through.
    """

    def __init__(
        self, prior: Face3DPrior, discriminator: DualDiscriminator, critics: CompactPrior
    ) -> None:
        self.prior, self.discriminator, self.critics = prior, discriminator, critics
        self.optimiser = torch.optim.Adam(prior.parameters(), betas=(0.0, 0.99))
        self.opponent = torch.optim.Adam(discriminator.parameters(), betas=(0.0, 0.99))

    def step(self, drawn: DualBatch, phase: DualPhase, *, number: int, rate: float) -> Terms:
        """Moves both once, or the discriminator alone.

        Args:
            drawn: What the step sees.
            phase: Its settings.
            number: Of the step in the phase, from 0.
            rate: Factor of both learning rates.
        """
        alone = number < phase.warm_up
        real, sampling = drawn.real, drawn.sampling
        with torch.set_grad_enabled(not alone):
            identity = self.prior.generator.identity(self._codes(drawn, phase))
            rendering = self.prior.generator.render(
                identity, real.label, sampling=sampling, size=phase.render_size
            )
            picture = self.prior.generator.picture(identity, rendering)
        made = DualPicture(picture, rendering.raw_picture).seen_through(real.window)
        told = self._teach(made.detach(), real, phase, number=number, rate=rate)
        if alone:
            return told
        self.discriminator.requires_grad_(False)
        terms = view_terms(self.prior, self.critics, drawn.views, phase, sampling)
        score = F.softplus(-self.discriminator(made, real.label)).mean()
        terms |= {
            "adversarial": (phase.adversarial, score),
            "density": (phase.density, self._density_steps(identity, phase, drawn.chance)),
        }
        self.optimiser.zero_grad()
        torch.stack([weight * term for weight, term in terms.values()]).sum().backward()
        descend_all(
            self.optimiser, learning_rate=phase.learning_rate * rate, largest_norm=LARGEST_NORM
        )
        return told | _values(terms)

    def _codes(self, drawn: DualBatch, phase: DualPhase) -> Tensor:
        """Returns w+ (B, L, D): the first of noise, the others of the views' photographs."""
        count = len(drawn.real.label)
        num_sampled = round(count * phase.sampled_share)
        photographs = drawn.views.crops[: count - num_sampled]
        encoded = self.prior.encode(photographs) if len(photographs) else None
        if not num_sampled:
            assert encoded is not None
            return encoded
        size = self.prior.config.generator.latent_size
        z = torch.randn(num_sampled, size, generator=drawn.chance).to(drawn.real.label)
        swapped = torch.rand(num_sampled, 1, generator=drawn.chance) < phase.pose_swap
        own, others = drawn.real.label[:num_sampled], drawn.real.label.roll(1, dims=0)
        seen_by = torch.where(swapped.to(own.device), others[:num_sampled], own)
        sampled = self.prior.generator.latents(z, seen_by)
        return sampled if encoded is None else torch.cat([sampled, encoded])

    def _teach(
        self, made: DualPicture, real: Photographs, phase: DualPhase, *, number: int, rate: float
    ) -> dict[str, float]:
        """Moves the discriminator once; returns its mean scores."""
        self.discriminator.requires_grad_(True)
        shown = DualPicture.of_photographs(real.crops, size=phase.render_size)
        shown = shown.seen_through(real.window)
        of_real, of_made = (self.discriminator(both, real.label) for both in (shown, made))
        loss = F.softplus(-of_real).mean() + F.softplus(of_made).mean()
        if number % phase.r1_every == 0:
            penalty = self.discriminator.gradient_penalty(shown, real.label)
            loss = loss + phase.r1 / 2 * phase.r1_every * penalty
        self.opponent.zero_grad()
        loss.backward()
        descend_all(self.opponent, learning_rate=phase.discriminator_rate * rate)
        return {"score real": of_real.mean().item(), "score made": of_made.mean().item()}

    def _density_steps(
        self, identity: Identity, phase: DualPhase, chance: torch.Generator
    ) -> Tensor:
        """Returns how much densities (B, P) differ a small step away: clouds do, surfaces less."""
        count = len(identity.style)
        box = self.prior.config.generator.rendering.box_size
        places = (torch.rand(count, _POINTS, 3, generator=chance) - 0.5) * box
        away = places + phase.density_step * torch.randn(places.shape, generator=chance)
        points = torch.cat([places, away], dim=1).to(identity.style)
        here, there = self.prior.generator.query(identity, points)[1].chunk(2, dim=1)
        return (here - there).abs().mean()


def train_dual(
    prior: Face3DPrior,
    critics: CompactPrior,
    faces: PosedFaceSet,
    recipe: Face3DPriorRecipe,
    folder: Path,
    report: Report,
    saved: Saved | None = None,
) -> Face3DPrior:
    """Trains a prior on against a dual discriminator; returns the average of its weights.

    Args and checkpoints as of `train_views`. A recipe without phases returns the prior as it is.
    """
    if not recipe.dual:
        return prior
    phases, where = Phases(recipe.dual), device()
    torch.manual_seed(recipe.seed)
    prior = prior.to(where).requires_grad_(True)
    discriminator = DualDiscriminator(recipe.discriminator).to(where)
    game = DualGame(prior, discriminator, critics.requires_grad_(False).eval().to(where))
    draw = Draw(faces.crops, faces.ages, faces.training, seed=recipe.seed, stage="dual")

    def step(number: int) -> Terms:
        phase, since, remaining = phases.at(number)
        batch, rate = DualBatch(faces, draw, phase, where), scheduled_rate(since, remaining)
        return game.step(batch, phase, number=since, rate=rate)

    return run_averaged(
        prior,
        step,
        folder=folder,
        phases=phases,
        draw=draw,
        stage="dual",
        others={"discriminator": discriminator},
        optimisers=[game.optimiser, game.opponent],
        report=report,
        saved=saved,
    )


def _values(terms: Weighted) -> dict[str, float]:
    return {name: term.item() for name, (_, term) in terms.items()}
