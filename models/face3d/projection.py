"""The projector: photographs whose cameras are known -> latents of a tri-plane generator, anchors.

Descends from the mean latent; the camera stays as it is, and so does the generator.
Sources: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", appendix D;
the settings are those that My3DGen's anchors were made with.

Shapes: B batch, L style layers, D latent size, R pixels of a picture.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from models.eg3d.camera import LABEL_SIZE, frontal_label
from models.eg3d.generator import TriPlaneGenerator
from models.face3d.chance import sampling_from
from models.face3d.noise_fit import normalise_maps, roughness_penalty
from models.shapes import check_shape

Perceptual = Callable[[Tensor, Tensor], Tensor]  # two batches of pictures to distances (B,)
Told = Callable[[int, int, float], None]  # step, steps, mean distance


@dataclass(frozen=True, kw_only=True)
class ProjectionRecipe:
    """How a photograph is projected; the values are the published ones.

    Attributes:
        space: "w" finds one latent for all layers, "w_plus" one for each.
        steps: Of Adam, at `learning_rate`, which rises over the first `warm_up` of them and falls
            over the last `ramp_down`.
        noise_scale: Of the noise added to the latent, in standard deviations of w; it fades out
            over the first `noise_share` of the steps.
        map_weight: Of the noise maps' departure from noise.
        pixel_weight: Of the mean squared error beside the perceptual distance; published: 0.
        picture_size: Larger pictures are averaged down to it before they are compared, pixels.
        mean_samples: Latents that the mean is taken over.
        seed: Of everything that is drawn.
    """

    space: Literal["w", "w_plus"] = "w"
    steps: int = 1000
    learning_rate: float = 0.01
    warm_up: float = 0.05
    ramp_down: float = 0.25
    noise_scale: float = 0.05
    noise_share: float = 0.75
    map_weight: float = 1e5
    pixel_weight: float = 0.0
    picture_size: int = 256
    mean_samples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "learning_rate", "picture_size", "mean_samples", "noise_share"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"ProjectionRecipe.{name}: got {getattr(self, name)}, expected above 0"
                )

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step, from 0."""
        done = step / self.steps
        fall = min(1.0, (1 - done) / self.ramp_down) if self.ramp_down else 1.0
        rise = min(1.0, done / self.warm_up) if self.warm_up else 1.0
        return self.learning_rate * (0.5 - 0.5 * math.cos(math.pi * fall)) * rise

    def latent_noise(self, step: int) -> float:
        """Returns the strength of the noise on the latent, in standard deviations of w."""
        return self.noise_scale * max(0.0, 1 - step / self.steps / self.noise_share) ** 2


@torch.no_grad()
def mean_latent(
    generator: TriPlaneGenerator, *, samples: int = 10_000, seed: int = 123
) -> tuple[Tensor, float]:
    """Returns the mean w (D,) of drawn z under the frontal camera, and how far w lie from it.

    The distance is the root of the mean squared length of w - mean, as projectors have it.
    """
    like = generator.backbone.mapping.w_avg
    chance = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, len(like), generator=chance).to(like)
    w = generator.latents(z, frontal_label(1).to(like).expand(samples, -1))[:, 0]
    mean = w.mean(dim=0)
    return mean, float((w - mean).square().sum(dim=1).mean().sqrt())


def project(
    generator: TriPlaneGenerator,
    pictures: Tensor,
    cameras: Tensor,
    *,
    perceptual: Perceptual,
    recipe: ProjectionRecipe,
    start: Tensor | None = None,
    told: Told | None = None,
) -> Tensor:
    """Finds the latents of pictures.

    Args:
        generator: Frozen, carrying no adapter.
        pictures: (B, 3, R, R), RGB in [-1, 1], R the generator's own.
        cameras: Their labels, (B, 25); see reage.head.camera for those of a photograph.
        perceptual: LPIPS, or what stands for it.
        recipe: How.
        start: Latents to begin with, (B, L, D), such as an encoder's; the mean latent if not given.
        told: Of every step.

    Returns:
        w+, (B, L, D); in the space "w" all layers alike.

    Raises:
        ShapeError: The tensors do not belong together.
    """
    size, layers = generator.config.superresolution.resolution, generator.config.num_layers
    check_shape("pictures", pictures, "B C R R", C=3, R=size)
    check_shape("cameras", cameras, "B C", B=len(pictures), C=LABEL_SIZE)
    chance = torch.Generator().manual_seed(recipe.seed)
    mean, deviation = mean_latent(generator, samples=recipe.mean_samples)
    rows = layers if recipe.space == "w_plus" else 1
    if start is None:
        start = mean.expand(len(pictures), layers, -1)
    latents = start[:, :1].clone() if rows == 1 else start.clone()
    maps = [
        torch.randn(len(pictures), 1, *layer.noise_const.shape, generator=chance).to(pictures)
        for block in generator.backbone.synthesis.blocks
        for layer in block.styled_layers
    ]
    learnt = [latents.requires_grad_(True), *(noise.requires_grad_(True) for noise in maps)]
    optimiser = torch.optim.Adam(learnt, betas=(0.9, 0.999))
    wanted = _averaged(pictures, recipe.picture_size)
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step)
        strength = deviation * recipe.latent_noise(step)
        shaken = latents + strength * torch.randn(latents.shape, generator=chance).to(latents)
        identity = generator.identity(shaken.expand(-1, layers, -1), noise=maps)
        made = generator.view(identity, cameras, sampling=sampling_from(chance, pictures.device))
        made = _averaged(made, recipe.picture_size)
        apart = perceptual(made, wanted)
        if recipe.pixel_weight:
            pixels = (made - wanted).square().mean(dim=(1, 2, 3))
            apart = apart + recipe.pixel_weight * pixels
        loss = (apart + recipe.map_weight * roughness_penalty(maps)).sum()
        gradients = torch.autograd.grad(loss, learnt)
        for parameter, gradient in zip(learnt, gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
        normalise_maps(maps)
        if told is not None:
            told(step + 1, recipe.steps, float(apart.detach().mean()))
    return latents.detach().expand(-1, layers, -1).contiguous()


def _averaged(pictures: Tensor, size: int) -> Tensor:
    if pictures.shape[-1] <= size:
        return pictures
    return F.interpolate(pictures, size=(size, size), mode="area")
