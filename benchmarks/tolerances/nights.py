"""Good and bad nights of one person, with the tasks, the registry and the gate of a real night.

Two good nights are published. The third is had several times over, each from where the second
ended: once as it should be, and as it should not.

Shapes: T increments, N photographs of one, R crop size.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.continual.streams import Stream
from flows.actor_night import learn_increment
from flows.night_ground import Ground, Pupil, begin
from flows.night_learners import Learner, adapter_recipe_of
from models.training import to_crops
from reage.manifest import ActorManifest
from reage.manifest.nightly import NightlyUpdates
from reage.provenance import AuditLog
from reage.registry.priors import find_prior
from reage.rehearsal.examination import IncrementRecord, updated_records
from reage.rehearsal.held_out import choose_held_out
from reage.rehearsal.night import ActorNight
from reage.rehearsal.replay_buffer import Faces
from reage.workspace import Workspace
from tasks.adapters import AdapterRecipe, adapter_recipe, update_adapter
from tasks.examination import examine_update
from tasks.gpu import loaded_prior
from tasks.increment_refs import IncrementRef
from tasks.increments import encoded
from tasks.replay_buffers import read_examination, stage_update

TAUGHT, HELD_OUT = 8, 2
CONDITIONS = (
    "good",
    "half of them a stranger",
    "all of them a stranger",
    "rate x 10",
    "no rehearsal",
)
_RATE = 10.0

Forgotten = dict[str, list[float]]  # by figure, of every earlier increment


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Optimiser steps on pictures: of a first adapter, and of an update."""

    first: int
    update: int


class Person:
    """One person's nights, in a registry of their own: `REAGE_HOME` must be one.

    Args of the constructor:
        name: As the registry has it.
        stream: The person's photographs.
        stranger: Somebody else's.
        folder: For work.
        steps: Of trainings.

    Attributes:
        pupil: The person, as a night knows one.
    """

    def __init__(
        self, name: str, stream: Stream, stranger: Stream, folder: Path, steps: Steps
    ) -> None:
        actor = ActorManifest.model_validate({**_MANIFEST, "actor": name, "names": [name]})
        self._steps, self._folder = steps, folder
        self._stream, self._stranger = stream, stranger
        self.pupil = Pupil(
            actor=actor,
            settings=NightlyUpdates.model_validate(
                {"steps": steps.update, "tolerance": {"distance": 1, "identity": 2, "likeness": 2}}
            ),
            prior=find_prior("compact"),
            workspace=Workspace.of_actor(folder, name),
            audit=AuditLog(folder / "audit.jsonl"),
        )

    def nights(self) -> dict[str, list[Forgotten]]:
        """Returns what was forgotten, by condition; good nights are the second and a third.

        What an earlier call, cut short, had finished is not done again.
        """
        for number in range(len(begin(self.pupil).records), 2):
            ground = begin(self.pupil)
            increment = self.increment(number)
            quiet = ActorNight(actor=self.pupil.actor.actor, outcome="nothing new", detail="")
            learn_increment(self.pupil, ground, increment, quiet, learner=self.learner())
        second = _forgotten(begin(self.pupil).records)
        found = {condition: [self._third(condition)] for condition in CONDITIONS}
        return {**found, "good": [second, *found["good"]]}

    def _third(self, condition: str) -> Forgotten:
        """Has the third night under a condition, and does not publish it."""
        ground, pupil = begin(self.pupil), self.pupil
        shares = {"half of them a stranger": 0.5, "all of them a stranger": 1.0}
        increment = self.increment(2, strangers=shares.get(condition, 0.0))
        recipe = self._recipe(pupil, ground)
        if condition == "rate x 10":
            recipe = replace(recipe, learning_rate=_RATE * recipe.learning_rate)
        rehearsed = None if condition == "no rehearsal" else ground.buffer
        prior, workspace = pupil.prior_ref, pupil.workspace
        ages = [(r.min_age, r.max_age) for r in ground.records]
        ages.append((increment.min_age, increment.max_age))
        covers = min(low for low, _ in ages), max(high for _, high in ages)
        trained = update_adapter.fn(
            increment, rehearsed, ground.start, prior, recipe, covers=covers, workspace=workspace
        )
        examination = examine_update.fn(
            increment, ground.buffer, ground.start, trained, prior,
            name=ground.next_version, workspace=workspace,
        )  # fmt: skip
        new = IncrementRecord(
            number=increment.number, day="", num_learnt=0, num_held_out=0, min_age=0, max_age=0
        )
        return _forgotten(updated_records((*ground.records, new), read_examination(examination)))

    def learner(self) -> Learner:
        """Returns the night's own tasks, called as functions: there is no flow run here."""
        return Learner(
            recipe=self._recipe,
            update=update_adapter.fn,
            examine=examine_update.fn,
            stage=stage_update.fn,
            draw=None,
        )

    def _recipe(self, pupil: Pupil, ground: Ground) -> AdapterRecipe:
        if ground.start is None:
            return adapter_recipe(pupil.prior_ref, steps=self._steps.first)
        return adapter_recipe_of(pupil, ground)

    def increment(self, number: int, *, strangers: float = 0.0) -> IncrementRef:
        """Returns photographs of one increment of the stream, some of them of somebody else."""
        own = _photographs(self._stream, number)
        count = round(strangers * len(own))
        crops = np.concatenate([_photographs(self._stranger, number)[:count], own[count:]])
        faces = _faces(crops, number + 1, self.pupil)
        is_held_out = np.zeros(len(faces), bool)
        is_held_out[choose_held_out(faces.photographs.tolist(), most=HELD_OUT)] = True
        path = self._folder / f"increment-{self.pupil.actor.actor}-{number}-{count}.npz"
        with path.open("wb") as file:
            np.savez(file, **faces.arrays(), is_held_out=is_held_out)
        return IncrementRef(
            path=str(path),
            digest=f"{number:032x}{count:032x}",
            number=number + 1,
            num_learnt=int((~is_held_out).sum()),
            num_held_out=int(is_held_out.sum()),
            min_age=float(faces.ages.min()),
            max_age=float(faces.ages.max()),
        )


