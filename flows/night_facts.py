"""What a nightly version is registered with."""

import json
from pathlib import Path

from flows.night_ground import Ground, Pupil
from flows.night_learners import Recipe
from reage.registry.adapter_facts import UpdatedFacts
from reage.rehearsal.examination import means_of
from reage.rehearsal.night import ActorNight
from tasks.increment_refs import IncrementRef
from tasks.refs import TrainedRef

_KEPT = ("strength_departure", "strength_departure_plain")  # figures of the training


def facts_of_update(
    pupil: Pupil,
    ground: Ground,
    increment: IncrementRef,
    trained: TrainedRef,
    recipe: Recipe,
    covers: tuple[float, float],
    night: ActorNight,
    staged: str,
) -> UpdatedFacts:
    """Returns the facts that a version is registered with.

    Args:
        pupil: Whose night it is.
        ground: What it began on.
        increment: The new photographs.
        trained: The update.
        recipe: How it was learnt.
        covers: Youngest and oldest age of all increments, years.
        night: With what was examined.
        staged: Digest of the buffer that goes with it.
    """
    described = json.loads((Path(trained.folder) / "adapter.json").read_text("utf-8"))
    new = means_of(night.faces, "after").get(increment.number, {})
    forgotten = {f"forgetting_{name}": value for name, value in night.forgetting.items()}
    even = {name: described["metrics"][name] for name in _KEPT if name in described["metrics"]}
    metrics = {f"new_{name}": value for name, value in new.items()} | forgotten | even
    return UpdatedFacts(
        prior_name=pupil.prior.name,
        prior_digest=pupil.prior.digest,
        licence=pupil.prior.licence,
        collection_digest=increment.digest,
        num_photographs=increment.num_learnt,
        min_age=covers[0],
        max_age=covers[1],
        consent_document=pupil.actor.consent.document_id,
        network=described["network"],
        recipe=recipe.plain(),
        metrics={name: round(value, 5) for name, value in metrics.items()},
        strength_course=described["strength_course"],
        parent=ground.foundation.latest,
        increment=increment.number,
        num_rehearsed=ground.num_rehearsed,
        buffer_digest=staged,
        learner=ground.learner,
    )
