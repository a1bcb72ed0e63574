"""The first lesson of an adapter: latents in, latents out, no picture decoded.

The adapter learns to take the general prior's latents to where the person's own path says; what the
pictures then teach starts from there. A few hundred steps cost seconds.

Shapes: P pairs of a photograph and a target age, B batch, L style layers, D latent size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.ageing.adapter import Adapter
from models.ageing.adapter_recipe import AdapterRecipe
from models.ageing.personal_pass import general_latents
from models.ageing.personal_path import PersonalPath
from models.ageing.targets import AgeRange, draw_targets
from models.training import descend, run_loop, scheduled_rate
from tasks.photo_set import PhotoSet
from tasks.training_watch import Turns, Watch

_TARGETS_A_PHOTO = 8
_AGED_AT_ONCE = 16
_BATCH = 64
_SAVE_EVERY = 200
_STEPS, _PAIRS = (1, 0), (1, 1)  # set these draws apart from one another and from later lessons'

Report = Callable[[int, int, Mapping[str, float]], None]  # step, steps, losses


@dataclass(frozen=True, eq=False)
class _Pairs:
    """General latents, target ages and the latents that are wanted there."""

    general: Tensor
    target_age: Tensor
    wanted: Tensor


class LatentLesson:
    """Teaches an adapter a person's path, in place.

    Args of the constructor:
        adapter: What is taught.
        photos: Of one person, with anchors.
        path: Of that person.
        limits: Ages that may be asked for.
        recipe: `latent_steps`, `latent_rate` and `seed` count.
    """

    def __init__(
        self,
        adapter: Adapter,
        photos: PhotoSet,
        path: PersonalPath,
        limits: AgeRange,
        recipe: AdapterRecipe,
    ) -> None:
        self._adapter, self._recipe = adapter, recipe
        self._turns = Turns(recipe.seed, *_STEPS)
        self._pairs = _drawn(photos, path, limits, Turns(recipe.seed, *_PAIRS))
        self._optimiser = torch.optim.AdamW(
            adapter.parameters(), lr=recipe.latent_rate, betas=(0.9, 0.99), weight_decay=0.0
        )
        self._watch = Watch()

    def run(self, checkpoint: Path, report: Report) -> None:
        """Teaches to the end, going on from `checkpoint` where there is one.

        Raises:
            TrainingError: The loss is no number or runs away; `checkpoint` is from before.
        """
        run_loop(
            checkpoint,
            self._step,
            steps=self._recipe.latent_steps,
            draw=self._turns,
            parts={"adapter": self._adapter},
            optimisers=[self._optimiser],
            report=lambda _stage, done, steps, terms: report(done, steps, terms),
            save_every=_SAVE_EVERY,
        )

    def _step(self, number: int) -> dict[str, float]:
        pairs = self._pairs
        rows = torch.randint(len(pairs.target_age), (_BATCH,), generator=self._turns.generator).to(
            pairs.target_age.device
        )
        made = self._adapter(pairs.general[rows], pairs.target_age[rows])
        loss = (made - pairs.wanted[rows]).square().mean()
        told = float(loss.detach())
        self._watch.see(number, told)
        rate = scheduled_rate(number, self._recipe.latent_steps, warm_up=20)
        descend(self._optimiser, loss, learning_rate=self._recipe.latent_rate * rate)
        return {"total": told}


@torch.no_grad()
def _drawn(photos: PhotoSet, path: PersonalPath, limits: AgeRange, turns: Turns) -> _Pairs:
    """Draws target ages for every photograph and makes both latents of each pair."""
    general, asked, wanted = [], [], []
    rows = torch.arange(len(photos.ages), device=photos.ages.device)
    for number in range(_TARGETS_A_PHOTO):
        turns.at(number)
        for part in rows.split(_AGED_AT_ONCE):
            batch = photos.batch(part)
            target_age, _ = draw_targets(
                batch.ages, training=photos.range, limits=limits, generator=turns.generator
            )
            general.append(general_latents(path.prior, batch, target_age))
            asked.append(target_age)
            wanted.append(path(batch, target_age, general[-1]))
    return _Pairs(torch.cat(general), torch.cat(asked), torch.cat(wanted))