_MANIFEST: dict[str, Any] = {
    "collection": "photographs",
    "consent": {
        "document_id": "SIMULATED",
        "scope": ["train"],
        "shows": "any",
        "granted": "2020-01-01",
        "expires": "2100-01-01",
    },
}


def _photographs(stream: Stream, number: int) -> NDArray[np.uint8]:
    """(N, R, R, 3)."""
    both = np.concatenate([stream.taught[number], stream.held_out[number]])
    return both[np.linspace(0, len(both) - 1, TAUGHT + HELD_OUT).astype(int)]


@torch.no_grad()
def _faces(crops: NDArray[np.uint8], number: int, pupil: Pupil) -> Faces:
    """Photographs as a night knows them; ages as the prior estimates them."""
    prior, count = loaded_prior(pupil.prior_ref), len(crops)
    seen = to_crops(crops)
    ages = prior.estimate_age(seen).clamp(prior.config.min_age, prior.config.max_age)
    rng = np.random.default_rng([number, count])
    return Faces(
        crops=crops,
        codes=encoded(crops, pupil.prior_ref),
        embeddings=prior.embed(seen).numpy(),
        hashes=np.zeros((count, 16, 16), bool),
        sharpness=np.ones(count, np.float32),
        ages=ages.float().numpy(),
        age_sources=np.full(count, "estimated"),
        names=np.array([f"{number}/{n}.png" for n in range(count)], np.str_),
        photographs=np.array([rng.bytes(32).hex() for _ in range(count)], np.str_),
        increments=np.full(count, number, np.int64),
    )


def _forgotten(records: Any) -> Forgotten:
    found: Forgotten = {}
    for record in list(records)[:-1]:
        for name, value in record.forgetting().items():
            found.setdefault(name, []).append(round(value, 5))
    return found
