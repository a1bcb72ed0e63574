"""The landscape of an update, drawn before it is published, on what it learnt and rehearsed."""

from prefect import get_run_logger

from flows.diagnose_adapter import REMEMBERED
from flows.night_ground import Ground, Pupil
from reage.errors import RegistryError
from reage.registry.adapters import find_adapter
from reage.rehearsal.night import ActorNight
from tasks.increment_refs import IncrementRef
from tasks.increments import gather_lesson
from tasks.landscape import draw_landscape
from tasks.refs import TrainedRef
from tasks.states import LandscapeRef, StateRef


def landscape_of_update(
    pupil: Pupil, ground: Ground, increment: IncrementRef, trained: TrainedRef
) -> LandscapeRef:
    """Draws what lies between an update's start, the version it went on from and itself.

    Raises:
        RegistryError: The manifest asks for a barrier, and the version that it went on from cannot
            be judged; or the prior needs LPIPS, and it is not registered.
    """
    lesson = gather_lesson(increment, ground.buffer, workspace=pupil.workspace)
    return draw_landscape(
        StateRef.of_training(pupil.actor.actor, ground.next_version, trained, lesson),
        _gone_on_from(pupil, ground),
        lesson,
        pupil.prior_ref,
        workspace=pupil.workspace,
    )


def remember_landscape(pupil: Pupil, landscape: LandscapeRef, night: ActorNight) -> None:
    """Keeps an update's verdict as that of the version it was published as."""
    pupil.workspace.remember(
        REMEMBERED,
        {
            "version": night.after,
            "headline": landscape.headline,
            "findings": list(landscape.findings),
            "page": str(landscape.page),
        },
    )


def _gone_on_from(pupil: Pupil, ground: Ground) -> StateRef | None:
    if ground.start is None:
        return None
    try:
        return StateRef.of(find_adapter(pupil.actor.actor, ground.foundation.latest))
    except RegistryError as error:
        # Of another code's description; only who asks for a barrier cannot do without it.
        if pupil.settings.tolerance.barrier is not None:
            raise
        get_run_logger().warning("no way from the version before is drawn: %s", error)
        return None
