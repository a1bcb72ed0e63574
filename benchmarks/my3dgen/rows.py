"""One way of personalising one actor, trained and judged on views that no photograph shows.

Shapes: P pictures, E embedding size.
"""

import copy
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.my3dgen.actors import Actor
from benchmarks.my3dgen.people import People
from models.ageing.compact_prior import CompactPrior
from models.ageing.critics import critics_of
from models.ageing.personal_pass import PhotoBatch
from models.continual.rehearsal import UpdateRecipe, learn_increment
from models.eg3d.camera import frontal_label
from models.eg3d.generator import TriPlaneGenerator
from models.face3d.personal import PersonalFace
from models.face3d.recipe import BETAS, PUBLISHED_RATE
from models.lora.adapter import LowRankAdapter
from models.lora.layer import LoRAConfig

RANKS = (1, 2, 4, 8)
ORIGINAL, FULL, FULL_SLOW = "original", "full", "full, slow"
WAYS = (ORIGINAL, FULL, FULL_SLOW, *(f"rank {rank}" for rank in RANKS))
_SLOW = 0.25  # of the published rate, which is low-rank weights' as well
_STRANGERS = 64  # people of the prior whose mean embedding is nobody's
_AT_ONCE = 8

Row = Mapping[str, float | int | str]


@dataclass(frozen=True, eq=False)
class Bench:
    """What all rows share.

    Attributes:
        prior: Everybody's generator.
        people: Who it knows.
        networks: Of the compact prior: the embedder judges, features stand in for LPIPS.
        steps, batch_size: Of every training.
        num_views: That are judged.
    """

    prior: TriPlaneGenerator
    people: People
    networks: CompactPrior
    steps: int
    batch_size: int
    num_views: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "perceptual", critics_of(self.networks).perceptual)
        object.__setattr__(self, "_nobody", self._mean_embedding())

    def row(self, actor: Actor, photos: PhotoBatch, way: str) -> Row:
        """Personalises in one of WAYS and judges."""
        started = time.process_time()
        learner = self.personal(actor, photos, way)
        seconds = time.process_time() - started
        views = actor.novel_views(self.num_views)
        made = self.seen(learner, views)
        return {
            "way": way,
            "photographs": len(photos.ages),
            "seed": actor.seed,
            "numbers": 0 if way == ORIGINAL else learner.num_trained,
            "perceptual": round(float(self._perceptual(made, views.crops)), 5),
            "psnr": round(_psnr(made, views.crops), 3),
            "likeness": round(float(self.likeness(made, views.crops).mean()), 4),
            "processor_seconds": round(seconds, 1),
        }

    @torch.no_grad()
    def seen(self, learner: PersonalFace, views: PhotoBatch) -> Tensor:
        """Returns what a learner makes of views, (P, 3, R, R)."""
        assert views.codes is not None and views.cameras is not None
        pairs = zip(views.codes.split(_AT_ONCE), views.cameras.split(_AT_ONCE), strict=True)
        return torch.cat([learner.views(*pair, sampling="even")[1] for pair in pairs])

    @torch.no_grad()
    def likeness(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Returns cosines (P,) of embeddings, each taken from the mean of the prior's people."""
        one, other = (self.networks.embedder(x) - self._nobody for x in (made, wanted))  # type: ignore[attr-defined]
        return F.cosine_similarity(one, other)

    def personal(self, actor: Actor, photos: PhotoBatch, way: str) -> PersonalFace:
        """Returns a learner that has been taught in one of WAYS."""
        learner = self._learner(way, seed=actor.seed)
        if way != ORIGINAL:
            self._taught(learner, photos, way, seed=actor.seed)
        return learner

    @torch.no_grad()
    def _perceptual(self, made: Tensor, wanted: Tensor) -> Tensor:
        apart: Callable[[Tensor, Tensor], Tensor] = self.perceptual  # type: ignore[attr-defined]
        return apart(made, wanted).mean()

    @torch.no_grad()
    def _mean_embedding(self) -> Tensor:
        latents = self.people.latents(_STRANGERS, torch.Generator().manual_seed(7))
        found = []
        for part in latents.split(_AT_ONCE):
            camera = frontal_label().expand(len(part), -1)
            identity = self.prior.identity(part)
            picture = self.prior.view(identity, camera, sampling="even")
            found.append(self.networks.embedder(picture))
        return torch.cat(found).mean(dim=0)

    def _learner(self, way: str, *, seed: int) -> PersonalFace:
        apart = self.perceptual  # type: ignore[attr-defined]
        if way in (ORIGINAL, FULL, FULL_SLOW):
            own = copy.deepcopy(self.prior)
            return PersonalFace.tuned(own, perceptual=apart)
        rank = int(way.split()[1])
        adapter = LowRankAdapter(
            self.prior,
            LoRAConfig(rank=rank, lora_alpha=rank),
            rng=torch.Generator().manual_seed(seed),
        )
        return PersonalFace.low_rank(self.prior, adapter, perceptual=apart)

    def _taught(self, learner: PersonalFace, photos: PhotoBatch, way: str, *, seed: int) -> None:
        recipe = UpdateRecipe(
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=PUBLISHED_RATE * (_SLOW if way == FULL_SLOW else 1.0),
            betas=BETAS,
            seed=seed,
        )
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "person.pt"
            learn_increment(
                learner, photos, None, recipe, checkpoint=checkpoint, report=lambda *_told: None
            )


def _psnr(made: Tensor, wanted: Tensor) -> float:
    """Decibels, of pictures in [-1, 1], clamped to it; the mean over pictures."""
    errors = (made.clamp(-1, 1) - wanted.clamp(-1, 1)).square().mean(dim=(1, 2, 3))
    decibels: list[float] = (10 * (4 / errors.clamp_min(1e-9)).log10()).tolist()
    return math.fsum(decibels) / len(decibels)
