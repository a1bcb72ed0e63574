"""Synthetic actors whose truth is known: a generator with hidden changes, and photographs by it.

Shapes: P photographs, L style layers, D latent size, R pixels of a picture.
"""

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmarks.golden_recipe import triplane_weights
from benchmarks.my3dgen.people import People
from models.ageing.personal_pass import PhotoBatch
from models.eg3d.camera import posed_label
from models.eg3d.config import RenderingConfig, SuperresolutionConfig, TriPlaneConfig
from models.eg3d.generator import TriPlaneGenerator
from models.lora.adapter import LowRankAdapter, adaptable_layers, small_parameters
from models.lora.layer import LoRAConfig
from models.ops.upfirdn import fir_kernel
from models.stylegan2.config import MappingConfig, SynthesisConfig

Kind = Literal["low rank", "full rank"]
KINDS: tuple[Kind, ...] = ("low rank", "full rank")

HIDDEN_RANK = 2  # of the hidden change of the kind "low rank"; a 3 x 3 layer's true rank is 3 times
CHANGE = 0.15  # size of a layer's hidden change, in parts of the size of its weight
_OWN_CHANGE = 0.05  # of biases and such, in units of their own spread
_LOOK = 0.25  # how far a photograph's latent lies from the person's towards any other
_TRUNCATION = 0.7
_POSE = (0.35, 0.2)  # radians; yaw and pitch of photographs, standard deviations
_NOVEL_POSE = (0.6, 0.35)  # of novel views, at most, evenly
_GRAIN, _EXPOSURE = 0.03, 0.06  # of photographs, in units of the [-1, 1] range

SMALL = TriPlaneConfig(
    mapping=MappingConfig(latent_size=32, depth=2),
    planes=SynthesisConfig(channels=(32, 32, 24), latent_size=32, image_channels=24),
    hidden_size=16,
    superresolution=SuperresolutionConfig(input_size=16, channels=(16,)),
    rendering=RenderingConfig(num_coarse=12, num_fine=12, chunk_rays=256),
    render_size=16,
)


def seeded_prior(config: TriPlaneConfig = SMALL) -> TriPlaneGenerator:
    """Returns a generator with weights of the goldens' recipe: no faces, but things in space.

    Densities are told apart four times as sharply as there, around 0, and colours kept in range.
    """
    generator = TriPlaneGenerator(config)
    shapes = {key: tuple(value.shape) for key, value in generator.state_dict().items()}
    state = {key: torch.from_numpy(values) for key, values in triplane_weights(shapes).items()}
    state |= {key: fir_kernel() for key in shapes if key not in state}
    state["decoder.net.2.weight"][0] *= 4
    state["decoder.net.2.bias"][0] -= 6
    for key in state:
        if key.startswith("superresolution") and key.endswith("torgb.weight"):
            state[key] *= 0.3
    generator.load_state_dict(state)
    return generator.eval().requires_grad_(False)


@dataclass(frozen=True, eq=False)
class Actor:
    """Somebody whose every view is known.

    Attributes:
        truth: Their own generator.
        latent: The middle of their looks, (L, D).
        people: Whom looks lead towards.
        seed: Of all that is drawn of them.
    """

    truth: TriPlaneGenerator
    latent: Tensor
    people: People
    seed: int

    @classmethod
    def hidden_in(
        cls, prior: TriPlaneGenerator, people: People, kind: Kind, *, seed: int
    ) -> "Actor":
        """Makes one of a prior's people; changes a copy of it at random, by layers of `kind`."""
        chance = torch.Generator().manual_seed(1000 + seed)
        truth = copy.deepcopy(prior)
        changed = _low_rank_changes(truth, chance) if kind == "low rank" else {}
        with torch.no_grad():
            for name, layer in adaptable_layers(truth).items():
                change = changed.get(name)
                if change is None:
                    change = torch.randn(layer.weight.shape, generator=chance)
                layer.weight.add_(CHANGE * layer.weight.norm() / change.norm() * change)
            for own in small_parameters(truth).values():
                spread = float(own.std()) if own.numel() > 1 else float(own.abs())
                own.add_(_OWN_CHANGE * spread * torch.randn(own.shape, generator=chance))
        latent = people.latents(1, chance, psi=_TRUNCATION)[0]
        return cls(truth, latent, people, seed)

    def looks(self, count: int, *, seed: int) -> Tensor:
        """Returns latents of the person, (count, L, D), the same for the same seed."""
        chance = torch.Generator().manual_seed(10 * self.seed + seed)
        others = self.people.latents(count, chance, psi=_TRUNCATION)
        return torch.lerp(self.latent.expand_as(others), others, _LOOK)

    @torch.no_grad()
    def photographs(self, count: int) -> PhotoBatch:
        """Photographs the person: any look and pose, grain, exposure and tint of a camera.

        Of ten and of fifty, the ten are the first of the fifty.
        """
        chance = torch.Generator().manual_seed(10 * self.seed + 1)
        most = max(count, 50)
        poses = torch.randn(most, 2, generator=chance) * torch.tensor(_POSE)
        tints = torch.randn(most, 3, 1, 1, generator=chance) * _EXPOSURE
        cameras = posed_label(*poses[:count].clamp(-0.7, 0.7).unbind(dim=1))
        codes = self.looks(most, seed=2)[:count]
        pictures = self.seen(codes, cameras)
        grain = torch.Generator().manual_seed(10 * self.seed + 3)
        pictures += _GRAIN * torch.randn(pictures.shape, generator=grain) + tints[:count]
        ages = torch.full((count,), 40.0)
        return PhotoBatch(crops=pictures, ages=ages, codes=codes, cameras=cameras)

    @torch.no_grad()
    def novel_views(self, count: int) -> PhotoBatch:
        """Returns looks and cameras that no photograph shows, and the truth of them, no grain."""
        chance = torch.Generator().manual_seed(10 * self.seed + 4)
        poses = (torch.rand(count, 2, generator=chance) * 2 - 1) * torch.tensor(_NOVEL_POSE)
        cameras, codes = posed_label(*poses.unbind(dim=1)), self.looks(count, seed=5)
        ages = torch.full((count,), 40.0)
        return PhotoBatch(crops=self.seen(codes, cameras), ages=ages, codes=codes, cameras=cameras)

    @torch.no_grad()
    def seen(self, codes: Tensor, cameras: Tensor) -> Tensor:
        """Returns the truth of looks from cameras, (P, 3, R, R)."""
        identity = self.truth.identity(codes)
        return self.truth.view(identity, cameras, sampling="even")


def _low_rank_changes(generator: TriPlaneGenerator, chance: torch.Generator) -> dict[str, Tensor]:
    """Changes of rank HIDDEN_RANK, both factors drawn, by the layer's name."""
    adapter = LowRankAdapter(generator, LoRAConfig(rank=HIDDEN_RANK, lora_alpha=1.0), rng=chance)
    changes = {}
    with torch.no_grad():
        for name, part in adapter.weights_by_layer().items():
            part.up.normal_(generator=chance)
            changes[name] = part()
    return changes
