"""What the parts of one real night cost: the update, the examination, the landscape, the choice.

Seconds do not depend on what photographs show, so these are noise; networks, tasks and registry are
the real ones.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.continual.streams import Stream
from benchmarks.tolerances.nights import HELD_OUT, TAUGHT, Person, Steps
from flows.actor_night import learn_increment
from flows.night_ground import Ground, Pupil, begin
from flows.night_learners import Learner
from reage.registry.adapters import find_adapter
from reage.registry.priors import find_prior
from reage.rehearsal.night import ActorNight
from tasks.gpu import loaded_prior
from tasks.increment_refs import IncrementRef
from tasks.increments import gather_lesson
from tasks.landscape import draw_landscape
from tasks.refs import PriorRef, TrainedRef
from tasks.states import LandscapeRef, StateRef

_FIRST, _UPDATE, _NIGHTS = 4, 20, 2


def night_cost(folder: Path) -> dict[str, Any]:
    """Returns processor seconds of the parts of a second night; `REAGE_HOME` must be a registry."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = _noise()
    person = Person("costly", noise, noise, folder, Steps(first=_FIRST, update=_UPDATE))
    spent: dict[str, float] = {}
    for number in range(_NIGHTS):
        ground = begin(person.pupil)
        increment = person.increment(number)
        quiet = ActorNight(actor="costly", outcome="nothing new", detail="")
        learner = _timed(person.learner(), spent)
        night = learn_increment(person.pupil, ground, increment, quiet, learner=learner)
    found = {name: round(seconds, 2) for name, seconds in spent.items()}
    return {
        "photographs": {"learnt": TAUGHT, "held_out": HELD_OUT, "rehearsed": night.num_rehearsed},
        "increments": _NIGHTS,
        "update_step_s": round(found.pop("update") / _UPDATE, 4),
        **{f"{name}_s": seconds for name, seconds in found.items()},
    }


def _timed(learner: Learner, spent: dict[str, float]) -> Learner:
    """Notes the processor seconds of every step of the last night."""

    def timed(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*known: Any, **more: Any) -> Any:
            begun = time.process_time()
            result = step(*known, **more)
            spent[name] = time.process_time() - begun
            return result

        return run

    return Learner(
        recipe=learner.recipe,
        update=timed("update", learner.update),
        examine=timed("examination", learner.examine),
        stage=timed("staging", learner.stage),
        draw=timed("landscape", _draw),
    )


def _draw(
    pupil: Pupil, ground: Ground, increment: IncrementRef, trained: TrainedRef
) -> LandscapeRef:
    """The landscape of a night, its tasks called as functions."""
    workspace, actor = pupil.workspace, pupil.actor.actor
    lesson = gather_lesson.fn(increment, ground.buffer, workspace=workspace)
    return draw_landscape.fn(
        StateRef.of_training(actor, ground.next_version, trained, lesson),
        StateRef.of(find_adapter(actor)) if ground.start else None,
        lesson,
        pupil.prior_ref,
        workspace=workspace,
    )


def _noise() -> Stream:
    size = loaded_prior(PriorRef.of(find_prior("compact"))).config.crop_size
    pixels = np.random.default_rng(0).integers(
        0, 255, (_NIGHTS, TAUGHT + HELD_OUT, size, size, 3), np.uint8
    )
    return Stream(pixels[:, :TAUGHT], pixels[:, TAUGHT:])
