"""The steps of a night that networks take part in, by what of a person's model is learnt."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from flows.night_ground import Ground, Pupil
from flows.night_landscape import landscape_of_update
from reage.learners import LearnerKind
from tasks.adapters import AdapterRecipe, adapter_recipe, update_adapter, update_recipe
from tasks.examination import examine_update
from tasks.increment_refs import ExaminationRef
from tasks.own_decoders import decoder_recipe, update_decoder
from tasks.refs import TrainedRef
from tasks.replay_buffers import stage_update
from tasks.states import LandscapeRef


class Recipe(Protocol):
    """How an increment is learnt."""

    def plain(self) -> dict[str, Any]:
        """Returns the recipe as JSON values."""


def adapter_recipe_of(pupil: Pupil, ground: Ground) -> AdapterRecipe:
    """An update's recipe; a first adapter has the whole one, with the lesson in latent space."""
    if ground.start is None:
        return adapter_recipe(pupil.prior_ref)
    return update_recipe(pupil.prior_ref, steps=pupil.settings.steps)


@dataclass(frozen=True)
class Learner:
    """The steps that networks take part in; an adapter's if not said otherwise.

    Attributes:
        recipe: Says how the increment is learnt.
        update: Learns it.
        examine: Judges what was learnt.
        draw: Draws what lies between versions; None where nothing is drawn.
        stage: Chooses what is rehearsed next.
    """

    recipe: Callable[[Pupil, Ground], Recipe] = adapter_recipe_of
    update: Callable[..., TrainedRef] = update_adapter
    examine: Callable[..., ExaminationRef] = examine_update
    draw: Callable[..., LandscapeRef] | None = landscape_of_update
    stage: Callable[..., str] = stage_update


def learner_of(kind: LearnerKind) -> Learner:
    """Returns the steps of a learner."""
    if kind == "adapter":
        return Learner()

    def recipe(pupil: Pupil, ground: Ground) -> Recipe:
        return decoder_recipe(kind, steps=pupil.settings.steps)

    def update(*known: Any, covers: object, **more: Any) -> TrainedRef:
        return update_decoder(*known, kind=kind, **more)  # of which no age is asked

    return Learner(recipe=recipe, update=update, draw=None)
